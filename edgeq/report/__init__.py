"""Reports: one self-contained HTML page out of the JSON of other commands."""
