"""Results as JSON text."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.support.foreign import parse_json, read_bytes


def json_text(value: Any) -> str:
    """A result as indented JSON; dataclasses, numpy values and paths are understood.

    JSON has no infinity and nothing that is no number: null stands for those.
    """
    try:
        return json.dumps(value, indent=2, default=_plain, allow_nan=False)
    except ValueError:
        known = json.loads(json.dumps(value, default=_plain), parse_constant=lambda _: None)
        return json.dumps(known, indent=2, allow_nan=False)


def read_json(path: Path, what: str) -> Any:
    """The content of a JSON file.

    Args:
        path: The file.
        what: What it is for the user, such as "reference".

    Raises:
        EdgeqError: It cannot be read, or is no JSON.
    """
    return parse_json(read_bytes(path, what), str(path))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)
