"""What other runtimes can run, as data: one TOML file per runtime, each with its source."""
