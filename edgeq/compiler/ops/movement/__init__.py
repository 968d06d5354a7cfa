"""Ops that move bytes and compute nothing."""
