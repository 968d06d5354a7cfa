"""Random models of one op. GENERATORS holds one generator per op and type."""
