"""Other people's programs: nothing of them is left running."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgeq.support.commands import with_family
from tests.tools import need, unwatched

# A program that starts one in a group of its own, as ninja does, and says both numbers.
FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
child = subprocess.Popen(sleep, preexec_fn=os.setpgrp)
print(os.getpid(), child.pid, flush=True)
time.sleep(300)
"""


def alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["polite", "deaf"])
def test_nothing_of_a_family_is_left(kind):
    """Also of one that does not hear SIGTERM."""
    need(Path("/proc/self/stat").exists(), "/proc")
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if kind == "deaf" else ""
    )
    numbers = []
    with (
        pytest.raises(RuntimeError),
        with_family([sys.executable, "-c", deaf + FAMILY], stdout=subprocess.PIPE) as process,
    ):
        numbers += map(int, process.stdout.readline().split())
        assert all(map(alive, numbers))
        raise RuntimeError
    deadline = time.monotonic() + 30
    while any(map(alive, numbers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, numbers))


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupt_while_a_program_starts_ends_it(monkeypatch, begun):
    """Popen waits for the program to be there; what is raised then has no name for it."""
    made = []
    usual = subprocess.Popen

    def slow(*arguments, **options):
        made.append(usual(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)
        return made[0]

    def late(thread):
        start(thread)
        time.sleep(0.4)  # the interrupt comes before the caller knows that it has begun

    start = threading.Thread.start
    monkeypatch.setattr(subprocess, "Popen", slow)
    if not begun:
        monkeypatch.setattr(threading.Thread, "start", late)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with unwatched(), pytest.raises(KeyboardInterrupt), with_family(["sleep", "300"]):
            pass
    finally:
        signal.signal(signal.SIGINT, before)
    assert made[0].poll() is not None
