"""What delegates and NPUs take of a model, as data: one TOML file each, with its sources."""
