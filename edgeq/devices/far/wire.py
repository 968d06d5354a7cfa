"""JSON lines over file descriptors.

Without importing `json`, which takes 0.6 s of a start-up of 0.8 s on an emulated Pi.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Dict

Message = Dict[str, Any]

try:
    from _json import encode_basestring_ascii, make_scanner

    class _Context:
        """What the C scanner wants to know about its caller."""

        strict = True
        object_hook = None
        object_pairs_hook = None
        parse_float = float
        parse_int = int
        parse_constant = float
        memo: dict[str, str] = {}  # noqa: RUF012  (the scanner's own name)

    _scan: Callable[[str, int], Any] = make_scanner(_Context)  # type: ignore[arg-type]

    def decode(line: str) -> Message:
        """The object in one line of JSON."""
        return dict(_scan(line.strip(), 0)[0])

    def _encode(value: Any) -> str:
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return repr(value)
        if isinstance(value, str):
            return str(encode_basestring_ascii(value))
        if isinstance(value, dict):
            items = ",".join(_encode(str(key)) + ":" + _encode(item) for key, item in value.items())
            return "{" + items + "}"
        return "[" + ",".join(_encode(item) for item in value) + "]"

except ImportError:  # a Python without the C accelerator
    import json

    def decode(line: str) -> Message:
        """The object in one line of JSON."""
        return dict(json.loads(line))

    def _encode(value: Any) -> str:
        return json.dumps(value)


def send(descriptor: int, **message: Any) -> None:
    """Write one message; blocks until the other side has taken it."""
    data = memoryview((_encode(message) + "\n").encode("ascii"))
    while data:
        data = data[os.write(descriptor, data) :]


class Lines:
    """Splits what arrives on a file descriptor into lines."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self._parts = bytearray()

    def read(self) -> Iterator[str]:
        """The lines that are complete after one read; sets `ended` at the end of the stream."""
        data = os.read(self.descriptor, 1 << 18)
        self.ended = not data
        if b"\n" not in data:
            self._parts += data
            return
        head, _, rest = data.rpartition(b"\n")
        lines = bytes(self._parts + head)
        self._parts = bytearray(rest)
        for line in lines.split(b"\n"):
            if line.strip():
                yield line.decode("utf-8", "replace")
