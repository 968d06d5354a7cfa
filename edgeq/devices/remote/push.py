"""Files on the device, named by their content: sent once, verified, resumable, capped in size."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts, read_free
from edgeq.devices.remote.link import Link
from edgeq.devices.remote.shell import Shell, quoted
from edgeq.errors import EdgeqError

DEFAULT_CACHE_BYTES = 512 << 20
_ATTEMPTS = 5
_SPARE_BYTES = 4 << 20  # what a device's disk should keep


def push(
    link: Link, shell: Shell, facts: HostFacts, artifacts: Sequence[Artifact], cache_bytes: int
) -> int:
    """Put what is missing on the device; the number of bytes sent.

    A file gets its final name, its digest, only when the device has hashed it; a broken push
    leaves a `.part` behind, from whose end the next one goes on.

    Raises:
        EdgeqError: No folder can be written to, there is no space, or the content arrived wrong.
        LinkLost: The link is gone.
    """
    if facts.root is None:
        raise EdgeqError(
            f"No folder on the device can be written to; tried: {', '.join(facts.refused)}.",
            link.name, "name one: ?dir=/path/on/the/device",
        )  # fmt: skip
    missing = [each for each in artifacts if facts.cached.get(each.name) != each.size_bytes]
    if not missing:
        return 0
    needed = sum(each.size_bytes for each in missing)
    _make_room(shell, facts, artifacts, needed, cache_bytes)
    free = _free_bytes(shell, facts.root)
    if free is not None and free < needed + _SPARE_BYTES:
        raise _no_space(link, facts.root, needed, free)
    return sum(_push_one(link, shell, facts.root, each) for each in missing)


def _free_bytes(shell: Shell, root: str) -> int | None:
    _, answer = shell.do(f"df -kP {quoted(root)}")
    return read_free(answer)


def _push_one(link: Link, shell: Shell, root: str, artifact: Artifact) -> int:
    """Push one file; the number of bytes sent.

    Several sessions may push the same file at the same time: they write the same bytes to the
    same places, so whoever is done first renames it, and the others find it renamed.
    """
    final = f"{root}/{artifact.name}"
    part = f"{final}.part"
    sent = 0
    for _ in range(_ATTEMPTS):
        offset = link.size(part) or 0
        if offset < artifact.size_bytes and link.size(final) != artifact.size_bytes:
            with artifact.path.open("rb") as source, contextlib.suppress(FileNotFoundError):
                source.seek(offset)
                link.append(source, part, offset)
                sent += artifact.size_bytes - offset
        status, digest = shell.do(_hash_and_rename(part, final, artifact.sha256))
        if status == 0:
            return sent
        # A write to a full disk is not always refused at once; its digest tells.
        shell.do(f"rm -f {quoted(part)}")
        free = _free_bytes(shell, root)
        if free is not None and free < artifact.size_bytes + _SPARE_BYTES:
            raise _no_space(link, root, artifact.size_bytes, free)
    raise EdgeqError(
        f"'{artifact.path.name}' arrived on the device with other content "
        f"({digest[:80] or 'no digest'}).",
        link.name, "push again; if it goes on, the device's disk is failing",
    )  # fmt: skip


def _hash_and_rename(part: str, final: str, sha256: str) -> str:
    """Shell that gives a file its final name if its content is right, or finds that it has it."""
    return (
        f"for f in {quoted(part)} {quoted(final)}; do "
        's=$({ sha256sum "$f" || busybox sha256sum "$f" || toybox sha256sum "$f"; } 2>/dev/null); '
        f'case "$s" in *{sha256}*) break;; esac; done; echo "$s"; '
        f'case "$s" in *{sha256}*) [ "$f" = {quoted(final)} ] || '
        f'{{ chmod 700 "$f" && mv -f "$f" {quoted(final)}; }} || [ -e {quoted(final)} ];; '
        "*) false;; esac"
    )


def _make_room(
    shell: Shell, facts: HostFacts, keep: Sequence[Artifact], needed: int, cache_bytes: int
) -> None:
    """Remove what was used longest ago, until what is needed fits under the cap."""
    total = sum(facts.cached.values()) + needed
    if total <= cache_bytes:
        return
    kept = {each.name for each in keep}
    _, listing = shell.do(f"ls -tr {quoted(facts.root or '.')}")  # oldest first
    for name in listing.split():
        if total <= cache_bytes:
            return
        if name in facts.cached and name not in kept:
            shell.do(f"rm -rf {quoted(f'{facts.root}/{name}')}")
            total -= facts.cached[name]


def _no_space(link: Link, root: str, needed: int, free: int) -> EdgeqError:
    return EdgeqError(
        f"The device has no space: {needed / 1e6:.1f} MB are needed in {root}, "
        f"{free / 1e6:.1f} MB are free.",
        link.name, "free some, or name another folder: ?dir=/path/on/the/device",
    )  # fmt: skip
