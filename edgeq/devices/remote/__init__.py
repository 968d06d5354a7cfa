"""Hosts behind a link (SSH, adb): what they are, what they are given, how they are measured."""
