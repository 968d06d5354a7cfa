"""A search for the scheme, the precisions and the compression that fit a device and a task."""
