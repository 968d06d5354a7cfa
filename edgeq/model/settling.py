"""How many calls a model that streams takes before an answer is to a whole window.

It travels inside the .tflite: whoever decides by the answers must not count those before.
"""

from __future__ import annotations

from collections.abc import Mapping

ENTRY = "EDGEQ_SETTLING"
"""Name of the metadata buffer: a decimal number of calls."""

# More than a window has steps: a file of such an entry would silence its decisions for ever.
_MOST_CALLS = 1 << 20
_MOST_DIGITS = 7


def write_settling(calls: int) -> bytes:
    """The buffer for so many calls, whose answers do not count."""
    return str(calls).encode()


def read_settling(metadata: Mapping[str, bytes]) -> int:
    """Calls whose answers do not count; 0 where the metadata say nothing that makes sense."""
    text = bytes(metadata.get(ENTRY) or b"")
    calls = int(text) if text.isdigit() and len(text) <= _MOST_DIGITS else 0
    return calls if calls <= _MOST_CALLS else 0
