"""Many devices at once, on one sshd with its default MaxStartups."""

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.analysis.fleet.groups import _check_wired, profile_devices, profile_group
from edgeq.analysis.profiling import Measuring
from edgeq.boards.levels import best_here
from edgeq.devices import inventory
from edgeq.devices.base import ProfileOptions
from edgeq.model.inputs import xorshift_input

FAST = ProfileOptions(runs=10, warmup=1, ops=False)


@pytest.mark.slow
def test_forty_devices_at_once(server, models):
    members = [(f"device{index}", server.address) for index in range(40)]
    states = []
    report = profile_devices(
        models / "kws_int8.tflite",
        members,
        Measuring(FAST),
        progress=lambda name, state: states.append((name, state)),
    )
    assert report.failed == []
    assert [each.name for each in report.results] == [name for name, _ in members]
    assert all(each.profile.measurement.latency_us.n == 10 for each in report.results)
    assert sum(state == "done" for _, state in states) == 40
    assert server.wait_until_idle(5) == []


def test_one_failed_device_does_not_lose_the_others(server, models):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    inventory.add("good", server.address)
    inventory.add("bad", f"ssh://nobody@127.0.0.1:{port}")
    inventory.set_group("lab", ["bad", "good"])
    report = profile_group(models / "kws_int8.tflite", "group:lab", profile_options=FAST)
    bad, good = report.results
    assert "connection refused" in bad.error
    assert good.profile.measurement.latency_us.n == 10
    assert [each.name for each in report.failed] == ["bad"]


def test_an_address_that_cannot_be_read_does_not_lose_the_others(models):
    members = [("bad", "ssh://"), ("gone", "nosuchname"), ("good", "local")]
    bad, gone, good = profile_devices(models / "kws_int8.tflite", members, Measuring(FAST)).results
    assert "is no SSH destination" in bad.error
    _check_wired("hwmon", "lab", [address for _, address in members])  # refuses nothing, neither
    assert "nosuchname" in gone.error
    assert good.profile.measurement.latency_us.n == 10


def test_the_command(server, models, cli):
    inventory.add("one", server.address)
    inventory.set_group("lab", ["one"])
    result = cli(
        "profile", models / "kws_int8.tflite", "--on", "group:lab", "-n", "10", "--json", "--no-ops"
    )
    assert result.code == 0, result.err
    row = result.json["results"][0]
    assert row["name"] == "one"
    assert row["profile"]["latency_us"]["n"] == 10
    assert cli("profile", models / "kws_int8.tflite", "--on", "group:none").code == 1


@pytest.fixture
def lab(server):
    """Two devices that work and one that does not."""
    inventory.add("pi", server.address)
    inventory.add("here", "local")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    inventory.add("off", f"ssh://nobody@127.0.0.1:{port}")
    inventory.set_group("lab", ["pi", "here", "off"])
    inventory.set_group("good", ["pi", "here"])


def saved(tmp_path, name, result):
    path = tmp_path / f"{name}.json"
    path.write_text(result.out)
    return path


def test_evaluate_on_a_group(lab, models, cli, tmp_path):
    rng = np.random.default_rng(0)
    data = tmp_path / "xy.npz"
    np.savez(data, x=rng.normal(size=(20, 49, 10, 1)).astype(np.float32), y=rng.integers(0, 12, 20))
    words = ["evaluate", models / "kws_int8.tflite", "--data", data]
    alone = cli(*words, "--on", "local", "--json").json
    result = cli(*words, "--on", "group:lab", "--json")
    assert result.code == 1  # one of them failed
    rows = {row["name"]: row for row in result.json["results"]}
    assert list(rows) == ["pi", "here", "off"]
    for name in ("pi", "here"):
        assert rows[name]["evaluation"]["accuracy"] == alone["accuracy"]
    assert "connection refused" in rows["off"]["error"]
    shown = cli(*words, "--on", "group:good")
    assert shown.code == 0, shown.err
    head, *lines = shown.out.splitlines()
    assert head.split() == ["figure", "pi", "here"]
    assert f"{alone['accuracy']:.4f}" in next(line for line in lines if "accuracy" in line)
    file = saved(tmp_path, "evaluated", result)
    compared = cli("compare", file, file, "--fail-if-worse", "1", "--json")
    assert compared.code == 1, compared.err  # one of them failed
    assert set(compared.json["devices"]) == {"pi", "here"}
    assert compared.json["devices"]["pi"]["quality"]["metric"] == "accuracy"
    page = tmp_path / "page.html"
    done = cli("report", file, "-o", page)
    assert done.code == 0, done.err
    assert "off failed" in page.read_text()


def test_a_float_model_on_a_group(tmp_path, models):
    """Two conversions at once left stdout and stderr in a temporary file: no result, exit 0."""
    pytest.importorskip("tensorflow")
    inventory.set_group("both", ["c", "local"])
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "xy.npz", x=rng.normal(size=(4, 640)), y=rng.integers(0, 2, 4))
    command = [sys.executable, "-m", "edgeq", "evaluate", models / "ad01.h5", "--json"]
    command += ["--data", tmp_path / "xy.npz", "--on", "group:both"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [row["error"] for row in json.loads(done.stdout)["results"]] == [None, None]


def test_probe_a_group(lab, cli, tmp_path):
    inventory.set_group("hosts", ["pi", "off"])
    result = cli("devices", "probe", "group:hosts", "--json")
    assert result.code == 1
    pi, off = result.json["results"]
    assert pi["facts"]["runtimes"]["litert"] == {"fits": True, "reason": None}
    assert "connection refused" in off["error"]
    assert cli("devices", "probe", "group:hosts").out.split()[:2] == ["fact", "pi"]
    page = tmp_path / "page.html"
    assert cli("report", saved(tmp_path, "probed", result), "-o", page).code == 0
    assert pi["facts"]["cpu"] in page.read_text()


def test_results_of_groups_are_compared_and_reported(lab, models, cli, tmp_path):
    words = ["profile", models / "kws_int8.tflite", "--no-ops", "--json"]
    group = [*words, "--on", "group:good", "--seconds", "0.3"]
    before, after = (saved(tmp_path, name, cli(*group)) for name in ("before", "after"))
    result = cli("compare", before, after, "--json")
    assert result.code == 0, result.err
    assert set(result.json["devices"]) == {"pi", "here"}
    assert result.json["devices"]["pi"]["same_output"] is True
    head = cli("compare", before, after).out.splitlines()[0]
    assert head.split() == ["figure", "pi", "here"]
    slower = json.loads(after.read_text())
    rows = {row["name"]: row for row in slower["results"]}
    rows["pi"]["profile"]["samples_us"] = [3 * us for us in rows["pi"]["profile"]["samples_us"]]
    after.write_text(json.dumps(slower))
    assert cli("compare", before, after, "--fail-if-slower", "50").code == 3
    rows["pi"].update(profile=None, error="gone")
    after.write_text(json.dumps(slower))
    lacking = cli("compare", before, after)
    assert lacking.code == 1
    assert "pi: B has no result of it" in lacking.out
    one = saved(tmp_path, "one", cli(*words, "--on", "local", "-n", "20"))
    assert set(cli("compare", before, one, "--json").json["devices"]) == {"pi", "here"}
    page = tmp_path / "page.html"
    done = cli("report", before, after, "-o", page)
    assert done.code == 0, done.err
    text = page.read_text()
    for name in ("pi", "here", "Group good", "latency p50", "pi failed: gone"):
        assert name in text
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"edgeq": "1", "results": [1]}')
    for words in (("compare", damaged, before), ("report", damaged, "-o", tmp_path / "x.html")):
        assert cli(*words).code == 1


def test_runtimes_side_by_side(server, models, cli, tmp_path):
    """The generated C and LiteRT of one device, in one table and one file."""
    inventory.add("pi", server.address)
    model = models / "ad01_int8.tflite"
    words = ["profile", model, "--on", "pi", "--runtime", "c,litert", "-n", "10", "--no-ops"]
    shown = cli(*words, "--isa", "portable")
    assert shown.code == 0, shown.err
    head = next(line for line in shown.out.splitlines() if line.split()[:1] == ["figure"])
    assert head.split() == ["figure", "c", "litert"]
    rows = {line.split()[0]: line.split()[1:] for line in shown.out.splitlines() if line.strip()}
    assert rows["isa"] == ["portable"]  # of the C alone
    assert rows["delegate"] == ["none", "xnnpack"]
    assert rows["threads"] == ["1", "1"]
    assert rows["MACs"] == ["264,192", "264,192"]
    result = cli(*words, "--json")
    assert result.code == 0, result.err
    found = result.json["runtimes"]
    assert (list(found), result.json["failed"]) == (["c", "litert"], {})
    assert result.json["address"] == server.address
    values = xorshift_input((1, 1, 640), "int8", 0)
    for name, here in (("c", "c"), ("litert", "local")):
        device = found[name]["device"]
        assert device["address"] == f"{server.address}&runtime={name}"
        assert (device["runtime"], device["threads"]) == (name, 1)
        assert found[name]["latency_us"]["n"] == 10
        answer = run(model, inputs=values, on=here)[0]
        assert found[name]["output_sha256"] == hashlib.sha256(answer.tobytes()).hexdigest()
    assert found["c"]["device"]["isa"] == best_here().name
    assert "isa" not in found["litert"]["device"]
    both = saved(tmp_path, "both", result)
    compared = cli("compare", both, both, "--json").json["devices"]
    assert {name: each["same_output"] for name, each in compared.items()} == {
        "c": True, "litert": True
    }  # fmt: skip
    page = tmp_path / "page.html"
    assert cli("report", both, "-o", page).code == 0
    assert all(f">{word}<" in page.read_text() for word in (best_here().name, "c", "litert"))


def test_runtimes_are_evaluated_and_verified_side_by_side(server, models, cli, tmp_path):
    """On one device; LiteRT's kernels give other bytes than the firmware's, the C the same."""
    rng = np.random.default_rng(0)
    data, given = tmp_path / "xy.npz", tmp_path / "x.npy"
    values = rng.integers(-128, 128, (60, 49, 10, 1)).astype(np.int8)
    np.savez(data, x=values, y=rng.integers(0, 12, 60))
    np.save(given, values)
    both = ["--on", server.address, "--runtime", "c,litert"]
    words = ["evaluate", models / "kws_int8.tflite", "--data", data]
    judged = cli(*words, *both, "--isa", "portable", "--json")
    assert judged.code == 0, judged.err
    assert judged.json["failed"] == {}
    for name, here in (("c", "c"), ("litert", "local")):
        found, alone = judged.json["runtimes"][name], cli(*words, "--on", here, "--json").json
        assert found["device"] == {"address": f"{server.address}&runtime={name}"}
        assert (found["accuracy"], found["n"]) == (alone["accuracy"], 60)
    head, *lines = cli(*words, *both).out.splitlines()
    assert head.split() == ["figure", "c", "litert"]
    shown = next(line for line in lines if "accuracy" in line)
    assert f"{judged.json['runtimes']['c']['accuracy']:.4f}" in shown

    words = ["verify", models / "kws_int8.tflite", "-i", given, "--against", "tflm"]
    checked = cli(*words, *both, "--json")
    assert checked.code == 3, checked.err  # LiteRT's bytes are not the firmware's
    found = checked.json["runtimes"]
    assert (found["c"]["equal"], found["c"]["differing"], found["c"]["compared"]) == (True, 0, 60)
    alone = cli(*words, "--on", "local", "--json").json
    assert (found["litert"]["equal"], found["litert"]["differing"]) == (False, alone["differing"])
    assert cli(*words, *both).out.startswith(f"Equal bytes on {server.address}&runtime=c and tflm")
    assert cli(*words, "--on", server.address, "--runtime", "c").code == 0
    page = tmp_path / "page.html"
    for result in (judged, checked):
        done = cli("report", saved(tmp_path, "both", result), "-o", page, "--force")
        assert done.code == 0, done.err
        assert all(f">{word}<" in page.read_text() for word in ("c", "litert"))


def test_a_runtime_that_does_not_run_does_not_lose_the_other(server, models, cli):
    words = ["profile", models / "ad01_int8.tflite", "-n", "5", "--no-ops"]
    address = f"{server.address}&delegate=xnnpack"
    result = cli(*words, "--on", address, "--runtime", "c,litert", "--json")
    assert result.code == 1
    assert list(result.json["runtimes"]) == ["litert"]
    assert "generated C takes no delegate" in result.json["failed"]["c"]
    one = cli(*words, "--on", server.address, "--runtime", "c", "--json").json
    assert one["device"]["isa"] == best_here().name


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--on c --runtime c,litert", "no meaning on c."),
        ("--on local --runtime c", "no meaning on local."),
        ("--on group:lab --runtime c,litert", "is for one device"),
        ("--on ssh://h.invalid --runtime c,tflm", "runtime=tflm is not possible"),
        ("--on ssh://h.invalid --runtime c,c", "is no list of runtimes"),
        ("--on ssh://h.invalid?runtime=c --runtime litert", "says which runtime"),
    ],
)
def test_runtimes_that_are_none(models, cli, words, why):
    for command in (["profile"], ["verify"], ["evaluate", "--data", "any.npz"]):
        result = cli(*command, models / "ad01_int8.tflite", *words.split())
        assert result.code == 2
        assert why in " ".join(result.err.split())


def test_ctrl_c_on_a_group(lab, models):
    command = subprocess.Popen(
        [sys.executable, "-m", "edgeq", "profile", str(models / "kws_int8.tflite"),
         "--on", "group:good", "--seconds", "4"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background would have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    time.sleep(3)
    command.send_signal(signal.SIGINT)
    begin = time.monotonic()
    out, err = command.communicate(timeout=15)
    assert time.monotonic() - begin < 8  # what runs on this machine itself is not cut short
    assert command.returncode == 130
    assert out == ""
    assert "Traceback" not in err
