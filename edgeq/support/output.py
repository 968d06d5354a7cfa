"""Outputs that are written whole or not at all, and never over the user's files unasked."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.support.foreign import kind_of, open_file, parse_json, read_bytes
from edgeq.support.text import visible_line

_RECORDS = ("manifest.json", "edgeq-project.json")  # one of them is in every folder edgeq makes
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What a write ends with where no command can do anything about it."""
_FULL_BYTES = 1 << 20
_ASKING = threading.Lock()
_NAMED = 50  # characters, of up to four bytes; a file's name has 255
_BUILT = ("build", ".pio")  # where builds of a project put what they can make again


def check_writable(
    path: Path, *, force: bool, folder: bool = False, inputs: Iterable[object] = ()
) -> None:
    """Refuse, before any work is done, an output that cannot or must not be written.

    Args:
        path: File or folder to be made.
        force: Whether something that exists there may be replaced.
        folder: Whether it is to be a folder.
        inputs: What the same command reads: paths, or data as a user types it
            ("x.npz:x,y"); anything else is passed over.

    Raises:
        EdgeqError: It exists and `force` is not given; it is a device, or a folder where a file
            is to be made, or the other way round; it is or holds one of the inputs; it is a
            folder that edgeq did not make; or its own folder is read-only.
    """
    check_inputs(path, inputs)
    _check_kind(path, folder=folder)
    if (path.exists() or path.is_symlink()) and not force:
        raise EdgeqError(f"'{path}' exists already.", hint="--force overwrites it")
    if folder and path.is_dir():
        for kept in (Path.cwd(), Path(os.path.expanduser("~"))):  # noqa: PTH111  (with no home, too)
            if kept.resolve().is_relative_to(path.resolve()):
                raise EdgeqError(f"'{path}' would be replaced as a whole, and holds '{kept}'.")
        if not path.is_symlink():
            _check_ours(path)
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise EdgeqError(f"'{path}' cannot be written: '{parent}' is not a writable folder.")


def _check_kind(path: Path, *, folder: bool = False) -> None:
    """Refuse what is of another kind than what is to be made; a link is replaced as a link."""
    if path.is_dir():
        if not folder:
            raise EdgeqError(
                f"'{path}' is a folder; a file is to be written.", hint=f"{path / 'NAME'}"
            )
        return
    if not path.exists():
        return
    kind = kind_of(path.stat())
    # /dev/stdout is a link, and may lead to a plain file: replaced, it would be gone for everyone.
    if kind is None and path.is_symlink() and path.parent.resolve() == Path("/dev"):
        kind = "a device"
    if kind is not None:
        made = "folder" if folder else "file"
        raise EdgeqError(f"'{path}' is {kind}; a {made} of another name can be written.")
    if folder and not path.is_symlink():
        raise EdgeqError(f"'{path}' is a file; a folder is to be written.", hint="another name")


def check_inputs(path: Path, inputs: Iterable[object]) -> None:
    """Refuse an output that is, or holds, what the same command reads, as `check_writable`."""
    for given in inputs:
        if isinstance(given, str | Path):
            _check_input(path, str(given))


def _check_input(path: Path, given: str) -> None:
    """Refuse an output that would take the place of what is read for it."""
    for part in filter(None, (given, given.rpartition(":")[0], *given.split(","))):
        source = Path(part)
        try:
            if not source.exists() or not path.exists():
                continue
            # A link in the place of a folder is replaced, and what it leads to is left alone.
            inside = path.is_dir() and not path.is_symlink()
            lost = inside and source.resolve().is_relative_to(path.resolve())
            if not lost and not path.samefile(source):
                continue
        except (OSError, ValueError):
            continue  # no path at all, and whoever reads it says so
        does = "is" if path.samefile(source) else "would be replaced as a whole, and holds"
        raise EdgeqError(f"'{path}' {does} the input '{source}'.", hint="another output")


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        EdgeqError: It cannot be read.
    """
    total = hashlib.sha256()
    try:
        with open_file(path, "file") as file:
            while block := file.read(1 << 20):
                total.update(block)
    except OSError as error:
        reason = f"cannot read the file: {error.strerror or error}."
        raise EdgeqError(reason, visible_line(str(path))) from None
    return total.hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """What a folder holds: path of each file, with `/`, to its SHA-256; for the folder's record."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _check_ours(folder: Path) -> None:
    """Refuse to replace a folder with more in it than an earlier result.

    Raises:
        EdgeqError: It is not empty and holds no record of edgeq's; it is a git repository; or it
            holds files that the record does not list, or that were changed since.
    """
    held = {entry.name for entry in folder.iterdir()}
    if ".git" in held:
        raise EdgeqError(f"'{folder}' would be replaced as a whole, and is a git repository.")
    found = ((name, _record(folder / name)) for name in _RECORDS if name in held)
    name, made = next(((name, made) for name, made in found if made is not None), ("", {}))
    if held and not name:
        raise EdgeqError(
            f"'{folder}' would be replaced as a whole, and edgeq did not make it: it has no "
            f"{' or '.join(_RECORDS)} of edgeq's.",
            hint="another folder; or remove it yourself",
        )
    # The manifest of a deployment has its list inside what is signed.
    listed = made.get("digests") or (made.get("manifest") or {}).get("files")
    if isinstance(listed, dict):
        _check_nothing_lost(folder, name, listed)


def _check_nothing_lost(folder: Path, record: str, listed: dict[str, object]) -> None:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if inside.parts[0] in _BUILT or inside.as_posix() == record:
            continue
        if path.is_dir() and not path.is_symlink():
            continue
        mine = listed.get(inside.as_posix())
        if path.is_symlink() or mine is None or file_digest(path) != mine:
            how = "is not edgeq's" if mine is None else "was changed since edgeq wrote it"
            raise EdgeqError(
                f"'{folder}' would be replaced as a whole, and {visible_line(str(inside))} {how}.",
                hint="another folder; or move the file away first",
            )


def _record(path: Path) -> dict[str, Any] | None:
    try:
        found = parse_json(read_bytes(path, "record"), str(path))
    except EdgeqError:
        return None
    if not isinstance(found, dict):
        return None
    signed = found.get("manifest")
    made = any(isinstance(each, dict) and "edgeq" in each for each in (found, signed))
    return found if made else None


@contextmanager
def named_when_full(place: Path, hint: str = "") -> Iterator[None]:
    """Say which disk is full, which the system does not say of writes to open files.

    Args:
        place: Where the block writes; if there is room there, it was elsewhere.
        hint: What to do.

    Raises:
        EdgeqError: There is no room at `place`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename or not is_full(place):
            raise
        raise EdgeqError(f"'{place}' cannot be written: {error.strerror}.", hint=hint) from error
    except EdgeqError as error:
        full = os.strerror(errno.ENOSPC)  # in the words of a compiler, say
        if full not in error.what or not is_full(place):
            raise
        raise EdgeqError(f"'{place}' cannot be written: {full}.", hint=hint) from error


def is_full(place: Path) -> bool:
    """Whether the disk of a place, which may not be there yet, has next to no room."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free < _FULL_BYTES


class _Taken(EdgeqError):
    """Something lies where a new file is to be."""


def write_results(files: Mapping[Path, bytes | str], *, force: bool) -> None:
    """Write the files that a command was asked for, after its work: all of them, or none.

    `check_writable` looked before the work. What has come to lie in their place since stays
    without `force`, and the result lies beside it.

    Args:
        files: Content by path. Those whose names begin as the last one's stem stay alike.
        force: Whether what exists there is replaced.

    Raises:
        EdgeqError: Something lies there now; or as `write_whole`.
    """
    problem, stem = "", list(files)[-1].stem
    others = ({path: _other(path, number, stem) for path in files} for number in count(2))
    for names in chain([{path: path for path in files}], others):
        written: dict[Path, bytes | None] = {}
        try:
            for path, name in names.items():
                old = name.read_bytes() if force and len(files) > 1 and name.is_file() else None
                write_whole(name, files[path], fresh=not force)
                written[name] = old
        except BaseException as error:
            for name, old in written.items():
                name.unlink() if old is None else write_whole(name, old)
            if not isinstance(error, _Taken):
                raise
            problem = problem or error.what
            continue
        if problem:
            raise _lies_in(list(names.values())[-1], f"{problem} {_SINCE}")
        return


def _other(path: Path, number: int, stem: str) -> Path:
    if not path.name.startswith(stem):
        stem = path.stem
    return path.with_name(f"{stem}-{number}{path.name[len(stem) :]}")


_SINCE = "It came to be so while this command worked, and stays;"


def _lies_in(other: Path, problem: str) -> EdgeqError:
    return EdgeqError(f"{problem} the result lies in '{other}'.")


def write_whole(
    path: Path, data: bytes | str, *, private: bool = False, fresh: bool = False
) -> None:
    """Write a file through a temporary neighbour, so that a reader never sees half of it.

    Args:
        path: The file.
        data: Its content.
        private: Whether a new file is its owner's alone; one that is there keeps its permissions.
        fresh: Whether nothing may lie there yet.

    Raises:
        EdgeqError: The disk is full, or the file cannot be written for another reason.
    """
    if not fresh:
        _check_kind(path)
    raw = data.encode() if isinstance(data, str) else bytes(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(path, 0o600 if private else 0o666 & ~_mask())
        _write_neighbour(path, raw, mode, fresh=fresh)
    except OSError as error:
        if fresh and os.path.lexists(path):
            raise _Taken(f"'{path}' exists already.") from error
        raise EdgeqError(f"'{path}' cannot be written: {error.strerror or error}.") from error


def _mode(path: Path, new: int) -> int:
    """What an output may be read and written by: whoever might, if it is there already."""
    old = path.lstat().st_mode if os.path.lexists(path) else 0
    return stat.S_IMODE(old) & 0o777 if stat.S_ISREG(old) else new


def _mask() -> int:
    with _ASKING:  # read by setting it: by one thread at a time, and to what opens nothing
        os.umask(mask := os.umask(0o077))
    return mask


def _write_neighbour(path: Path, raw: bytes, mode: int, *, fresh: bool) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_NAMED]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        Path(name).chmod(mode)  # mkstemp makes private files
        if fresh:
            _claim(path, Path(name))
        else:
            Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _claim(path: Path, made: Path) -> None:
    """Rename a file to what is no name yet; of several commands at once, one succeeds.

    Raises:
        FileExistsError: Something lies there.
    """
    try:
        os.link(made, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links, such as a memory card
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        made.replace(path)
    else:
        made.unlink()


@contextmanager
def whole_directory(path: Path, *, force: bool) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well, and vanishes if not.

    Args:
        path: The folder to make.
        force: Whether an existing folder of that name is replaced.

    Yields:
        The temporary folder to write into.

    Raises:
        EdgeqError: As `check_writable`, also of what came to be there since: that stays, and the
            folder lies beside it; or the folder cannot be made.
    """
    check_writable(path, force=force, folder=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:_NAMED]}."))
    except OSError as error:
        raise EdgeqError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    work.chmod(0o700 | (0o777 & ~_mask()))  # mkdtemp makes private folders
    old = work.with_name(work.name + ".old")
    try:
        with named_when_full(path):
            yield work
        _take_place(work, path, old, force=force)
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


def _take_place(work: Path, path: Path, old: Path, *, force: bool) -> None:
    """Give a finished folder its name; what lies there now is looked at once more."""
    try:
        check_writable(path, force=force, folder=True)
        if force and os.path.lexists(path):
            path.rename(old)
        work.rename(path)
        return
    except EdgeqError as error:
        problem = f"{error.what} {_SINCE}"
    except OSError as error:
        if not os.path.lexists(path) or old.exists():
            raise
        problem = f"'{path}' exists already. {_SINCE}"
        if force:
            problem = f"'{path}' cannot be replaced: {error.strerror};"
    free = (_other(path, number, path.name) for number in count(2))
    other = next(each for each in free if not os.path.lexists(each))
    work.rename(other)
    raise _lies_in(other, problem)
