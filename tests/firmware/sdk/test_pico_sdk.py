"""Projects built with the real Pico SDK, where PICO_SDK_PATH says that there is one."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from edgeq.firmware.building import build_project
from edgeq.firmware.create import create_project
from tests.firmware.boards import need_tools
from tests.firmware.sdk.rp2040_rom import write_rom

SDK = os.environ.get("PICO_SDK_PATH", "")
pytestmark = pytest.mark.skipif(
    not Path(SDK, "pico_sdk_init.cmake").is_file() or not SDK,
    reason="needs the Pico SDK: PICO_SDK_PATH",
)


@pytest.fixture
def project(models, tmp_path):
    need_tools("arm-none-eabi-g++")
    folder = tmp_path / "fw"
    model = models / "sww_int8.tflite"
    create_project([model], folder, target="raspberry-pi-pico", template="pico-sdk", name="sww")
    return folder


def built(folder, *options, without=()):
    """The image and what CMake and the compiler said."""
    environment = {name: value for name, value in os.environ.items() if name not in without}
    said = ""
    for command in (["cmake", "-B", "build", *options], ["cmake", "--build", "build", "-j2"]):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=environment
        )
        said += done.stdout + done.stderr
        assert done.returncode == 0, said
    return folder / "build" / "sww.elf", said


def symbols(elf):
    listed = subprocess.run(
        ["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True
    ).stdout
    return set(re.findall(r" \w (\w+)$", listed, re.MULTILINE))


def test_the_option_alone_builds_it_and_it_passes_over_the_uart(project, tmp_path, monkeypatch):
    options = [f"-DPICO_SDK_PATH={SDK}", "-DEDGEQ_STDIO=uart", "-DPICO_NO_PICOTOOL=1"]
    elf, said = built(project, *options, without=("PICO_SDK_PATH",))
    assert "warning:" not in said
    assert "stdio_usb_connected" not in symbols(elf)
    labwired = pytest.importorskip("labwired", reason="labwired is not installed")
    monkeypatch.setenv("LABWIRED_RP2040_BOOTROM", str(write_rom(tmp_path)))
    with labwired.Sim(elf, chip="rp2040", uart="uart0") as board:
        for _ in range(60):
            board.run_for("20ms")
            heard = board.uart_transcript()
            if "\n" in heard or board.cycles > 300_000_000:
                break
    assert "edgeq sww: self-test PASS" in heard


def test_edgeq_build_makes_the_usb_form_with_its_uf2(project):
    if not Path(SDK, "lib", "tinyusb", "src").is_dir():
        pytest.skip("needs TinyUSB in the Pico SDK (lib/tinyusb)")
    made = build_project(project)
    assert "stdio_usb_connected" in symbols(made.elf)
    assert {image.suffix for image in made.images} >= {".elf", ".hex", ".uf2"}


def test_without_tinyusb_it_is_the_uart(project, tmp_path):
    bare = tmp_path / "sdk"
    bare.mkdir()
    for part in Path(SDK).iterdir():
        if part.name not in ("lib", ".git"):
            (bare / part.name).symlink_to(part)
    (bare / "lib").mkdir()
    elf, said = built(project, f"-DPICO_SDK_PATH={bare}", "-DPICO_NO_PICOTOOL=1")
    assert "without TinyUSB" in said
    assert "stdio_usb_connected" not in symbols(elf)


def test_no_sdk_is_said_in_words(project):
    done = subprocess.run(
        ["cmake", "-B", "build", "-DPICO_SDK_PATH=/nowhere"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode
    assert "'/nowhere'" in done.stderr
