"""A signed record of a deployment: what was made, of what, with what, and how good it was.

The manifest holds the SHA-256 of every file, of the source model and of the data, the
configuration, the versions of all tools, every figure, and the limits it was accepted under. It
can be signed with an Ed25519 key, such as `ssh-keygen -t ed25519` makes.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.frontend.description import BUILT_IN
from edgeq.support.jsontext import json_text, read_json
from edgeq.support.output import digests, file_digest
from edgeq.support.signature import sign_bytes
from edgeq.support.text import whole_number
from edgeq.workflow.config import DeployConfig

MANIFEST = "manifest.json"
RESULT = "deploy.json"
# Files and folders of the configuration; how they are called here is nobody's business.
_PLACES = ("model", "data", "eval", "recordings")
_TOOLS = (
    "numpy", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer", "tflite-micro", "unicorn",
)  # fmt: skip


def write_manifest(folder: Path, config: DeployConfig, key: Path | None, sequence: int = 1) -> None:
    """Write manifest.json for the files of a deployment, signed if there is a key.

    Args:
        folder: The deployment, deploy.json among its files.
        config: What was asked for.
        key: Ed25519 private key in OpenSSH or PEM format.
        sequence: Number of this deployment, greater than those before it.

    Raises:
        EdgeqError: The key cannot be used.
    """
    content = _content(folder, config) | {"created": _now(), "sequence": sequence}
    signature = None if key is None else sign_bytes(canonical(content), key)
    (folder / MANIFEST).write_text(json_text({"manifest": content, "signature": signature}) + "\n")


def _now() -> str:
    """The time in seconds, UTC; SOURCE_DATE_EPOCH where builds must be reproducible."""
    given = whole_number(os.environ.get("SOURCE_DATE_EPOCH", ""))
    seconds = int(time.time()) if given is None else given
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _content(folder: Path, config: DeployConfig) -> dict[str, Any]:
    result = read_json(folder / RESULT, "result")
    configuration = json.loads(json_text(asdict(config)))
    sources = dict(_sources(config))
    return {
        "edgeq": __version__,
        "model": result["model"],
        "target": result["target"],
        "files": {path: own for path, own in digests(folder).items() if path != MANIFEST},
        "sources": {
            name: {"name": Path(text).name, "sha256": source_digest(text)}
            for name, text in sources.items()
        },
        "configuration": {
            name: value
            for name, value in configuration.items()
            if name not in (*_PLACES, "output", "sign", *sources)
        },
        "tools": _tools(result),
        "figures": figures(result),
        "kinds": kinds(result),
        "limits": result["limits"],
        "met": result["met"],
    }


def _sources(config: DeployConfig) -> Iterator[tuple[str, str]]:
    """The user's own files that a deployment was made of, by what they are."""
    for name in (*_PLACES, "frontend"):
        text = getattr(config, name)
        if text is not None and text not in BUILT_IN:
            yield name, text
    if config.eval is not None:
        labels = label_file(config.eval, config.reading.label)
        if labels is not None:
            yield "labels", labels
    if ":" in config.metric:
        yield "metric", config.metric
    if config.target.endswith(".toml"):
        yield "target", config.target


def label_file(text: str, named: str | None = None) -> str | None:
    """The .npy file of labels that goes with one of samples; None where there is no such pair.

    Args:
        text: Data as a user types it: `x.npy,y.npy` or `x.npy:y.npy`.
        named: What `--label` says.
    """
    samples, label = _parted(text)
    label = label or named or ""
    if not label.lower().endswith(".npy"):
        return None
    return label if Path(label).is_file() else str(Path(samples).parent / label)


def _parted(text: str) -> tuple[str, str]:
    """The file that a text names, and the keys or the file that follow it."""
    if Path(text).exists():
        return text, ""
    left, _, right = text.partition(",") if ".npy," in text else text.rpartition(":")
    return (left, right) if left else (text, "")


def _tools(result: Mapping[str, Any]) -> dict[str, str]:
    """Versions of what took part: Python's packages, the target's compiler and the emulator."""
    source = result["account"]["provenance"]
    linked = {**source, **source["figures"].get("memory_bytes.flash_total", {})}
    device = {**result["profile"]["device"]}
    device["compiler"] = linked["compiler"] or device.get("compiler")
    found = {"python": platform.python_version()}
    found |= {name: device[name] for name in ("compiler", "emulator") if device.get(name)}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a deploy.json by which a model is accepted."""
    profile = result["profile"]
    found = {
        "macs": profile["model"]["macs"],
        "instructions": profile["instructions"],
        "cycles": profile["cycles"],
        **profile["memory_bytes"],
    }
    for kind in ("float", "integer"):
        if evaluation := result["evaluation"][kind]:
            found[f"{kind}_{evaluation['metric']}"] = evaluation[evaluation["metric"]]
    quality = (result.get("conversion") or {}).get("quality") or {}
    for name in ("signal_to_noise_db", "top1_agreement"):
        found[name] = quality.get(name)
    for check in result["verify"]:
        found[f"differing_on_{check['on']}"] = check["differing"]
    return {name: value for name, value in found.items() if value is not None}


def kinds(result: Mapping[str, Any]) -> dict[str, str]:
    """What kind of figure each of those is that was not found on the target itself."""
    known = result["profile"].get("kinds") or {}
    named = {path.removeprefix("memory_bytes."): kind for path, kind in known.items()}
    return {
        name: named[name] for name in figures(result) if named.get(name, "measured") != "measured"
    }


def source_digest(text: str) -> str | None:
    """SHA-256 of a file, or of names and contents of a folder; None for `module:function`.

    Of a pair of files, it is that of the samples.
    """
    path = Path(_parted(text)[0])
    if path.is_file():
        return file_digest(path)
    if not path.is_dir() or not text:
        return None
    total = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n".encode())
    return total.hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """The bytes of a manifest that are signed: one form for one content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
