"""Over the real adb client, to a stand-in for the phone's adbd whose shell is this machine's."""

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.boards.levels import best_here
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.power.opening import open_meter
from edgeq.devices.registry import open_device
from edgeq.devices.remote.link import OtherDevice
from edgeq.errors import EdgeqError
from tests.devices.adb.phone import Phone
from tests.devices.ssh.openssh import free_port
from tests.tools import need


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    need(shutil.which("adb"), "adb")
    folder = tmp_path_factory.mktemp("phone")
    # A server of its own: the user's phones are none of the tests' business.
    old = os.environ.get("ANDROID_ADB_SERVER_PORT")
    os.environ["ANDROID_ADB_SERVER_PORT"] = str(free_port())
    made = Phone(folder)
    subprocess.run(["adb", "connect", made.serial], check=True, capture_output=True, timeout=30)
    yield made
    subprocess.run(["adb", "kill-server"], check=False, capture_output=True, timeout=30)
    made.close()
    if old is None:
        del os.environ["ANDROID_ADB_SERVER_PORT"]
    else:
        os.environ["ANDROID_ADB_SERVER_PORT"] = old


def adb(*words):
    subprocess.run(["adb", *words], check=False, capture_output=True, timeout=30)


@pytest.mark.parametrize("runtime", ["litert", "c"])
def test_run_and_profile(phone, models, runtime):
    model = models / "kws_int8.tflite"
    inputs = np.random.default_rng(0).integers(-128, 127, (5, 49, 10, 1)).astype(np.int8)
    address = f"adb:{phone.serial}?runtime={runtime}"
    wanted = run(model, inputs=inputs, on="c" if runtime == "c" else "local")[0]
    np.testing.assert_array_equal(run(model, inputs=inputs, on=address)[0], wanted)
    with open_device(address).open(model, CompileOptions()) as session:
        assert session.pushed_bytes == 0
        found = session.profile(ProfileOptions(runs=10))
    assert found.latency_us.n == 10
    assert found.device["runtime"] == runtime
    assert found.device["threads"] == 1
    assert found.device.get("isa") == (best_here().name if runtime == "c" else None)
    assert len(found.ops) == 13


def test_a_phone_that_is_not_there(phone, models):
    with pytest.raises(EdgeqError, match=r"no phone 'R58M'; attached: adb:127.0.0.1:\d+"):
        open_device("adb:R58M").open(models / "kws_int8.tflite", CompileOptions())


def test_any_takes_the_only_one(phone, models):
    with open_device("adb:any").open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5


def test_any_stays_with_the_one_that_it_began_on(phone, models, tmp_path):
    """Another that is attached in its place is not asked for the rest of the answers."""
    other = Phone(tmp_path / "other")
    inputs = [np.zeros((2, 1, 49, 10, 1), np.int8)]
    device = open_device("adb:any?reconnect=10")
    try:
        with device.open(models / "kws_int8.tflite", CompileOptions()) as session:
            session.run(inputs)
            adb("disconnect", phone.serial)
            adb("connect", other.serial)
            with pytest.raises(OtherDevice, match=f"answers now .*: adb:{other.serial}"):
                session.run(inputs)
    finally:
        adb("disconnect", other.serial)
        adb("connect", phone.serial)
        other.close()


def test_the_battery_of_a_phone(phone, tmp_path):
    """Over adb, with a folder in place of the phone's /sys."""
    del phone  # its adb server
    state = {"status": "Discharging", "current_now": -350_000, "voltage_now": 4_000_000}
    (tmp_path / "battery").mkdir()
    for name, value in state.items():
        (tmp_path / "battery" / name).write_text(f"{value}\n")
    shell = tmp_path / "sh"
    here = f"s#/sys/class/power_supply#{tmp_path}#g"
    shell.write_text(f'#!/bin/sh\nexec /bin/sh -c "$(printf %s "$2" | sed \'{here}\')"\n')
    shell.chmod(0o755)
    other = Phone(tmp_path, str(shell))
    subprocess.run(["adb", "connect", other.serial], check=True, capture_output=True, timeout=30)
    try:
        with open_meter("battery", open_device(f"adb:{other.serial}")) as meter:
            assert meter.read().power_w == pytest.approx(1.4)
    finally:
        subprocess.run(["adb", "disconnect", other.serial], check=False, capture_output=True)
        other.close()


# What a phone's shell does instead of obeying; adb's own client stands in between.
TRUE = "case $2 in true) exit 0;; esac; "
LIES = {
    "no shell": "printf '\\033[31mdenied\\033]0;x\\007' >&2; exit 1",
    "says yes to everything": "exit 0",
    "talks for ever": f"{TRUE}while :; do echo aaaaaaaaaaaaaaaaaaaaa; done",
    "colours": f"{TRUE}printf '\\033[31mred' >&2; exit 3",
    "answers with bytes": f"{TRUE}cat /bin/sh",
    "takes no file": "case $2 in *'exec cat'*) exec sleep 20;; esac; exec /bin/sh -c \"$2\"",
    "loses it": "case $2 in *'exec cat'*) exec cat >/dev/null;; esac; exec /bin/sh -c \"$2\"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_phone_that_lies(phone, models, tmp_path, lie):
    shell = tmp_path / "liar"
    shell.write_text(f"#!/bin/sh\n{LIES[lie]}\n")
    shell.chmod(0o755)
    liar = Phone(tmp_path / "data", str(shell))
    subprocess.run(["adb", "connect", liar.serial], check=True, capture_output=True, timeout=30)
    begin = time.monotonic()
    try:
        with pytest.raises(EdgeqError) as caught:
            open_device(f"adb:{liar.serial}").open(models / "kws_int8.tflite", CompileOptions())
        assert time.monotonic() - begin < 15
        assert "\033" not in str(caught.value)
    finally:
        subprocess.run(["adb", "disconnect", liar.serial], check=False, capture_output=True)
        liar.close()
