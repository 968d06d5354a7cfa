"""Options, tables and summaries that several commands share."""
