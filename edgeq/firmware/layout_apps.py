"""Projects for application processors: a Linux library, an Android module, a web package, Swift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq.boards.target import Target
from edgeq.errors import UsageError
from edgeq.firmware.layout import Layout, common_context, include_folders, model_sources
from edgeq.firmware.model import FirmwareModel
from edgeq.model.graph import numpy_dtype

_JS_ARRAYS = {
    "int8": "Int8Array",
    "uint8": "Uint8Array",
    "bool": "Uint8Array",
    "int16": "Int16Array",
    "int32": "Int32Array",
    "uint32": "Uint32Array",
    "int64": "BigInt64Array",
    "uint64": "BigUint64Array",
    "float32": "Float32Array",
}


def web(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """An npm package: an ES module and what it loads."""
    files = {
        "package.json": "web/package.json",
        "index.js": "web/index.js",
        "index.d.ts": "web/index.d.ts",
        "test.mjs": "web/test.mjs",
        "example/index.html": "web/index.html",
        "example/worker.js": "web/worker.js",
        "native/exports.c": "web/exports.c",
        "README.md": "web/README.md",
    }
    context = {
        "arrays": _JS_ARRAYS,
        "package": name.lower().replace("_", "-").strip("-"),
    }
    return _layout(files, models, target, name, "native/", context)


def _layout(
    files: dict[str, str],
    models: Sequence[FirmwareModel],
    target: Target,
    name: str,
    folder: str,
    more: dict[str, Any],
) -> Layout:
    """A layout with the C that wrappers of all languages share, for each model."""
    _check_titles(models)
    each = {
        f"{folder}{{model.name}}_api.h": "library/model_api.h",
        f"{folder}{{model.name}}_api.c": "library/model_api.c",
    }
    own = [path for path in files if path.endswith(".c")]
    wrappers = [f"{folder}{model.name}_api.c" for model in models]
    context = common_context(models, target, name) | {
        "sources": sorted([*own, *wrappers, *model_sources(models, folder)]),
        "include_folders": include_folders(models, folder),
        "limits": {
            dtype: _limits(dtype) for dtype in {t.dtype for m in models for t in _tensors(m)}
        },
        "most_elements": max((t.elements for m in models for t in _tensors(m)), default=1),
    }
    return Layout(files, context | more, folder, each)


def _tensors(model: FirmwareModel) -> list[Any]:
    return [*model.inputs, *model.outputs]


def _limits(dtype: str) -> tuple[str, str]:
    """The least and the most that a type holds, as C literals of type double."""
    kind = numpy_dtype(dtype)
    if kind.kind not in "iu":
        return "0.0", "0.0"
    limits = np.iinfo(kind)
    # The greatest double that a 64-bit integer holds.
    most = min(int(limits.max), (1 << 63) - 1024)
    return f"{max(int(limits.min), -(1 << 63))}.0", f"{most}.0"


def _check_titles(models: Sequence[FirmwareModel]) -> None:
    """Refuse models whose classes would have the same name.

    Raises:
        UsageError: Two of them would.
    """
    counts = Counter(model.title.lower() for model in models)
    for model in models:
        if counts[model.title.lower()] > 1:
            raise UsageError(
                f"Two models would have a class '{model.title}'.", hint="--name OTHER=MODEL"
            )
