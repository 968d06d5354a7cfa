"""Projects for application processors: a Linux library, an Android module, a web package, Swift."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgeq.boards.target import Target
from edgeq.errors import UsageError
from edgeq.firmware.app_binaries import ABIS, TIE_BYTES
from edgeq.firmware.layout import Layout, common_context, include_folders, model_sources
from edgeq.firmware.model import FirmwareModel, accessor
from edgeq.firmware.names import class_title
from edgeq.model.detection import BoxRules
from edgeq.model.graph import numpy_dtype

# By type: the word of JNI's functions, and Kotlin's array.
_JVM_TYPES = {
    "int8": ("BYTES", "ByteArray"),
    "uint8": ("BYTES", "ByteArray"),
    "bool": ("BYTES", "ByteArray"),
    "int16": ("SHORTS", "ShortArray"),
    "int32": ("INTS", "IntArray"),
    "uint32": ("INTS", "IntArray"),
    "int64": ("LONGS", "LongArray"),
    "uint64": ("LONGS", "LongArray"),
    "float32": ("FLOATS", "FloatArray"),
}
_SWIFT_TYPES = {
    "int8": "Int8",
    "uint8": "UInt8",
    "bool": "UInt8",
    "int16": "Int16",
    "int32": "Int32",
    "uint32": "UInt32",
    "int64": "Int64",
    "uint64": "UInt64",
    "float32": "Float",
}
# What Java and Kotlin take as their own where a package is named, beyond C's words.
_JVM_WORDS = """
    abstract assert boolean byte catch class extends final finally fun implements import in
    instanceof interface is native new null object package private protected public strictfp
    super synchronized this throw throws transient true false try typealias typeof val var when"""
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
        "example/index.html": f"web/{_shown(models)}index.html",
        "example/worker.js": f"web/{_shown(models)}worker.js",
        "native/exports.c": "web/exports.c",
        "README.md": "web/README.md",
    }
    context = {
        "arrays": _JS_ARRAYS,
        "tie_bytes": TIE_BYTES,
        "package": _package(name),
    }
    return _layout(files, models, target, name, "native/", context)


def linux(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A CMake package with a C++ header, and a Python wheel."""
    files = {
        "CMakeLists.txt": "linux/CMakeLists.txt",
        f"cmake/{name}Config.cmake.in": "linux/Config.cmake.in",
        f"cmake/{name}.pc.in": "linux/pc.in",
        "cmake/zig.cmake": "linux/zig.cmake",
        f"{name}.map": "linux/library.map",
        f"include/{name}.hpp": "linux/wrapper.hpp",
        "example/run.c": f"linux/{_shown(models)}run.c",
        "example/selftest.c": "linux/selftest.c",
        "pyproject.toml": "linux/pyproject.toml",
        "hatch_build.py": "linux/hatch_build.py",
        f"python/{name}/__init__.py": "linux/wrapper.py",
        "README.md": "linux/README.md",
    }
    context = {"package": _package(name), "suffix": lambda k: f"_{k}" if k else ""}
    return _layout(files, models, target, name, "src/", context)


def android(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A Gradle module: Kotlin classes over a native library."""
    package = _java_package(name)
    kotlin = f"src/main/kotlin/{package.replace('.', '/')}/"
    files = {
        "build.gradle.kts": "android/build.gradle.kts",
        "settings.gradle.kts": "android/settings.gradle.kts",
        "consumer-rules.pro": "android/consumer-rules.pro",
        "src/main/AndroidManifest.xml": "android/AndroidManifest.xml",
        "src/main/cpp/CMakeLists.txt": "android/CMakeLists.txt",
        "src/main/cpp/exports.map": "android/exports.map",
        "src/main/cpp/jni.c": "android/jni.c",
        "src/main/cpp/jni_calls.h": "android/jni_calls.h",
        f"{kotlin}Tensor.kt": "android/Tensor.kt",
        f"src/androidTest/kotlin/{package.replace('.', '/')}/SelfTest.kt": "android/SelfTest.kt",
        "example/MainActivity.kt": f"android/{_shown(models)}MainActivity.kt",
        "README.md": "android/README.md",
    }
    context = {
        "java_package": package,
        "jni_prefix": f"Java_{package.replace('.', '_')}",
        "jni_types": {dtype: word for dtype, (word, _) in _JVM_TYPES.items()},
        "kotlin_arrays": {dtype: array for dtype, (_, array) in _JVM_TYPES.items()},
        "abis": list(ABIS),
        "largest": max((t.elements for m in models for t in _tensors(m)), default=1),
    }
    layout = _layout(files, models, target, name, "src/main/cpp/", context)
    each = {f"{kotlin}{{model.title}}.kt": "android/Model.kt", **layout.each}
    return replace(layout, each=each)


def swift(models: Sequence[FirmwareModel], target: Target, name: str) -> Layout:
    """A Swift package: classes over a C target."""
    # A module of its class's name could not be named where both are.
    module = f"{class_title(name)}Model"
    files = {
        "Package.swift": "swift/Package.swift",
        f"Sources/C{module}/module.modulemap": "swift/module.modulemap",
        f"Sources/{module}/Tensor.swift": "swift/Tensor.swift",
        f"Tests/{module}Tests/{module}Tests.swift": "swift/Tests.swift",
        "README.md": "swift/README.md",
    }
    context = {"module": module, "swift_types": _SWIFT_TYPES}
    layout = _layout(files, models, target, name, f"Sources/C{module}/", context)
    each = {f"Sources/{module}/{{model.title}}.swift": "swift/Model.swift", **layout.each}
    return replace(layout, each=each)


def _shown(models: Sequence[FirmwareModel]) -> str:
    """What the names of the examples' templates begin with: that of the first model is shown."""
    return "listen_" if models[0].stream is not None else ""


def _java_package(name: str) -> str:
    """The package of the classes: letters and digits, since an underscore is another in JNI."""
    own = re.sub("[^a-z0-9]", "", name.lower())
    return f"edgeq.{own if own[:1].isalpha() and own not in _JVM_WORDS.split() else f'model{own}'}"


def _package(name: str) -> str:
    """A name as package registries want it."""
    return re.sub("[-_]+", "-", name.lower()).strip("-") or "model"


def _symbols(model: FirmwareModel) -> list[str]:
    """Every C function that callers may use."""
    own = ["state_bytes", "setup", "restart", "label", "check", "invoke"]
    own += ["reset"] * model.has_state + ["selftest"] * model.has_selftest
    if model.stream is not None:
        own += ["push", *["decision"] * (model.stream.decision is not None)]
        own += ["detection"] * isinstance(model.stream.decision, BoxRules)
    tensors = [tensor.function for tensor in _tensors(model)]
    tensors += [accessor(model.name, "input", 0)] * (model.stream is not None)
    real = [f"{tensor.function}_from_real" for tensor in model.inputs]
    real += [f"{tensor.function}_to_real" for tensor in model.outputs]
    return [*(f"{model.name}_{function}" for function in own), *tensors, *real]


def _layout(
    files: dict[str, str],
    models: Sequence[FirmwareModel],
    target: Target,
    name: str,
    folder: str,
    more: dict[str, Any],
) -> Layout:
    """A layout with the C that wrappers of all languages share, for each model."""
    _check_inputs(models)
    _check_titles(models)
    each = {
        f"{folder}{{model.name}}_api.h": "library/model_api.h",
        f"{folder}{{model.name}}_api.c": "library/model_api.c",
    }
    own = [path for path in files if path.startswith(folder) and path.endswith(".c")]
    wrappers = [f"{folder}{model.name}_api.c" for model in models]
    context = common_context(models, target, name) | {
        "sources": sorted([*own, *wrappers, *model_sources(models, folder)]),
        "include_folders": include_folders(models, folder),
        "math": any("#include <math.h>" in text for m in models for text in m.files.values()),
        "threads": any("eq_parallel_host.h" in m.files for m in models),
        "dispatched": any(path.endswith("_layers.h") for m in models for path in m.files),
        "symbols": [symbol for model in models for symbol in _symbols(model)],
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


def _check_inputs(models: Sequence[FirmwareModel]) -> None:
    """Refuse models that nothing goes into: the wrappers' functions take inputs.

    Raises:
        UsageError: One has none.
    """
    for model in models:
        if not model.inputs and model.stream is None:
            raise UsageError(
                f"'{model.name}' has no input: it gives the same in every call.",
                hint="leave out --project for its C",
            )


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
