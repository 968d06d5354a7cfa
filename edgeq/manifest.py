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
from edgeq.config import DeployConfig
from edgeq.errors import EdgeqError, raise_problems
from edgeq.jsontext import json_text
from edgeq.signature import sign_bytes, verify_bytes

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
    """

    content: Mapping[str, Any]
    files: int
    signed_by: str | None


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
        "tools": _tools(),
        "figures": figures(result),
        "limits": result["limits"],
        "met": result["met"],
    }


def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
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
        path: A manifest.json; the files it lists are beside it.
        key: Public key that must have signed it; None accepts any key, and none.
        sources: Files or folders that must be among the recorded sources.

    Raises:
        EdgeqError: All that does not hold: signature, files, figures, limits, sources.
    """
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
    problems += _files(path.parent, content)
    if not problems:
        problems += _figures(path.parent, content)
    known = {entry["sha256"] for entry in content["sources"].values()}
    problems += [
        EdgeqError("this is none of the recorded sources.", str(source))
        for source in sources
        if source_digest(str(source)) not in known
    ]
    raise_problems(problems)
    return ManifestCheck(content, len(content["files"]), signed_by)


def _read(path: Path) -> dict[str, Any]:
    try:
        whole = json.loads(path.read_text())
    except OSError as error:
        raise EdgeqError(f"cannot read the manifest: {error.strerror}.", str(path)) from None
    except ValueError as error:
        raise EdgeqError(f"this is no JSON: {error}.", str(path)) from None
    content = whole.get("manifest") if isinstance(whole, dict) else None
    needed = {"files", "sources", "figures", "limits", "met"}
    if not isinstance(content, dict) or not needed <= set(content):
        raise EdgeqError("this is no manifest of `edgeq deploy`.", str(path))
    return dict(whole)


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


def _figures(folder: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    """Figures and limits of the manifest that are not those of deploy.json."""
    result = json.loads((folder / _RESULT).read_text())
    parts = {"figures": figures(result), "limits": result["limits"], "met": result["met"]}
    return [
        EdgeqError(f"the {name} of the manifest are not those of {_RESULT}.", str(folder))
        for name, value in parts.items()
        if content[name] != value
    ]


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
            f"| {name.replace('_', ' ')} | {value:,} |"
            for name, value in content["figures"].items()
        ),
        "",
        f"Accepted: {'yes' if content['met'] else 'NO'}.",
        "",
        "| limit | bound | found | met | set by |",
        "|---|---:|---:|---|---|",
        *(
            f"| {c['name']} | {c['limit']:,} | {c['value']} | {'yes' if c['met'] else 'NO'} | "
            f"{c['source']} |"
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
