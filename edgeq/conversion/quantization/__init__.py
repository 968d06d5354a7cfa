"""From a float model and ranges to integers: schemes, rounding, bias correction, storage."""
