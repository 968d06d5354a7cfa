"""What a device said last time: most of it stays true until the device is started anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from edgeq.compiler.build.cache import cache_dir
from edgeq.errors import EdgeqError
from edgeq.support.foreign import parse_json, read_bytes
from edgeq.support.output import write_whole

_MOST_BYTES = 8 << 20


_PROBE = Path(__file__).resolve().parent.parent / "far" / "bootstrap.sh"


def _file(identity: str, folder: str) -> Path:
    """The file of a device; another probe asks for more, or for something else."""
    asked = hashlib.sha256(_PROBE.read_bytes()).hexdigest()
    key = hashlib.sha256(f"{identity}\n{folder}\n{asked}".encode()).hexdigest()
    return cache_dir() / "devices" / f"{key}.json"


def recall(identity: str, folder: str) -> dict[str, str]:
    """The sections of the last probe of a device; empty if there was none.

    Args:
        identity: The link's.
        folder: The folder on the device that the user asked for.
    """
    try:
        file = _file(identity, folder)
        found = parse_json(read_bytes(file, "memory of the device", _MOST_BYTES), str(file))
    except EdgeqError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def remember(identity: str, folder: str, sections: Mapping[str, str]) -> None:
    """Keep the sections of a probe, where there is room for them: else it is asked anew."""
    with contextlib.suppress(EdgeqError):
        write_whole(_file(identity, folder), json.dumps(dict(sections)))


def forget(identity: str, folder: str) -> None:
    """The device has changed in a way that a probe would have noticed."""
    _file(identity, folder).unlink(missing_ok=True)
