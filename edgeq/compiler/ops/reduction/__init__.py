"""Ops over whole axes: sums, extremes, softmax."""
