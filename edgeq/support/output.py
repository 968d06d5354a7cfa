"""Outputs that are written whole or not at all, and never over the user's files unasked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeq.errors import EdgeqError


def check_writable(path: Path, *, force: bool, folder: bool = False) -> None:
    """Refuse, before any work is done, an output that cannot or must not be written.

    Args:
        path: File or folder to be made.
        force: Whether something that exists there may be replaced.
        folder: Whether it is to be a folder.

    Raises:
        EdgeqError: It exists and `force` is not given, it is a folder where a file is to be made,
            or its folder is read-only.
    """
    if path.is_dir() and not folder:
        raise EdgeqError(f"'{path}' is a folder; a file is to be written.", hint=f"{path / 'NAME'}")
    if (path.exists() or path.is_symlink()) and not force:
        raise EdgeqError(f"'{path}' exists already.", hint="--force overwrites it")
    if folder and path.is_dir():
        whole = path.resolve()
        for kept in (Path.cwd(), Path.home()):
            if kept.resolve().is_relative_to(whole):
                raise EdgeqError(f"'{path}' would be replaced as a whole, and holds '{kept}'.")
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise EdgeqError(f"'{path}' cannot be written: '{parent}' is not a writable folder.")


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file through a temporary neighbour, so that a reader never sees half of it.

    Raises:
        EdgeqError: The disk is full, or the file cannot be written for another reason.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_neighbour(path, raw)
    except OSError as error:
        raise EdgeqError(f"'{path}' cannot be written: {error.strerror or error}.") from error


def _write_neighbour(path: Path, raw: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        # mkstemp makes private files; give the result the permissions of an ordinary one.
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def whole_directory(path: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and vanishes if not.

    Args:
        path: The folder to make.
        force: Whether an existing folder of that name is replaced.

    Yields:
        The temporary folder to write into.
    """
    check_writable(path, force=force, folder=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    work.chmod(0o755)
    old = work.with_name(work.name + ".old")
    try:
        yield work
        if path.exists() or path.is_symlink():
            path.rename(old)
        work.rename(path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if old.exists() or old.is_symlink():
            old.rename(path)  # interrupted between the two: what was there comes back
        raise
    # A link is replaced, and what it leads to is left alone.
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink(missing_ok=True)
