"""Ctrl-C during a run on a device, several pushes at once, and links that wait at its paths."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.devices.ssh.proxy import Proxy

# Direction and bytes that have gone when Ctrl-C is pressed, and seconds later.
MOMENTS = {
    "handshake": ("down", 200, 0.0),
    "login": ("up", 2500, 0.0),
    "probe": ("down", 6000, 0.0),
    "push": ("up", 1_000_000, 0.0),
    "load": ("up", 7_000_000, 0.3),
    "measure": ("up", 7_000_000, 2.5),
}


@pytest.fixture
def own(tmp_path):
    server = openssh.start(tmp_path / "sshd")
    yield server
    server.stop()


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c(own, models, moment):
    direction, count, later_s = MOMENTS[moment]
    proxy = Proxy(own.port)
    own.write_config(proxy.port)
    pressed = threading.Event()

    def press():
        time.sleep(later_s)
        command.send_signal(signal.SIGINT)
        pressed.set()

    proxy.at(direction, count, lambda: threading.Thread(target=press).start())
    words = ["profile", models / "kws_int8.tflite", "--on", own.address, "--seconds", "20"]
    command = subprocess.Popen(
        [sys.executable, "-m", "edgeq", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that runs the tests in the background would have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    out, err = command.communicate(timeout=15)
    proxy.close()
    assert pressed.is_set()
    assert command.returncode == 130
    assert out == ""
    assert err.strip() == "Interrupted; nothing half-written was left behind."
    assert own.wait_until_idle(5) == []
    own.write_config()
    with open_device(own.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
    left = [path.name for path in (own.home / ".cache" / "edgeq").iterdir()]
    assert not [name for name in left if name.endswith(".part")]


def test_pushes_at_once(own, models):
    """Nobody takes another's half of a file for the whole."""
    results = []

    def use():
        try:
            with open_device(own.address + "&wait=60").open(
                models / "kws_int8.tflite", CompileOptions()
            ) as session:
                results.append(session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n)
        except EdgeqError as error:
            results.append(str(error))

    users = [threading.Thread(target=use) for _ in range(3)]
    for user in users:
        user.start()
    for user in users:
        user.join(60)
    assert results == [5] * 3
    for path in (own.home / ".cache" / "edgeq").glob("[!.]*"):
        assert path.name.startswith(openssh.sha256(path))


def test_links_that_wait(own, models, tmp_path):
    """Nothing is written through a link; a folder that others may write to is not used."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    model = models / "kws_int8.tflite"
    name = openssh.sha256(model) + ".tflite"
    cache = own.home / ".cache" / "edgeq"
    cache.mkdir(parents=True, mode=0o700)
    for waiting in (name, f"{name}.1234567.part", f"{name}.x.part"):
        (cache / waiting).symlink_to(victim)
    (cache / f"{name}.7654321.part").mkdir()
    with open_device(own.address).open(model, CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
    assert victim.read_text() == "mine"
    assert not (cache / name).is_symlink()
    assert not list(cache.glob("*.part"))


@pytest.mark.parametrize("kind", ["link", "world", "group", "own group"])
def test_a_folder_of_others(own, models, tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    folder = tmp_path / "folder"
    if kind == "link":
        folder.symlink_to(elsewhere)
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind == "world" else 0o770)
        if kind == "group":
            os.chown(folder, -1, 12345)
    address = f"{own.address}&dir={folder}"
    if kind == "own group":
        open_device(address).open(models / "kws_int8.tflite", CompileOptions()).close()
        return
    with pytest.raises(EdgeqError, match="shared-with-others"):
        open_device(address).open(models / "kws_int8.tflite", CompileOptions())
    assert not list(folder.iterdir())
