"""A search whose workers are processes of their own, ended in the middle of its trials."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.test_interrupt import as_a_terminal_has_it


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_ended_says_so_and_leaves_nothing(net, tmp_path, number):
    """The signal goes to all of its processes, as from a terminal, and as at a shutdown."""
    pytest.importorskip("distributed")
    model, data = net
    (tmp_path / "tmp").mkdir()
    journal = tmp_path / "t" / "journal.jsonl"
    search = subprocess.Popen(
        [sys.executable, "-m", "edgeq", "tune", model, "--data", data, "--eval", data,
         "-o", tmp_path / "t", "--workers", "2", "--trials", "30"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}, preexec_fn=as_a_terminal_has_it,
    )  # fmt: skip
    end = time.monotonic() + 200
    while time.monotonic() < end and search.poll() is None:
        if journal.exists() and len(journal.read_text().splitlines()) > 2:
            break
        time.sleep(0.1)
    os.killpg(search.pid, number)
    _, said = search.communicate(timeout=60)
    assert search.returncode == 130
    assert "Traceback" not in said
    assert said.rstrip().endswith("Interrupted; nothing half-written was left behind.")
    assert not list((tmp_path / "tmp").iterdir())
