"""Front ends: what comes before the tensor, described once, the same bytes everywhere."""
