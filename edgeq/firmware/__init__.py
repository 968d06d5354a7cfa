"""Firmware projects: rendering, building, flashing, sizes."""
