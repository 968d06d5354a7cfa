"""The link breaks: in time with a user's settings, and work that goes on when it is back."""

import threading
import time

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import LinkLost
from tests.devices.ssh import openssh
from tests.devices.ssh.proxy import MODES, Proxy

pytestmark = pytest.mark.slow
AGENTS = ("python", "native")
IN_TIME_S = 10.0


@pytest.fixture
def device(tmp_path):
    """A fresh server behind a proxy."""
    server = openssh.start(tmp_path / "sshd")
    proxy = Proxy(server.port)
    server.write_config(proxy.port)
    yield server, proxy
    proxy.close()
    server.stop()


def address(server, agent):
    return f"{server.address}&agent={agent}"


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("mode", ["half-close", "pull"])
def test_in_time_without_any_setting(device, models, agent, mode):
    """The fault table has shorter times; these are those of a user's first run."""
    server, proxy = device
    model = models / "kws_int8.tflite"
    with open_device(address(server, agent)).open(model, CompileOptions()) as session:
        threading.Timer(1.5, proxy.break_now, [mode]).start()
        begin = time.monotonic()
        with pytest.raises(LinkLost):
            session.profile(ProfileOptions(seconds=60))
        assert time.monotonic() - begin < 1.5 + IN_TIME_S
    assert server.wait_until_idle(5.0) == []
    proxy.heal()
    with open_device(address(server, agent)).open(model, CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5


@pytest.mark.parametrize("mode", MODES)
def test_a_run_goes_on_after_the_link_came_back(device, models, mode):
    """Every sample is answered once, in order, as if nothing had happened."""
    server, proxy = device
    model = models / "ad01_int8.tflite"
    inputs = [np.random.default_rng(1).integers(-128, 127, (3000, 1, 640)).astype(np.int8)]
    with open_device("local").open(model, CompileOptions()) as here:
        wanted = here.run(inputs)[0]
    on = address(server, "python") + "&reconnect=20"
    with open_device(on).open(model, CompileOptions()) as session:
        proxy.arm(mode, "down", 500_000)
        threading.Thread(target=lambda: (proxy.broken.wait(), proxy.heal()), daemon=True).start()
        found = session.run(inputs)[0]
        assert proxy.broken.wait(5)
    np.testing.assert_array_equal(found, wanted)


def test_evaluate_counts_every_sample_once(device, models, cli, tmp_path):
    """The real command, over a link that breaks twice in the middle."""
    server, proxy = device
    model = models / "ad01_int8.tflite"
    x = np.random.default_rng(2).normal(0, 30, (1500, 640)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(1500) % 2)
    words = ("evaluate", model, "--data", tmp_path / "data.npz", "--metric", "anomaly", "--json")
    wanted = cli(*words, "--on", "local").json
    broken = []

    def break_and_heal():
        broken.append(time.monotonic())
        proxy.break_now("reset")
        proxy.heal()
        if len(broken) < 2:
            proxy.at("down", 400_000, break_and_heal)

    proxy.at("down", 400_000, break_and_heal)
    found = cli(*words, "--on", server.address + "&reconnect=20", "--also-on", "local")
    assert found.code == 0, found.err
    assert len(broken) == 2
    assert found.json["n"] == wanted["n"] == 1500
    assert found.json["also_on"]["equal"] == 1500
    assert {k: v for k, v in found.json.items() if k not in ("device", "also_on")} == {
        k: v for k, v in wanted.items() if k not in ("device", "also_on")
    }
