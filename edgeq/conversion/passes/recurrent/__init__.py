"""Recurrent layers: from the loops that converters write to the ops that runtimes have."""
