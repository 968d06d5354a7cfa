"""Firmware projects: rendering, verdicts, building, flashing, sizes."""
