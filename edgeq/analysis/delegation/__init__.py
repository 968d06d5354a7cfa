"""Which ops of a model delegates and NPUs take, in how many parts, and what would make it one."""
