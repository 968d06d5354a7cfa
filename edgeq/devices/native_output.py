"""What native code prints on stderr, kept for error messages instead of the terminal."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from edgeq.support.quiet import redirected


class Captured:
    """The text that was printed inside `captured_stderr`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def text(self) -> str:
        """What has been printed so far."""
        self._file.seek(0)
        return self._file.read().decode(errors="replace")


@contextmanager
def captured_stderr() -> Iterator[Captured]:
    """Redirect file descriptor 2, where C++ runtimes write their diagnostics, into memory.

    Yields:
        What holds the text; read it before the block ends.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file, redirected(2, file.fileno()):
        yield Captured(file)
