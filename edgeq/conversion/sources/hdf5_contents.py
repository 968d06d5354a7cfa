"""What is in an HDF5 file, found out in a process of its own.

libhdf5 can hang, or end the process, over a damaged file. So all of it is read once elsewhere,
under limits of time and memory, before Keras reads it here.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.support.children import module_command
from edgeq.support.foreign import parse_json, too_large
from edgeq.support.reasons import reason_of
from edgeq.support.text import visible_line

_SECONDS, _BYTES_PER_S = 30, 20 << 20
_SPARE_BYTES = 2 << 30


def read_hdf5(path: Path, where: str, limit: int) -> str | None:
    """The architecture in an HDF5 file, None without one, after a look at every array.

    Args:
        path: The file.
        where: What to blame.
        limit: Most bytes of all arrays, unpacked.

    Raises:
        EdgeqError: Damaged, too large, or its values lie in another file.
    """
    command = module_command(__name__, str(path), where, str(limit))
    seconds = _SECONDS + path.stat().st_size // _BYTES_PER_S
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise EdgeqError(
            f"The file is damaged: reading it does not end within {seconds} s.", where
        ) from None
    if done.returncode:
        raise EdgeqError("The file is damaged: it ends the process that reads it.", where)
    found: dict[str, Any] = parse_json(done.stdout, where)
    if "what" in found:
        raise EdgeqError(found["what"], found["where"], found["hint"])
    config: str | None = found["config"]
    return config


def _contents(path: Path, where: str, limit: int) -> str | None:
    import h5py  # type: ignore[import-untyped]

    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        most = 2 * limit + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with h5py.File(path) as opened:
        total = 0
        for name, array in _arrays(h5py, opened, where):
            if array.external or array.is_virtual:
                raise _elsewhere(name, where)
            total += array.size * array.dtype.itemsize
            if total > limit:
                raise too_large("the file", total, limit, where)
            array[()]
        config = opened.attrs.get("model_config")
    if isinstance(config, bytes):
        config = config.decode("utf-8", "replace")
    return config if config is None or isinstance(config, str) else ""


def _arrays(h5py: Any, top: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every array of an HDF5 file, each once; groups may hold each other in a circle."""
    todo, seen = [top], {h5py.h5o.get_info(top.id).addr}
    while todo:
        group = todo.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _elsewhere(name, where)
            child = group.get(name)
            if isinstance(child, h5py.Dataset):
                yield name, child
            elif isinstance(child, h5py.Group):
                address = h5py.h5o.get_info(child.id).addr
                if address not in seen:
                    seen.add(address)
                    todo.append(child)


def _elsewhere(name: str, where: str) -> EdgeqError:
    return EdgeqError(
        f"The values of '{visible_line(name)}' lie in another file, which is not read.", where
    )


def _main(path: str, where: str, limit: str) -> None:
    try:
        found: dict[str, Any] = {"config": _contents(Path(path), where, int(limit))}
    except EdgeqError as error:
        found = {"what": error.what, "where": error.where, "hint": error.hint}
    except Exception as error:  # noqa: BLE001  (each of them says that the file is damaged)
        said = f"This is no sound Keras file: {reason_of(error)}"
        found = {"what": said, "where": where, "hint": ""}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
