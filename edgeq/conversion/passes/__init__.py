"""Rewrites of a float or quantized graph, one file each."""
