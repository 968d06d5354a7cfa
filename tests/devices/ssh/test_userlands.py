"""Login shells, servers and C libraries other than the usual ones, all of them real."""

import contextlib
import shutil

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import ProfileOptions
from edgeq.devices.power.opening import _shell as power_shell
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import LinkLost
from edgeq.errors import EdgeqError
from tests.devices.ssh import chroots, openssh
from tests.devices.ssh.openssh import Account
from tests.devices.ssh.proxy import Proxy
from tests.tools import need

SHELLS = ("dash", "bash", "busybox ash", "mksh", "tcsh", "fish", "zsh")
FEW = ProfileOptions(runs=5, ops=False)


def assert_the_bytes_of(where, address, model):
    """A few inputs give the same bytes there as on this machine's `where`."""
    inputs = [np.random.default_rng(3).integers(-128, 128, (4, 1, 49, 10, 1)).astype(np.int8)]
    with open_device(address).open(model, CompileOptions()) as there:
        found = there.run(inputs)[0]
        profiled = there.profile(FEW)
        pushed = there.pushed_bytes
    with open_device(where).open(model, CompileOptions()) as here:
        np.testing.assert_array_equal(found, here.run(inputs)[0])
    assert profiled.latency_us.n == 5
    return profiled, pushed


@pytest.mark.parametrize("shell", SHELLS)
def test_login_shells(tmp_path, models, shell):
    name, _, applet = shell.partition(" ")
    program = shutil.which(name)
    need(program, name)
    if applet:
        (tmp_path / applet).symlink_to(program)
        program = str(tmp_path / applet)
    server = openssh.start(tmp_path / "sshd", account=Account(shell=program))
    try:
        assert_the_bytes_of("local", server.address, models / "kws_int8.tflite")
        with power_shell(open_device(server.address), parse_address(server.address)) as there:
            assert there('for d in a b; do echo "$d $(echo 1)"; done') == "a 1\nb 1\n"
        assert server.wait_until_idle(5) == []
    finally:
        server.stop()


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """busybox for all programs, dropbear for a server, musl for a C library, no Python."""
    server = chroots.start(tmp_path_factory.mktemp("router"), chroots.busybox())
    yield server
    server.stop()


def test_busybox_dropbear_and_musl(router, models):
    facts, runtimes = open_device(router.address).probe()
    assert facts.libc == "musl"
    assert facts.python is None
    assert facts.bits == 64
    assert "needs glibc 2.34, the device has musl" in runtimes["litert"]
    model = models / "kws_int8.tflite"
    found, pushed = assert_the_bytes_of("c", router.address, model)
    assert found.device["runtime"] == "c"
    assert pushed > 0
    _, again = assert_the_bytes_of("c", router.address, model)
    assert again == 0
    assert router.wait_until_idle(5) == []


def test_a_stalled_link_to_dropbear_leaves_nothing_behind(router, models):
    proxy = Proxy(router.port)
    config = router.write_config(
        proxy.port, "stalled", "  ServerAliveInterval 1\n  ServerAliveCountMax 3\n"
    )
    address = f"ssh://device?config={config}&reconnect=0"
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(
            open_device(address).open(models / "kws_int8.tflite", CompileOptions())
        )
        proxy.at("down", 1, lambda: proxy.break_now("pull"))
        with pytest.raises(LinkLost):
            session.profile(ProfileOptions(seconds=30, ops=False))
    assert router.wait_until_idle(8) == []
    proxy.close()


@pytest.fixture(scope="module", params=chroots.USERLANDS)
def debian(request, tmp_path_factory):
    server = chroots.start(tmp_path_factory.mktemp("debian"), chroots.debian(request.param))
    yield request.param, server
    server.stop()


@pytest.mark.slow
def test_older_and_smaller_userlands(debian, models):
    name, server = debian
    model = models / "kws_int8.tflite"
    facts, runtimes = open_device(server.address).probe()
    if name == "bullseye":
        assert facts.libc == "glibc 2.31"
        assert facts.python.version[:2] == (3, 9)
        assert "needs glibc 2.34, the device has glibc 2.31" in runtimes["litert"]
    else:
        assert (facts.architecture, facts.bits, facts.python.bits) == ("x86_64", 32, 32)
        assert "has 64 bits" in runtimes["litert"]
    with pytest.raises(EdgeqError, match="No runtime can run this model"):
        open_device(f"{server.address}&runtime=litert").open(model, CompileOptions())
    found, _ = assert_the_bytes_of("c", server.address, model)
    assert found.device["runtime"] == "c"
    assert server.wait_until_idle(5) == []
