"""The shell on a device takes its script whole, and the host's words as the host's."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.devices.remote.shell import _BOOTSTRAP, quoted
from tests.tools import need

SHELLS = {"busybox": ["busybox", "ash"], "dash": ["dash"], "bash": ["bash", "--posix"]}
BLOCK = 1024  # busybox reads so much of its script at once, dash eight times that


def answers(shell, folder, told, script=None):
    """What comes of the script and one command; `told` stands before it."""
    process = subprocess.Popen(
        SHELLS[shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True, text=True, cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "EDGEQ_WATCHDOG": "none"},
    )  # fmt: skip
    with process:
        process.stdin.write(told + (script or _BOOTSTRAP.read_text()))
        process.stdin.flush()
        lines = []
        while (line := process.stdout.readline()) and line != "@@xyz:ready\n":
            lines.append(line)
        process.stdin.write("echo hello\n")
        process.stdin.flush()
        said = [process.stdout.readline() for _ in range(3)]
        process.stdin.close()
    assert process.returncode == -9  # it ends all that was started for the host, itself too
    return said


@pytest.mark.parametrize("shell", SHELLS)
def test_wherever_the_blocks_end_that_a_shell_reads(shell, tmp_path):
    """With some lengths of a folder's name, busybox took the last lines for words of the host."""
    need(shutil.which(SHELLS[shell][0]), SHELLS[shell][0])
    # Told that it has asked before, it is quick.
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    told = f"EDGEQ_MARK=xyz\nEDGEQ_BOOT={boot}\nEDGEQ_ROOT={quoted(str(tmp_path))}\n"
    tmp_path.chmod(0o700)
    for length in range(0, BLOCK + 48, 24 if shell == "busybox" else 240):
        said = answers(shell, tmp_path, f"{told}EDGEQ_DIR={'d' * length}\n")
        assert said == ["hello\n", "\n", "@@xyz:done 0\n"], length
