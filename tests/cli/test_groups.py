"""What is asked of one device is asked of a group's, and shown."""

import json
import shutil
import time

import numpy as np
import pytest

from edgeq.analysis.fleet import groups
from edgeq.devices import inventory
from edgeq.errors import EdgeqError


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A group of two devices, both of them this machine's C."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("one", "two"):
        inventory.add(name, "c")
    inventory.set_group("lab", ["one", "two"])


def test_the_float_model_and_a_second_device_stand_in_the_table(cli, models, tmp_path, lab):
    """Both were computed and printed with --json alone."""
    random = np.random.default_rng(0)
    x = random.normal(0, 20, (6, 49, 10, 1)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(6))
    model = models / "kws_int8.tflite"
    words = ("evaluate", model, "--data", tmp_path / "d.npz", "--against", model)
    shown = cli(*words, "--also-on", "local", "--on", "group:lab")
    assert shown.code == 0, shown.err
    lines = {line.split("  ")[0].strip(): line for line in shown.out.splitlines()}
    assert "float" in lines and "McNemar" in lines["against float"]
    assert "equal outputs on local" in lines


def test_a_front_end_beside_a_model_stands_before_it_on_a_group_too(cli, models, tmp_path, lab):
    """The group was said to be no device address."""
    model = tmp_path / "kws.tflite"
    shutil.copy(models / "kws_int8.tflite", model)
    model.with_suffix(".frontend.toml").write_text('kind = "mfcc"\nnum_mel = 40\n')
    done = cli("profile", model, "--on", "group:lab", "-n", "1")
    assert "is no device address" not in done.err
    assert "stands before the model" in done.err


def test_why_a_run_on_a_group_was_disturbed_is_said(cli, models, monkeypatch, lab):
    from dataclasses import replace

    measured = groups.profile_on

    def disturbed(*given):
        found = measured(*given)
        busy = replace(found.measurement, valid=False, warnings=["other programs are busy"])
        return replace(found, measurement=busy)

    monkeypatch.setattr(groups, "profile_on", disturbed)
    done = cli("profile", models / "ad01_int8.tflite", "--on", "group:lab", "-n", "1")
    assert "two: other programs are busy" in done.out


def test_a_group_that_is_made_is_printed_as_json(cli, lab):
    done = cli("devices", "groups", "both", "one", "two", "--json")
    assert json.loads(done.out) == {"groups": {"both": ["one", "two"]}}


def _most_at_once(cli, monkeypatch, model, *words):
    """How many measurements of a group were under way at the same time, at most."""
    under_way, most = [], []

    def measured(device, *_):
        under_way.append(device)
        most.append(len(under_way))
        time.sleep(0.05)
        under_way.pop()
        raise EdgeqError("enough is known")

    monkeypatch.setattr(groups, "profile_on", measured)
    cli("profile", model, "--on", "group:lab", *words)
    return max(most)


def test_devices_of_this_machine_are_measured_one_after_the_other(cli, models, monkeypatch, lab):
    """They ran at the same time, in one process, and nothing said that they were disturbed."""
    inventory.add("three", "local")
    inventory.set_group("lab", ["one", "two", "three"])
    assert _most_at_once(cli, monkeypatch, models / "ad01_int8.tflite") == 1


@pytest.mark.parametrize(("words", "most"), [(("--power", "rapl"), 1), ((), 2)])
def test_a_meter_counts_the_work_of_one_at_a_time(cli, models, monkeypatch, words, most):
    """What two runtimes of one host did stood in the energy of each."""
    for runtime in ("c", "litert"):
        inventory.add(f"pi-{runtime}", f"ssh://pi@10.0.0.7?runtime={runtime}")
    inventory.set_group("lab", ["pi-c", "pi-litert"])
    assert _most_at_once(cli, monkeypatch, models / "ad01_int8.tflite", *words) == most
