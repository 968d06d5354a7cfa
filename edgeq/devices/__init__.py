"""Devices: the one protocol behind `--on ADDRESS`, and everything that speaks it."""
