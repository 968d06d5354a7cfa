"""`?runtime=benchmark_model`: with a stand-in that prints what the tool printed, and with the tool.

A build of the tool comes with no package; EDGEQ_BENCHMARK_MODEL names one for 32-bit Arm Linux.
"""

import os
import threading
import time
from pathlib import Path

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices import inventory
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import LinkLost
from edgeq.errors import EdgeqError, UsageError
from tests.devices.remote.test_benchmark_output import RECORDED
from tests.devices.ssh import machines, openssh
from tests.devices.ssh.faults import QUICK
from tests.devices.ssh.proxy import Proxy


@pytest.fixture
def stand_in(tmp_path):
    """A program that keeps its arguments and prints what the tool printed."""
    path = tmp_path / "benchmark model"
    path.write_text(f"#!/bin/sh\necho \"$@\" >>'{tmp_path}/seen'\ncat <<'END'\n{RECORDED}END\n")
    path.chmod(0o755)
    return path


def address(server, program):
    return f"{server.address}&runtime=benchmark_model&program={str(program).replace(' ', '%20')}"


def test_its_figures_are_passed_on(server, stand_in, models, tmp_path):
    on = address(server, stand_in) + "&delegate=none"
    with open_device(on).open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(runs=20, extra={"threads": 2, "cpu": "0,1"}))
        with pytest.raises(EdgeqError, match="gives no answers, only times"):
            session.run([])
    assert (found.latency_us.n, found.latency_us.mean) == (110, 8634.79)
    assert found.latency_us.p50 is None
    assert found.environment["init_us"] == 37367
    assert found.environment["answers_verified"] is False
    assert "NOT verified" in found.warnings[0]
    assert [op.op for op in found.ops] == ["CONV_2D", "SOFTMAX"]
    plain, profiled = (tmp_path / "seen").read_text().splitlines()
    assert "--num_runs=20" in plain
    assert "--num_threads=2" in plain
    assert "--use_xnnpack=false" in plain
    assert "--enable_op_profiling=false" in plain
    assert "--enable_op_profiling=true" in profiled
    cache = server.home / ".cache" / "edgeq"
    assert not list(cache.glob("*.part"))


def test_two_at_once_take_turns_and_print_their_own_figures(server, models, tmp_path, cli):
    """Both have the same model, in the same folder of the same device."""
    for name, us in (("slow", 9000), ("fast", 100)):
        tool = tmp_path / name
        counts = f"echo count=50 first={us} min={us} max={us} avg={us} std=3"
        tool.write_text(
            f"#!/bin/sh\nmkdir '{tmp_path}/busy' || exit 9\nsleep 1\n{counts}\n{counts}\nsleep 1\n"
            f"rmdir '{tmp_path}/busy'\n"
        )
        tool.chmod(0o755)
        inventory.add(name, address(server, tool), ["lab"])
    model = models / "kws_int8.tflite"
    done = cli("profile", model, "--on", "group:lab", "--no-ops", "--json")
    assert done.code == 0
    means = {row["name"]: row["profile"]["latency_us"]["mean"] for row in done.json["results"]}
    assert means == {"slow": 9000.0, "fast": 100.0}
    assert not list((server.home / ".cache" / "edgeq").glob("*.part"))
    table = cli("profile", model, "--on", "group:lab", "--no-ops").out
    assert "9,000.0 (mean)" in table  # the tool tells no median
    waits = open_device(address(server, tmp_path / "slow") + "&wait=0.2")
    with waits.open(model, CompileOptions()) as late, waits.open(model, CompileOptions()) as soon:
        first = threading.Thread(target=soon.profile, args=(ProfileOptions(ops=False),))
        first.start()
        time.sleep(0.5)
        with pytest.raises(EdgeqError, match="busy: another edgeq on this machine is measuring"):
            late.profile(ProfileOptions())
        first.join()


def test_how_long_is_said_to_the_tool(server, stand_in, models, tmp_path):
    device = open_device(address(server, stand_in))
    with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
        session.profile(ProfileOptions(runs=7, seconds=3, ops=False))
        session.profile(ProfileOptions(seconds=3, ops=False))
        session.profile(ProfileOptions(ops=False, extra={"sustained_s": 60}))
        with pytest.raises(UsageError, match="--paced has no meaning for benchmark_model"):
            session.profile(ProfileOptions(extra={"paced_hz": 3}))
    both, time_alone, long = (tmp_path / "seen").read_text().splitlines()
    assert "--num_runs=7 --min_secs=0 --max_secs=3 " in both
    assert "--num_runs=1 --min_secs=3 --max_secs=3 " in time_alone
    assert "--num_runs=1 --min_secs=60 --max_secs=60 " in long


def test_a_path_on_the_device(server, stand_in, models):
    place = server.home / "tool"
    place.write_bytes(stand_in.read_bytes())
    place.chmod(0o755)
    there = str(place).replace(str(server.home), str(server.home) + "/.")  # no file here by name
    with open_device(address(server, there)).open(
        models / "kws_int8.tflite", CompileOptions()
    ) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 110


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("/none/such", "There is no benchmark_model: /none/such"),
        ("~nobody-here/tool", "There is no benchmark_model: ~nobody-here/tool"),
        ("/bin/false", "failed with status 1: it said nothing"),
        ("/bin/true", "failed with status 0: it said nothing"),
    ],
)
def test_no_such_tool(server, models, program, text):
    with (
        pytest.raises(EdgeqError, match=text),
        open_device(address(server, program)).open(
            models / "kws_int8.tflite", CompileOptions()
        ) as session,
    ):
        session.profile(ProfileOptions(runs=5))


@pytest.mark.parametrize("mode", ["reset", "half-close", "pull", "closed by us"])
def test_nothing_stays_when_the_link_is_lost(tmp_path, models, mode):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nsleep 61\n")
    own = openssh.start(tmp_path / "sshd")
    proxy = Proxy(own.port)
    own.write_config(proxy.port, more=QUICK)
    try:
        session = open_device(address(own, tool)).open(models / "kws_int8.tflite", CompileOptions())
        strike = session.close if mode == "closed by us" else lambda: proxy.break_now(mode)
        threading.Timer(1.0, strike).start()
        begin = time.monotonic()
        with pytest.raises(LinkLost):
            session.profile(ProfileOptions(runs=5))
        assert time.monotonic() - begin < 10
        assert own.wait_until_idle(5) == []
    finally:
        proxy.close()
        own.stop()


@pytest.mark.slow
def test_the_tool_itself(tmp_path, models):
    tool = Path(os.environ.get("EDGEQ_BENCHMARK_MODEL", "/none"))
    if not tool.is_file():
        pytest.skip("needs a benchmark_model for 32-bit Arm Linux: EDGEQ_BENCHMARK_MODEL")
    machine = machines.start(tmp_path, "armhf")
    try:
        on = address(machine, tool) + "&delegate=none"
        with open_device(on).open(models / "kws_int8.tflite", CompileOptions()) as session:
            found = session.profile(ProfileOptions(seconds=1))
    finally:
        machine.stop()
    assert found.latency_us.n > 5
    assert found.latency_us.min <= found.latency_us.mean <= found.latency_us.max
    assert [op.index for op in found.ops] == list(range(13))
    assert found.ops[0].op == "CONV_2D"
