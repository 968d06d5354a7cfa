"""The emulator: a machine without a board, counters, the instruction sets, the timings."""
