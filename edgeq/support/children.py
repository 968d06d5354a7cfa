"""Python programs that this one starts: the current folder is not among what they import from.

`python -m NAME` and `python -c` look for modules in the current folder first. That is where a
downloaded model lies unpacked, and whatever came with it must not run.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import spawn
from pathlib import Path

# Nothing but `sys`, which is part of the interpreter, is imported before the folder is taken out.
_BOOT = (
    "import sys; sys.path[:1] = [p for p in sys.path[:1] if p]; del sys.argv[0]; import runpy; "
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


def module_command(module: str, *words: str) -> tuple[str, ...]:
    """The command that runs an installed module as a program, as `python -m` does."""
    return (sys.executable, "-c", _BOOT, module, *words)


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    """Programs that are started in the block have this in their environment."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def safe_path() -> Iterator[None]:
    """Python programs that others start in the block keep the current folder out, too."""
    # Python 3.10 does not know the variable.
    old = sys.version_info < (3, 11)
    with variable("PYTHONSAFEPATH", "1"), isolated_spawn() if old else nullcontext():
        yield


@contextmanager
def isolated_spawn() -> Iterator[None]:
    """What multiprocessing spawns in the block imports nothing of the current folder.

    It starts `python -c`, which can be told so by an option alone, and takes the name of a program
    only. Afterwards the new process has the import path of this one. On POSIX systems.
    """
    if os.name != "posix":
        yield
        return
    before = os.fsdecode(spawn.get_executable())
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        program = Path(folder) / "python"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(before)} -I "$@"\n')
        program.chmod(0o700)
        spawn.set_executable(str(program))
        try:
            yield
        finally:
            spawn.set_executable(before)
