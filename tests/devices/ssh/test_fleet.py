"""Many devices at once, on one sshd with its default MaxStartups."""

import socket

import pytest

from edgeq.analysis.fleet import profile_devices, profile_group
from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.base import ProfileOptions

FAST = ProfileOptions(runs=10, warmup=1, ops=False)


@pytest.mark.slow
def test_forty_devices_at_once(server, models):
    members = [(f"device{index}", server.address) for index in range(40)]
    states = []
    report = profile_devices(
        models / "kws_int8.tflite",
        members,
        profile_options=FAST,
        options=CompileOptions(),
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
