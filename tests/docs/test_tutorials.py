"""Every file, command and line of output in the tutorials is real."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.devices.ssh import openssh
from tests.docs import tutorial
from tests.tools import need

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "tutorials"


@pytest.fixture
def environment():
    """The shell of a reader who has installed edgeq: this Python and this edgeq come first."""
    tools = Path(sys.executable).parent
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def test_the_reader_notices_what_differs():
    assert tutorial.alike("flash: 9,144 bytes", "flash:  9,200 bytes")
    assert not tutorial.alike("flash: 9,144 bytes", "flash: 12,000 bytes")
    assert not tutorial.alike("proof: passed", "proof: failed")
    assert tutorial.alike("accuracy 0.94 ...", "accuracy 0.9412 on c")
    assert tutorial.first_difference(["a", "...", "c"], ["a", "b", "c"]) is None
    assert tutorial.first_difference(["a", "c"], ["a", "b", "c"]) == "c"
    assert tutorial.first_difference(["...", "d"], ["a", "b", "c"]) == "d"


@pytest.mark.slow
def test_a_microcontroller(tmp_path, environment):
    for program in ("arm-none-eabi-gcc", "cmake", "qemu-system-arm"):
        need(shutil.which(program), program)
    tutorial.run(PAGES / "microcontroller.md", tmp_path, environment)


@pytest.mark.slow
def test_from_a_microphone_to_a_decision(tmp_path, environment):
    for program in ("arm-none-eabi-gcc", "cmake", "qemu-system-arm"):
        need(shutil.which(program), program)
    tutorial.run(PAGES / "sensor-to-decision.md", tmp_path, environment)


@pytest.mark.slow
def test_a_phone(tmp_path, environment):
    """All of it but the last step, which wants a phone."""
    need(find_spec("ziglang"), "ziglang")
    tutorial.run(PAGES / "phone.md", tmp_path, environment)


@pytest.mark.slow
def test_a_raspberry_pi(tmp_path, tmp_path_factory, environment):
    """An sshd on this machine is the `pi` of the reader's ssh_config."""
    server = openssh.start(tmp_path_factory.mktemp("pi"))
    home = tmp_path_factory.mktemp("reader")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "config").write_text(
        server.config.read_text().replace("Host device", "Host pi")
    )
    try:
        own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        tutorial.run(PAGES / "raspberry-pi.md", tmp_path, environment | own)
    finally:
        server.stop()


@pytest.mark.slow
def test_somebody_elses_model(tmp_path, models, environment):
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    shutil.copy(models / "kws_int8.tflite", tmp_path)
    tutorial.run(PAGES / "someone-elses-model.md", tmp_path, environment)
