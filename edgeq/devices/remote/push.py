"""Files on the device, named by their content: sent once, verified, resumable, capped in size."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from edgeq.devices.numbers import whole
from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts, read_free
from edgeq.devices.remote.link import KILLED, Link, LinkLost, NoMoreSessions, Process, Silence
from edgeq.devices.remote.shell import Shell, quoted
from edgeq.errors import EdgeqError

DEFAULT_CACHE_BYTES = 512 << 20
_BLOCK_BYTES = 1 << 15
_SMALLEST_PIECE, _LARGEST_PIECE, _PIECE_S = 1 << 13, 1 << 20, 0.5
_LONGEST_GREETING = 64 << 10
_TAKEN_S = 60.0  # from the last byte sent until a file was taken, whatever else is said meanwhile
_HASHED_BYTES_PER_S = 1e6  # a tenth of what the slowest Raspberry Pi does
_SPARE_BYTES = 4 << 20  # what a device's disk should keep


def push(
    link: Link, shell: Shell, facts: HostFacts, artifacts: Sequence[Artifact], cache_bytes: int
) -> int:
    """Put what is missing on the device; the number of bytes sent.

    A file gets its final name, its digest, only when the device has hashed it, and is hashed again
    when it is to be used later: disks rot, and others may write there. A broken push leaves a
    `.part` behind, from whose end the next one goes on.

    Raises:
        EdgeqError: No folder can be written to, there is no space, or the content arrived wrong.
        LinkLost: The link is gone.
    """
    if facts.root is None:
        raise EdgeqError(
            f"No folder on the device can be written to; tried: {', '.join(facts.refused)}.",
            link.name, "name one: ?dir=/path/on/the/device",
        )  # fmt: skip
    there = [each for each in artifacts if facts.cached.get(each.name) == each.size_bytes]
    whole_ones = _unchanged(shell, facts.root, there)
    missing = [each for each in artifacts if each not in whole_ones]
    if not missing:
        return 0
    needed = sum(each.size_bytes for each in missing)
    _make_room(shell, facts, artifacts, needed, cache_bytes)
    free = _free_bytes(shell, facts.root)
    if free is not None and free < needed + _SPARE_BYTES:
        raise _no_space(link, facts.root, needed, free)
    return sum(_push_one(link, shell, facts.root, each) for each in missing)


def _unchanged(shell: Shell, root: str, artifacts: Sequence[Artifact]) -> list[Artifact]:
    """Those whose bytes on the device are still the right ones; the others are removed there.

    What was found whole is believed for an hour, as long as the device was not started anew and
    nobody has touched the files: small devices take a while to hash a runtime.
    """
    if not artifacts:
        return []
    files = [quoted(f"{root}/{each.name}") for each in artifacts]
    mark = quoted(f"{root}/.{artifacts[0].name}.whole")
    # $boot is the bootstrap's. A device that has not all of these tools hashes every time.
    seen = (
        f"k=\"$boot $(stat -c '%n %i %s %Z' {' '.join(files)} | tr '\\n' ' ')\"; w=; "
        f'[ -n "$(find {mark} -mmin -60)" ] && IFS= read -r w <{mark}'
    )
    hashed = "; ".join(
        f"{_matches(f, each.sha256)} && echo yes || {{ rm -f {f}; echo no; n=1; }}"
        for f, each in zip(files, artifacts, strict=True)
    )
    known = "; ".join(["echo yes"] * len(files))
    hashing_s = sum(each.size_bytes for each in artifacts) / _HASHED_BYTES_PER_S
    _, answer = shell.do(
        f'{{ {seen}; n=; if [ "$w" = "$k" ] && [ "${{#k}}" -gt 100 ]; then {known}; else {hashed}; '
        f'rm -f {mark}; [ -n "$n" ] || printf \'%s\\n\' "$k" >{mark}; fi; }} 2>/dev/null',
        hashing_s,
    )
    return [each for each, said in zip(artifacts, answer.split(), strict=False) if said == "yes"]


def _free_bytes(shell: Shell, root: str) -> int | None:
    _, answer = shell.do(f"df -kP {quoted(root)}")
    return read_free(answer)


def _push_one(link: Link, shell: Shell, root: str, artifact: Artifact) -> int:
    """Push one file; the number of bytes sent."""
    name = f"{root}/{artifact.name}"
    _, answer = shell.do(_adopt(name))
    size, _, owner = answer.partition(" ")
    if whole(owner) is None:
        raise EdgeqError("The device's shell does not answer as a shell does.", link.name)
    part = f"{name}.{owner}.part"
    offset = whole(size) or 0
    if offset > artifact.size_bytes:
        offset = 0
    hashing_s = artifact.size_bytes / _HASHED_BYTES_PER_S
    sent = 0
    # What was left may be damaged (a power cut leaves holes): then everything is sent again.
    for start in dict.fromkeys((offset, 0)):
        problem = _append(link, shell, artifact, part, start)
        sent += artifact.size_bytes - start
        status, answer = shell.do(_check_and_rename(part, name, artifact.sha256), hashing_s)
        if status == 0:
            return sent
    free = _free_bytes(shell, root)
    if "No space" in problem or (free is not None and free < _SPARE_BYTES):
        raise _no_space(link, root, artifact.size_bytes, free or 0)
    raise EdgeqError(
        f"'{artifact.path.name}' did not arrive on the device: "
        f"{problem or answer[:100] or 'its digest is wrong'}.",
        link.name, "push again; if it goes on, the device's disk is failing",
    )  # fmt: skip


def _adopt(name: str) -> str:
    """Shell that takes over what a broken push has left, and tells its size and our process id.

    The parts of pushes that are still going on, told by their process, are left alone. A process
    that has ended but was not yet waited for (a container's first process may take its time) still
    takes signals: it is told by the state Z. What is no plain file, such as a link that waits for
    somebody to write through it, is removed.
    """
    base = quoted(name)
    return (
        f"for f in {base}.*.part; do "
        f'if [ -L "$f" ] || [ ! -f "$f" ]; then rm -rf "$f"; continue; fi; '
        f"p=${{f%.part}}; p=${{p##*.}}; "
        f"case $(cat /proc/$p/stat 2>/dev/null) in *') Z '*) ;; "
        f"*) kill -0 $p 2>/dev/null && continue;; esac; "
        f'if [ -e {base}.$$.part ]; then rm -f "$f"; else '
        f'mv "$f" {base}.$$.part 2>/dev/null; fi; done; '
        f"n=$(wc -c <{base}.$$.part 2>/dev/null); echo $((n)) $$"
    )


def _append(link: Link, shell: Shell, artifact: Artifact, part: str, offset: int) -> str:
    """Send what is missing of a file; what the device complained of, or ""."""
    redirect = ">>" if offset else ">"
    mark = f"@@{secrets.token_hex(8)}"
    taking = f"echo; echo {mark}; exec cat {redirect}{quoted(part)}"
    try:
        process = link.start(f"exec sh -c {quoted(taking)}")
    except NoMoreSessions:
        _append_through(link, shell, artifact, part, offset)
        return ""
    try:
        _await_start(process, f"\n{mark}\n".encode(), link, shell)
        with artifact.path.open("rb") as source:
            source.seek(offset)
            while block := source.read(_BLOCK_BYTES):
                process.write(block)
        process.end_input()
        _await(process, None, link)  # the digest tells what arrived
    except LinkLost as failure:
        # A full disk ends `cat`, and with it the channel, but not the connection. What a login
        # script has left running keeps the channel open behind a `cat` that has ended well.
        status = process.status()
        if status is None or (status == 0 and not isinstance(failure, Silence)):
            raise
    if process.status() == KILLED:
        raise EdgeqError(
            "The process that takes files was killed on the device, most likely for memory.",
            link.name, "free some memory there, or use a device with more",
        )  # fmt: skip
    problem = process.errors().strip()
    process.close()
    return problem


def _await_start(process: Process, mark: bytes, link: Link, shell: Shell) -> None:
    """Wait for the words of the command that takes a file: what else starts may be a shell.

    It would obey the file.
    """
    try:
        if _await(process, mark, link):
            return
    except Silence:
        shell.do(":")  # it is not the link that has fallen silent
    raise EdgeqError(
        "The device starts something else than the command that takes a file; it says: "
        + (process.errors().strip()[:200] or "nothing."),
        link.name, "a ForceCommand, or an `exec` in its login scripts?",
    )  # fmt: skip


def _await(process: Process, mark: bytes | None, link: Link) -> bool:
    """Pass over a login script's greeting, to a mark or the end; whether the mark came."""
    said, until = b"", time.monotonic() + _TAKEN_S
    while mark is None or mark not in said:
        data = process.read()
        said += data
        if not data:
            return False
        if len(said) > _LONGEST_GREETING or time.monotonic() > until:
            raise EdgeqError(
                "The device goes on talking instead of taking a file.", link.name,
                "what does its login script print, ~/.bashrc for one?",
            )  # fmt: skip
    return True


def _append_through(link: Link, shell: Shell, artifact: Artifact, part: str, offset: int) -> None:
    """The same through the shell that runs already, where the server starts nothing else.

    In pieces that take about a second each, so that the device hears of us in between.
    """
    size = _SMALLEST_PIECE
    redirect = ">>" if offset else ">"
    with artifact.path.open("rb") as source:
        source.seek(offset)
        while block := source.read(size):
            begin = time.monotonic()
            command = f"head -c {len(block)} 2>&1 {redirect}{quoted(part)}"
            status, answer = shell.do(command, data=block)
            if status:  # and the shell has ended, since data may be left that it would obey
                if "No space" in answer:
                    raise _no_space(link, part.rpartition("/")[0], artifact.size_bytes, 0)
                raise EdgeqError(
                    f"'{artifact.path.name}' did not arrive on the device: "
                    f"{answer[:200] or f'head ended with status {status}'}.",
                    link.name, "a server that allows two sessions at once (MaxSessions) would help",
                )  # fmt: skip
            redirect = ">>"
            fast = time.monotonic() - begin < _PIECE_S
            size = min(2 * size, _LARGEST_PIECE) if fast else max(size // 2, _SMALLEST_PIECE)


def _check_and_rename(part: str, name: str, sha256: str) -> str:
    """Shell that gives a file its final name if its content is right, and deletes it if not."""
    f = quoted(part)
    return (
        f"if {_matches(f, sha256)}; then chmod 700 {f} && mv -f {f} {quoted(name)}; "
        f'else rm -f {f}; echo "$s"; false; fi'
    )


def _matches(f: str, sha256: str) -> str:
    """Shell that is true if a file, a quoted word, has a digest; what it has is in $s."""
    return (
        # From stdin, so that no file name, which holds the digest wanted, is in what they print.
        # openssl is several times faster than coreutils where the CPU has instructions for it.
        f"{{ s=$( (openssl sha256 -r || sha256sum || busybox sha256sum || toybox sha256sum) <{f} "
        f'2>/dev/null); case "$s" in {sha256}*) true;; *) false;; esac; }}'
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
            path = f"{facts.root}/{name}", f"{facts.root}/.{name}.whole"
            shell.do(f"rm -rf {' '.join(map(quoted, path))}")
            total -= facts.cached[name]


def _no_space(link: Link, root: str, needed: int, free: int) -> EdgeqError:
    return EdgeqError(
        f"The device has no space: {needed / 1e6:.1f} MB are needed in {root}, "
        f"{free / 1e6:.1f} MB are free.",
        link.name, "free some, or name another folder: ?dir=/path/on/the/device",
    )  # fmt: skip
