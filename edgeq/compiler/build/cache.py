"""Built things kept from run to run, by the digest of all that went into them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from edgeq.errors import EdgeqError
from edgeq.support.folders import base_folder
from edgeq.support.output import named_when_full

_CAP_BYTES = 512 << 20
_PRUNE_EVERY_S = 30.0  # looking at every file of a full cache takes longer than a small build
_DIGESTS = "contents.sha256"
_NAME = re.compile(r"[0-9a-f]{32}")  # of a folder of the cache
_ELSEWHERE = "EDGEQ_CACHE=/other/folder"


def cache_dir() -> Path:
    """The user's folder for things that can be made again."""
    if given := os.environ.get("EDGEQ_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "edgeq" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "edgeq"
    return base_folder("XDG_CACHE_HOME", ".cache") / "edgeq"


def cached(ingredients: Iterable[str], build: Callable[[Path], None], shelf: str = "build") -> Path:
    """The folder that `build` filled, now or in an earlier run with the same ingredients.

    Two processes may build the same thing at once: each works in a folder of its own, and the
    first to finish wins. What was damaged since, by a full disk or a power cut, is built again.
    The least recently used folders go when all take more than 512 MiB, looked at now and then.

    Args:
        ingredients: Texts that decide the result: sources, options, the compiler's version.
        build: Fills the folder it is given with files; if it raises, nothing is kept.
        shelf: Folder of the cache for things of this kind; each has the cap of its own.

    Raises:
        EdgeqError: The cache is on a disk that is full or cannot be written to.
    """
    digest = hashlib.sha256()
    for text in ingredients:
        raw = text.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    root = cache_dir() / shelf
    place = root / digest.hexdigest()[:32]
    if _is_whole(place):
        with contextlib.suppress(OSError):  # a cache that can only be read is of use, too
            os.utime(place)
        return place
    _take_away(place)
    try:
        root.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=root, prefix="new-"))
    except OSError as error:
        raise EdgeqError(
            f"The cache cannot be written: {error.strerror}.",
            str(root),
            _ELSEWHERE,
        ) from None
    try:
        with named_when_full(root, _ELSEWHERE):
            build(work)
            (work / _DIGESTS).write_text("\n".join(_digests(work)))
        try:
            work.rename(place)
        except OSError as error:
            if not _is_whole(place):  # else another process was faster: use its result
                raise EdgeqError(
                    f"What is damaged in the cache cannot be replaced: {error.strerror}.",
                    str(place),
                    _ELSEWHERE,
                ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if _is_time(root):
        _prune(root, keep=place)
    return place


def _take_away(place: Path) -> None:
    """Remove what is no whole folder, whatever it is, if that can be."""
    with contextlib.suppress(OSError):
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()


def _is_time(root: Path) -> bool:
    """Whether this folder was not pruned for a while, by any process."""
    stamp = root.with_suffix(".pruned")
    with contextlib.suppress(OSError):
        if 0 <= time.time() - stamp.stat().st_mtime < _PRUNE_EVERY_S:
            return False
    with contextlib.suppress(OSError):
        stamp.touch()
    return True


def _digests(folder: Path) -> list[str]:
    """Digest and name of each file, in order; loading a damaged one could end the process."""
    return [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.name}"
        for file in sorted(folder.iterdir())
        if file.name != _DIGESTS
    ]


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / _DIGESTS).read_text() == "\n".join(_digests(folder))
    except (OSError, ValueError):
        return False


def _prune(root: Path, keep: Path) -> None:
    """Delete the folders used longest ago until the rest fits under the cap.

    Only what the cache has made: the user may have pointed it at a folder with a `build` of theirs.
    """
    sized = []
    for folder in root.iterdir():
        if not (_NAME.fullmatch(folder.name) and (folder / _DIGESTS).is_file()):
            continue
        with contextlib.suppress(OSError):
            size = sum(file.stat().st_size for file in folder.iterdir())
            sized.append((folder.stat().st_mtime, size, folder))
    total = sum(size for _, size, _ in sized)
    for _, size, folder in sorted(sized, key=lambda entry: entry[0]):
        if total <= _CAP_BYTES:
            return
        if folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size
