"""What the files of ops are made of."""
