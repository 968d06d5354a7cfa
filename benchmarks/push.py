"""Push of 50 MB to an SSH server on this machine: edgeq against scp, median of five.

Usage: python benchmarks/push.py [MEGABYTES [ROUNDS]]
Both get a fresh connection every time; edgeq also hashes the file on the device and renames it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgeq.devices.address import parse_address
from edgeq.devices.remote.artifacts import artifact
from edgeq.devices.remote.facts import read_facts
from edgeq.devices.remote.push import push
from edgeq.devices.remote.shell import Shell
from edgeq.devices.ssh.config import resolve
from edgeq.devices.ssh.transport import connect
from tests.devices.ssh import openssh


def time_scp(server: openssh.Server, source: Path) -> float:
    target = server.home / "copied"
    target.unlink(missing_ok=True)
    begin = time.perf_counter()
    subprocess.run(["scp", "-q", "-F", server.config, source, f"device:{target}"], check=True)
    return time.perf_counter() - begin


def time_edgeq(server: openssh.Server, source: Path, known: dict[str, str]) -> float:
    begin = time.perf_counter()
    link = connect(resolve(parse_address(server.address)))
    shell = Shell(link)
    known |= shell.probe("", known)  # as a session does: a device is asked in full only once
    facts = read_facts(known)
    sent = push(link, shell, facts, [artifact(source, ".bin")], 1 << 30)
    seconds = time.perf_counter() - begin
    assert sent == source.stat().st_size
    (Path(str(facts.root)) / artifact(source, ".bin").name).unlink()
    shell.close()
    link.close()
    return seconds


def main(megabytes: int = 50, rounds: int = 5) -> dict[str, float]:
    """Medians in seconds."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.write_bytes(os.urandom(megabytes * 1_000_000))
        server = openssh.start(Path(work) / "sshd")
        try:
            known: dict[str, str] = {}
            time_edgeq(server, source, known)  # imports paramiko, probes
            # In turns, so that both meet the same disturbances.
            pairs = [
                (time_scp(server, source), time_edgeq(server, source, known)) for _ in range(rounds)
            ]
        finally:
            server.stop()
    scp, edgeq = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{megabytes} MB, median of {rounds}: scp {scp:.3f} s, edgeq {edgeq:.3f} s")
    return {"scp_s": scp, "edgeq_s": edgeq}


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
