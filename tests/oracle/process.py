"""The oracle in a process of its own, which may die of a model it trusts too much."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.oracle.check import Case

_ROOT = Path(__file__).resolve().parent.parent.parent


class Oracle:
    """The oracle's process, started again when a model kills it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, case: "Case") -> tuple[Any, str]:
        """Outputs of every call, or None and the reason."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.oracle.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
            )
        try:
            calls = [list(inputs) for inputs in case.calls]
            self._process.stdin.write(pickle.dumps((case.oracle, case.model, calls, case.reset)))
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.close()
            return None, "the oracle crashed"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
