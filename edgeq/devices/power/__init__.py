"""Meters: what a machine or an instrument says of the power that is drawn; one protocol."""
