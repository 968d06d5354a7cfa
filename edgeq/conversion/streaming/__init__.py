"""A model of windows as one of steps: the same weights, what has gone by kept in variables."""
