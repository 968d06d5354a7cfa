"""The link breaks, in four ways and at three places: the error, and what stays on the device."""

import threading
import time

import numpy as np
import pytest

from edgeq.devices.base import CompileOptions, ProfileOptions
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


def assert_clean_and_usable(server, proxy, agent, model):
    """Nothing of ours runs on the device 5 s later, nothing is half there, the next run works."""
    assert server.wait_until_idle(5.0) == []
    cache = server.home / ".cache" / "edgeq"
    for path in cache.iterdir() if cache.exists() else ():
        if not path.name.endswith(".part"):
            assert path.name.startswith(openssh.sha256(path)), path
    proxy.heal()
    with open_device(address(server, agent)).open(model, CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after_bytes", [20_000, 3_000_000, 8_000_000])
def test_in_the_middle_of_a_push(device, models, mode, after_bytes):
    server, proxy = device
    model = models / "kws_int8.tflite"
    proxy.arm(mode, "up", after_bytes)
    begin = time.monotonic()
    with pytest.raises(LinkLost):
        open_device(address(server, "python")).open(model, CompileOptions())
    assert proxy.broken.wait(5)
    assert time.monotonic() - begin < IN_TIME_S
    assert_clean_and_usable(server, proxy, "python", model)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("mode", MODES)
def test_while_it_measures(device, models, agent, mode):
    server, proxy = device
    model = models / "kws_int8.tflite"
    with open_device(address(server, agent)).open(model, CompileOptions()) as session:
        threading.Timer(1.5, proxy.break_now, [mode]).start()
        begin = time.monotonic()
        with pytest.raises(LinkLost, match=r"after \d+ timed calls"):
            session.profile(ProfileOptions(seconds=60))
        assert time.monotonic() - begin < 1.5 + IN_TIME_S
    assert_clean_and_usable(server, proxy, agent, model)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("mode", MODES)
def test_in_the_middle_of_a_result(device, models, agent, mode):
    server, proxy = device
    model = models / "ad01_int8.tflite"
    inputs = [np.zeros((2000, 1, 640), np.int8)]
    on = address(server, agent) + "&reconnect=0"
    with open_device(on).open(model, CompileOptions()) as session:
        proxy.arm(mode, "down", 200_000)
        begin = time.monotonic()
        with pytest.raises(LinkLost):
            session.run(inputs)
        assert time.monotonic() - begin < IN_TIME_S
    assert_clean_and_usable(server, proxy, agent, model)


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
