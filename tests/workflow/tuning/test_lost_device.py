"""A device that is away says nothing of the candidates."""

import threading
import time

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError
from edgeq.workflow.tuning import journal
from edgeq.workflow.tuning.problem import pose
from edgeq.workflow.tuning.trial import Trial, make_model, run_trial
from edgeq.workflow.tuning.tune import tune
from tests.devices.ssh import openssh


def test_a_device_that_goes_and_comes_back(net, tmp_path, monkeypatch):
    """The search stops, keeps what it has measured, and goes on where it stopped."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    model, data = net
    server = openssh.start(tmp_path / "sshd")
    how = {
        "data": data, "eval_data": data, "output": tmp_path / "t", "trials": 3, "workers": "1",
        "on": f"{server.address}&runtime=c&reconnect=0",
    }  # fmt: skip
    add = journal.Journal.add

    def add_and_go(self, trial):
        add(self, trial)
        server.stop()

    monkeypatch.setattr(journal.Journal, "add", add_and_go)
    with pytest.raises(EdgeqError, match="has stopped: Nothing listens on port") as stopped:
        tune(model, **how)
    assert "goes on behind the 1 trials" in stopped.value.hint
    lines = (tmp_path / "t" / "journal.jsonl").read_text().splitlines()
    assert len(lines) == 2  # what is searched for, and the first trial
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    # Away from the start: it says so before it begins.
    with pytest.raises(EdgeqError, match=r"^Nothing listens on port"):
        tune(model, **how)
    server.start_again()
    try:
        found = tune(model, **how)
    finally:
        server.stop()
    assert [each.error for each in found.trials] == [""] * 3
    assert (tmp_path / "t" / "journal.jsonl").read_text().splitlines()[:2] == lines


def test_a_device_that_another_measures_on_is_waited_for(net, tmp_path, monkeypatch):
    """Another worker of the same search, say: longer than a single command would wait."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    model, data = net
    server = openssh.start(tmp_path / "sshd")
    on = f"{server.address}&runtime=c"
    problem = pose(
        model, data=data, eval_data=data, train_data=None, on=on, metric="classification", limit=50,
        options=None, trust=False, cache=tmp_path,
    )  # fmt: skip
    (candidate, *_) = problem.space.fixed()
    make_model(problem, candidate, tmp_path / "m.tflite")
    began = threading.Event()

    def measure():
        with open_device(on).open(tmp_path / "m.tflite", CompileOptions()) as session:
            began.set()
            session.profile(ProfileOptions(seconds=8, ops=False))

    other = threading.Thread(target=measure)
    try:
        other.start()
        began.wait(60)
        time.sleep(1)
        begin = time.monotonic()
        found = run_trial(problem, candidate)
        assert isinstance(found, Trial)
        assert found.error == ""
        assert time.monotonic() - begin > 5
    finally:
        other.join()
        server.stop()


def test_a_board_has_only_what_was_flashed(net, tmp_path):
    model, data = net
    with pytest.raises(UsageError, match="the models that it was flashed with"):
        tune(model, data=data, output=tmp_path / "t", on="serial:/dev/ttyACM0")
