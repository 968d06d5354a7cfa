"""Whether a signed record of a deployment still holds: signature, files, figures, sources, age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeq.errors import EdgeqError, raise_problems
from edgeq.support.foreign import shaped_as
from edgeq.support.jsontext import read_json
from edgeq.support.listing import several
from edgeq.support.output import file_digest
from edgeq.support.result import Result
from edgeq.support.signature import verify_bytes
from edgeq.workflow.manifest import MANIFEST, RESULT, canonical, figures, kinds, source_digest
from edgeq.workflow.manifest_form import not_newer, read_manifest


@dataclass(frozen=True, repr=False)
class ManifestCheck(Result):
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


def check_manifest(
    path: str | Path,
    *,
    key: str | Path | None = None,
    sources: str | Path | Sequence[str | Path] = (),
    newer_than: Path | str | None = None,
) -> ManifestCheck:
    """The manifest, if everything in it still holds.

    Args:
        path: A manifest.json, or its folder; the files it lists are beside it.
        key: Public key that must have signed it, and the older manifest of `newer_than`; None
            accepts any key, and none.
        sources: Files or folders that must be among the recorded sources.
        newer_than: An older manifest, a date such as 2026-11-29, or a sequence number, that this
            one must come after; so that nobody can put an old deployment back in its place.

    Raises:
        EdgeqError: All that does not hold: signature, files, figures, limits, sources.
    """
    path = Path(path)
    path = path / MANIFEST if path.is_dir() else path
    key = None if key is None else Path(key)
    whole = read_manifest(path)
    content = whole["manifest"]
    signature = whole.get("signature")
    problems: list[EdgeqError] = []
    signed_by = None
    if signature is not None or key is not None:
        try:
            signed_by = verify_bytes(canonical(content), signature, key, str(path))
        except EdgeqError as error:
            problems.append(error)
    if newer_than is not None:
        problems += not_newer(content, newer_than, str(path), key)
    problems += _files(path.parent, content) + _strangers(path, content)
    if not problems:
        problems += _figures(path.parent, content)
    known = {entry["sha256"] for entry in content["sources"].values()} - {None}
    for source in map(Path, several(sources)):
        if not source.exists():
            problems.append(EdgeqError(f"There is no '{source}'."))
        elif source_digest(str(source)) not in known:
            problems.append(EdgeqError("this is none of the recorded sources.", str(source)))
    raise_problems(problems)
    return ManifestCheck(content, len(content["files"]), signed_by, key is not None)


def _files(folder: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    problems = []
    for name, digest in content["files"].items():
        file = folder / name
        if not _is_inside(name):
            problems.append(EdgeqError("the manifest lists a file outside its folder.", name))
        elif not is_plain(file, folder):
            problems.append(EdgeqError("a file of the deployment is missing.", str(file)))
        elif file_digest(file) != digest:
            problems.append(EdgeqError("a file has changed since deployment.", str(file)))
    return problems


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return not set(parts) & {"", ".", ".."} and not any(c in name for c in "\\:\0")


def is_plain(file: Path, folder: Path) -> bool:
    """Whether it is an ordinary file, and no part of the way to it a link."""
    try:
        links = any(part.is_symlink() for part in (file, *file.parents) if part != folder
                    and part.is_relative_to(folder))  # fmt: skip
        return not links and file.is_file()
    except (OSError, ValueError):
        return False


def _strangers(path: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    """What lies beside the manifest and is not listed; a header put there would be compiled.

    A link is a stranger whatever it leads to, to a folder too.
    """
    folder = path.parent
    return [
        EdgeqError("this file was not part of the deployment.", str(file), "move it elsewhere")
        for file in sorted(folder.rglob("*"))
        if (file.is_symlink() or not file.is_dir())
        and file != path
        and file.relative_to(folder).as_posix() not in content["files"]
    ]


def _figures(folder: Path, content: Mapping[str, Any]) -> list[EdgeqError]:
    """What the manifest says otherwise than deploy.json and the model itself."""
    model = content["model"].get("path")
    for name in (RESULT, model):
        if name not in content["files"]:
            return [EdgeqError(f"the manifest does not list '{name}'.", str(folder))]
    result = read_json(folder / RESULT, "result")
    names = ("edgeq", "model", "target", "limits", "met")
    with shaped_as("result of `edgeq deploy`", str(folder / RESULT)):
        parts = {"figures": figures(result)} | {name: result[name] for name in names}
        if "kinds" in content:  # older ones do not say
            parts["kinds"] = kinds(result)
    problems = [
        EdgeqError(f"the {name} of the manifest is not that of {RESULT}.", str(folder))
        for name, value in parts.items()
        if content[name] != value
    ]
    if content["files"][model] != content["model"].get("sha256"):
        problems.append(EdgeqError("the model's digest is not that of its file.", str(folder)))
    return problems
