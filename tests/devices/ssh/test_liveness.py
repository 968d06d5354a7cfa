"""A link is lost when it is silent, not when a machine at its end is busy."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import SILENCE_S, LinkLost
from edgeq.devices.ssh.config import resolve
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.devices.ssh.proxy import Proxy

ALMOST = SILENCE_S - 2  # seconds that a machine may be too busy for anything


def pause(number, seconds):
    """Stop a process for some time, as if others had taken all processors."""
    os.kill(number, signal.SIGSTOP)
    threading.Timer(seconds, os.kill, [number, signal.SIGCONT]).start()


@pytest.mark.parametrize("agent", ["python", "native"])
def test_a_device_that_is_too_busy_to_beat(server, models, agent):
    address = f"{server.address}&agent={agent}"
    with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        supervisor = min(
            int(line.split()[0])
            for line in server.processes()
            if line.endswith((".pyz", ".bin")) and not line.split()[1].startswith("sshd")
        )
        threading.Timer(0.5, pause, [supervisor, ALMOST]).start()
        found = session.profile(ProfileOptions(seconds=ALMOST + 1, ops=False))
    assert found.latency_us.n > 10


def test_a_host_that_is_too_busy_to_beat(server, models):
    words = ["profile", models / "kws_int8.tflite", "--on", server.address, "--seconds", "8"]
    command = subprocess.Popen(
        [sys.executable, "-m", "edgeq", *words, "--no-ops"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    end = time.monotonic() + 20
    while not any(line.endswith((".pyz", ".bin")) for line in server.processes()):
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1)  # it has begun to measure
    pause(command.pid, ALMOST)
    printed, _ = command.communicate(timeout=60)
    assert command.returncode == 0, printed


def test_server_alive_says_how_long_silence_is_borne(tmp_path, models):
    own = openssh.start(tmp_path / "sshd")
    proxy = Proxy(own.port)
    config = "  ServerAliveInterval 1\n  ServerAliveCountMax 3\n"
    own.write_config(proxy.port, more=config)
    try:
        with open_device(own.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
            threading.Timer(0.5, proxy.break_now, ["stall"]).start()
            begin = time.monotonic()
            with pytest.raises(LinkLost, match="nothing came from the device for 3 s"):
                session.profile(ProfileOptions(seconds=60))
            assert 3 < time.monotonic() - begin < 5
        assert own.wait_until_idle(5) == []
    finally:
        proxy.close()
        own.stop()


def test_connect_timeout_holds_for_the_handshake_too(tmp_path, models):
    own = openssh.start(tmp_path / "sshd")
    os.kill(own.process.pid, signal.SIGSTOP)  # the kernel accepts, nobody answers
    own.write_config(more="  ConnectTimeout 2\n")
    try:
        begin = time.monotonic()
        with pytest.raises(EdgeqError, match="accepts the connection but does not answer"):
            open_device(own.address).open(models / "kws_int8.tflite", CompileOptions())
        assert 1.5 < time.monotonic() - begin < 4
    finally:
        os.kill(own.process.pid, signal.SIGCONT)
        own.stop()


@pytest.mark.parametrize(
    ("more", "silence_s"),
    [
        ("  ServerAliveInterval 60\n", 180),
        ("  ServerAliveInterval 999999999\n", 86_400),
        ("  ConnectTimeout 999999w\n", 6),
    ],
)
def test_long_times_in_the_configuration(server, more, silence_s):
    """Linux takes 127 probes of a silent peer, and milliseconds in 31 bits."""
    config = server.write_config(name="patient", more=more)
    address = parse_address(f"ssh://device?config={config}")
    assert resolve(address).silence_s == silence_s
    facts, _ = open_device(address.text).probe()
    assert facts.system == "linux"
