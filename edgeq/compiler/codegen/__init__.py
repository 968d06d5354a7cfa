"""C sources out of a program and a plan: pure functions that write no file."""
