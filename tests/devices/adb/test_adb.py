"""Over the real adb client, to a stand-in for the phone's adbd whose shell is this machine's."""

import os
import shutil
import subprocess

import numpy as np
import pytest

from edgeq.analysis.execution import run
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
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
    assert len(found.ops) == 13


def test_a_phone_that_is_not_there(phone, models):
    with pytest.raises(EdgeqError, match=r"no phone 'R58M'; attached: adb:127.0.0.1:\d+"):
        open_device("adb:R58M").open(models / "kws_int8.tflite", CompileOptions())


def test_any_takes_the_only_one(phone, models):
    with open_device("adb:any").open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
