"""A signed record of a deployment: what was made, of what, with what, and how good it was.

The manifest holds the SHA-256 of every file, of the source model and of the data, the
configuration, the versions of all tools, every figure, and the limits it was accepted under. It
can be signed with an Ed25519 key, such as `ssh-keygen -t ed25519` makes.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.errors import EdgeqError, raise_problems
from edgeq.support.jsontext import json_text
from edgeq.support.signature import sign_bytes, verify_bytes
from edgeq.workflow.config import DeployConfig

MANIFEST = "manifest.json"
_RESULT = "deploy.json"
_TOOLS = (
    "numpy", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer", "tflite-micro", "unicorn",
)  # fmt: skip


@dataclass(frozen=True)
class ManifestCheck:
    """A manifest that holds.

    Attributes:
        content: The manifest without its signature.
        files: Number of files whose digest was compared.
        signed_by: Fingerprint of the key that signed it; None if nobody did.
        trusted: Whether that is the key that the caller asked for; anybody can sign with another.
    """

    content: Mapping[str, Any]
    files: int
    signed_by: str | None
    trusted: bool


def write_manifest(folder: Path, config: DeployConfig, key: Path | None) -> None:
    """Write manifest.json for the files of a deployment, signed if there is a key.

    Args:
        folder: The deployment, deploy.json among its files.
        config: What was asked for.
        key: Ed25519 private key in OpenSSH or PEM format.

    Raises:
        EdgeqError: The key cannot be used.
    """
    content = _content(folder, config)
    signature = None if key is None else sign_bytes(_canonical(content), key)
    (folder / MANIFEST).write_text(json_text({"manifest": content, "signature": signature}) + "\n")


def _content(folder: Path, config: DeployConfig) -> dict[str, Any]:
    result = json.loads((folder / _RESULT).read_text())
    configuration = json.loads(json_text(asdict(config)))
    return {
        "edgeq": __version__,
        "model": result["model"],
        "target": result["target"],
        "files": {
            path.relative_to(folder).as_posix(): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path != folder / MANIFEST
        },
        "sources": {
            name: {"name": Path(text).name, "sha256": source_digest(text)}
            for name, text in (
                ("model", config.model),
                ("data", config.data),
                ("eval", config.eval),
            )
            if text is not None
        },
        "configuration": {
            name: value
            for name, value in configuration.items()
            if name not in ("model", "data", "eval", "output", "sign")
        },
        "tools": _tools(result["profile"]["device"]),
        "figures": figures(result),
        "limits": result["limits"],
        "met": result["met"],
    }


def _tools(device: Mapping[str, Any]) -> dict[str, str]:
    """Versions of what took part: Python's packages, the compiler and the emulator."""
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
    for kind, evaluation in result["evaluation"].items():
        if evaluation:
            found[f"{kind}_{evaluation['metric']}"] = evaluation[evaluation["metric"]]
    for check in result["verify"]:
        found[f"differing_on_{check['on']}"] = check["differing"]
    return {name: value for name, value in found.items() if value is not None}


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def source_digest(text: str) -> str | None:
    """SHA-256 of a file, or of names and contents of a folder; None for `module:function`."""
    path = Path(text)
    if not path.exists():
        path = Path(text.rpartition(":")[0])
    if path.is_file():
        return file_digest(path)
    if not path.is_dir() or not text:
        return None
    total = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        total.update(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n".encode())
    return total.hexdigest()


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def check_manifest(
    path: Path, *, key: Path | None = None, sources: Sequence[Path] = ()
) -> ManifestCheck:
    """The manifest, if everything in it still holds.

    Args:
        path: A manifest.json, or its folder; the files it lists are beside it.
        key: Public key that must have signed it; None accepts any key, and none.
        sources: Files or folders that must be among the recorded sources.

    Raises:
        EdgeqError: All that does not hold: signature, files, figures, limits, sources.
    """
    path = path / MANIFEST if path.is_dir() else path
    whole = _read(path)
    content = whole["manifest"]
    signature = whole.get("signature")
    problems: list[EdgeqError] = []
    signed_by = None
    if signature is not None or key is not None:
        try:
            signed_by = verify_bytes(_canonical(content), signature, key, str(path))
        except EdgeqError as error:
            problems.append(error)
    problems += _files(path.parent, content) + _strangers(path, content)
    if not problems:
        problems += _figures(path.parent, content)
    known = {entry["sha256"] for entry in content["sources"].values()} - {None}
    for source in sources:
        if not source.exists():
            problems.append(EdgeqError(f"There is no '{source}'."))
        elif source_digest(str(source)) not in known:
            problems.append(EdgeqError("this is none of the recorded sources.", str(source)))
    raise_problems(problems)
    return ManifestCheck(content, len(content["files"]), signed_by, key is not None)


def _read(path: Path) -> dict[str, Any]:
    try:
        whole = json.loads(path.read_text(), object_pairs_hook=_without_doubles)
    except OSError as error:
        raise EdgeqError(f"cannot read the manifest: {error.strerror}.", str(path)) from None
    except (ValueError, RecursionError) as error:
        raise EdgeqError(f"this is no sound JSON: {error}.", str(path)) from None
    if not _is_manifest(whole):
        raise EdgeqError("this is no manifest of `edgeq deploy`.", str(path))
    return dict(whole)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON whose names are all different.

    A name that stands there twice means one thing to one reader and another to the next, so a
    signature would hold for what a person does not see.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


_TYPES: dict[str, type | tuple[type, ...]] = {
    "edgeq": str, "model": dict, "target": str, "files": dict, "sources": dict,
    "configuration": dict, "tools": dict, "figures": dict, "limits": list, "met": bool,
}  # fmt: skip


def _is_manifest(whole: Any) -> bool:
    """Whether everything is there, of the right type, and nothing beside it unsigned."""
    if not isinstance(whole, dict) or set(whole) != {"manifest", "signature"}:
        return False
    content = whole["manifest"]
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(name), kind) for name, kind in _TYPES.items())
        and all(isinstance(digest, str) for digest in content["files"].values())
        and all(
            isinstance(entry, dict)
            and "sha256" in entry
            and isinstance(entry["sha256"], str | None)
            for entry in content["sources"].values()
        )
        and all(isinstance(content["model"].get(name), str) for name in ("path", "sha256"))
    )


def _files(folder: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    problems = []
    for name, digest in content["files"].items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            problems.append(EdgeqError("the manifest lists a file outside its folder.", name))
        elif not file.is_file():
            problems.append(EdgeqError("a file of the deployment is missing.", str(file)))
        elif file_digest(file) != digest:
            problems.append(EdgeqError("a file has changed since deployment.", str(file)))
    return problems


def _strangers(path: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    """Files beside the manifest that it does not list; a header put there would be compiled."""
    folder = path.parent
    return [
        EdgeqError("this file was not part of the deployment.", str(file), "move it elsewhere")
        for file in sorted(folder.rglob("*"))
        if not file.is_dir()
        and file != path
        and file.relative_to(folder).as_posix() not in content["files"]
    ]


def _figures(folder: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    """What the manifest says otherwise than deploy.json and the model itself."""
    model = content["model"].get("path")
    for name in (_RESULT, model):
        if name not in content["files"]:
            return [EdgeqError(f"the manifest does not list '{name}'.", str(folder))]
    result = json.loads((folder / _RESULT).read_text())
    names = ("edgeq", "model", "target", "limits", "met")
    parts = {"figures": figures(result)} | {name: result[name] for name in names}
    problems = [
        EdgeqError(f"the {name} of the manifest is not that of {_RESULT}.", str(folder))
        for name, value in parts.items()
        if content[name] != value
    ]
    if content["files"][model] != content["model"].get("sha256"):
        problems.append(EdgeqError("the model's digest is not that of its file.", str(folder)))
    return problems


def model_card(content: Mapping[str, Any]) -> str:
    """A model card in Markdown out of a manifest."""
    lines = [
        f"# {content['model']['path']}",
        "",
        f"Integer model for {content['target']}, deployed with edgeq {content['edgeq']}.",
        f"SHA-256 `{content['model']['sha256']}`.",
        "",
        "| figure | value |",
        "|---|---:|",
        *(
            f"| {name.replace('_', ' ')} | {_number(value)} |"
            for name, value in content["figures"].items()
        ),
        "",
        f"Accepted: {'yes' if content['met'] else 'NO'}.",
        "",
        "| limit | bound | found | met | set by |",
        "|---|---:|---:|---|---|",
        *(
            f"| {c['name']} | {_number(c['limit'])} | {_number(c['value'])} | "
            f"{'yes' if c['met'] else 'NO'} | {c['source']} |"
            for c in content["limits"]
        ),
        "",
        "Made from:",
        "",
        *(
            f"- {name}: {source['name']}, SHA-256 `{source['sha256']}`"
            for name, source in content["sources"].items()
        ),
        "",
        "With "
        + ", ".join(f"{name} {version}" for name, version in content["tools"].items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    """A figure as a person reads it; what was not measured is a dash."""
    if value is None:
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
