"""Every fault, at every place where it can happen: what the user is told, and what is left.

The table is in faults.py, with the reason for every cell that does not exist.
"""

import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.devices.ssh import faults, openssh
from tests.devices.ssh.faults import FAULTS, UNHARMED
from tests.devices.ssh.proxy import Proxy

pytestmark = pytest.mark.slow
IN_TIME_S = 10.0
IDLE_S = 5.0
LIAR = "liar.py"  # what a hostile device does for itself is its own affair
RUN_S = 3.0
# Seconds after the work began, bytes that then have gone, and in which direction.
PLACES = {"push": (0.0, 1_000_000, "up"), "run": (1.3, 1, "down"), "result": (0.0, 200_000, "down")}


@pytest.fixture
def scene(tmp_path):
    server = openssh.start(tmp_path / "sshd")
    proxy = Proxy(server.port)
    server.write_config(proxy.port, more=faults.QUICK)
    made = faults.Scene(tmp_path, server, proxy)
    yield made
    for cleanup in made.cleanups:
        cleanup()
    proxy.close()
    made.server.stop()


@pytest.mark.parametrize(("name", "place", "agent"), faults.cells())
def test_fault(scene, models, name, place, agent):
    fault = FAULTS[name]
    scene.agent = agent
    fault.prepare(scene, place)
    model = scene.folder / f"{scene.model_name}.tflite"
    shutil.copy(models / ("ad01_int8.tflite" if place == "result" else "kws_int8.tflite"), model)
    wanted = fault.cells[place]
    if wanted == UNHARMED:
        use(scene, fault, place, model)
    else:
        begin = time.monotonic()
        with pytest.raises(EdgeqError) as caught:
            use(scene, fault, place, model)
        assert time.monotonic() - begin < IN_TIME_S
        assert re.search(wanted, str(caught.value)), str(caught.value)
        if kept := re.search(r"kept in (\S+\.json)", str(caught.value)):
            assert '"samples_us": [' in Path(kept[1]).read_text()
    assert scene.server.wait_until_idle(IDLE_S, but=LIAR) == []
    for path in scene.cache.iterdir() if scene.cache.exists() else ():
        if not path.name.endswith((".part", ".whole")):
            assert path.name.startswith(openssh.sha256(path)), path
    for passing in scene.passes:
        passing()
    assert_usable(scene, model)


def use(scene, fault, place, model):
    """The work during which the fault strikes."""
    later_s, count, direction = PLACES[place]

    def arm():
        if fault.strike:
            scene.proxy.at(direction, count, lambda: fault.strike(scene))

    timer = threading.Timer(later_s, arm)
    if place == "push":
        arm()
    with open_device(scene.address).open(model, CompileOptions()) as session:
        if place == "run":
            timer.start()
        elif place == "result":
            arm()
        if place == "result":
            inputs = np.random.default_rng(1).integers(-128, 127, (2000, 1, 640)).astype(np.int8)
            with open_device("local").open(model, CompileOptions()) as here:
                np.testing.assert_array_equal(session.run([inputs])[0], here.run([inputs])[0])
        else:
            found = session.profile(ProfileOptions(seconds=RUN_S, warmup=1, ops=False))
            assert found.latency_us.n >= 5


def assert_usable(scene, model):
    """The next run works, without anybody's cleaning up."""
    scene.proxy.heal()
    with open_device(scene.address).open(model, CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5


def test_the_table_is_complete():
    """Every fault has a word on every place."""
    assert all(set(fault.cells) == set(faults.PLACES) for fault in FAULTS.values())
