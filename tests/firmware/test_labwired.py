"""Images for real boards boot in the `labwired` emulator, with the board's memory map, and pass.

The image is the one that `edgeq build` makes: kernels, start-up, counter and serial driver of the
board. Where labwired 0.25 cannot do what a chip does, the exception is named here or in
labwired_image.py, and is no wider than that.
"""

import dataclasses

import pytest

from edgeq.boards.target import load_target
from edgeq.firmware.building import build_project
from edgeq.firmware.create import create_project
from tests.firmware.boards import need_tools
from tests.firmware.labwired_image import labwired_image
from tests.tools import need

BOARDS = (
    "adafruit-metro-m4",
    "arduino-zero",
    "nrf52840-dk",
    "nrf5340-dk",
    "nrf54l15-dk",
    "nucleo-f103rb",
    "nucleo-f401re",
    "nucleo-f411re",
    "nucleo-g071rb",
    "nucleo-g474re",
    "nucleo-h563zi",
    "nucleo-l073rz",
    "nucleo-l476rg",
    "nucleo-u575zi-q",
    "nucleo-wb55rg",
    "raspberry-pi-pico",
    "stm32f4-discovery",
    "stm32f746g-discovery",
    "stm32h735g-dk",
)
# Chips that labwired starts at address 0, and nothing of the image lies there: it is behind a boot
# loader, or labwired has the flash at one of its two addresses only.
BOOTS_AT_0 = ("adafruit-metro-m4", "arduino-zero", "stm32f746g-discovery", "stm32h735g-dk")
# labwired has no Data Watchpoint and Trace unit in Nordic's chips: without the cycle counter.
NO_DWT = ("nrf52840-dk", "nrf5340-dk", "nrf54l15-dk")


@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
def test_the_image_boots_and_passes(name, models, tmp_path, monkeypatch):
    labwired = pytest.importorskip("labwired", reason="labwired is not installed")
    need_tools("arm-none-eabi-gcc")
    target = load_target(name)
    if name in NO_DWT:
        uncounted = dataclasses.replace(target, cycle_counter="none")
        monkeypatch.setattr("edgeq.firmware.create.load_target", lambda _: uncounted)
    folder, image = tmp_path / "fw", tmp_path / "image.elf"
    model = models / "sww_int8.tflite"
    create_project([model], folder, target=name, template="bare-metal", name="sww")
    elf = build_project(folder).elf
    need(elf, "an ELF file")
    replaced = labwired_image(elf, image, boots_at_0=name in BOOTS_AT_0)
    chip, _, uart = target.emulators["labwired"].partition(":")
    # Nordic's port, which writes by DMA, is heard on the chip's only transcript.
    with labwired.Sim(image, chip=chip, uart=None if name.startswith("nrf") else uart) as board:
        for _ in range(60):
            board.run_for("20ms")
            said = board.uart_transcript()
            if "\n" in said or board.cycles > 60_000_000:
                break
    assert "edgeq sww: self-test PASS" in said
    # The kernels are those of the core: only those with DSP instructions need many replacements.
    assert (replaced > 100) == ("dsp" in target.isa)
    assert replaced == 0 or target.cpu != "cortex-m0plus"
