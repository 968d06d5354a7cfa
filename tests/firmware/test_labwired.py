"""Images linked for real boards' memory maps boot in the `labwired` emulator and say PASS.

labwired 0.25 has limits that the images are built around: it does not decode SSAT with an
arithmetic shift (so the portable kernels are built in, which QEMU and the other tests do not need),
some of its chips have no floating-point unit or no cycle counter, and it has no boot loaders.
"""

import dataclasses

import pytest

from edgeq.firmware.building import build_project
from edgeq.firmware.create import create_project
from edgeq.target import load_target
from tests.firmware.boards import need_tools
from tests.firmware.boot_stub import add_boot_stub
from tests.tools import need

# Boards that labwired starts at address 0: behind a boot loader, or in a memory that it has there.
STUBBED = ("adafruit-metro-m4", "arduino-zero", "stm32f746g-discovery")
# Boards whose model in labwired has no cycle counter.
UNCOUNTED = ("adafruit-metro-m4", "nrf52840-dk", "stm32f746g-discovery")
BOARDS = (
    "adafruit-metro-m4",
    "arduino-zero",
    "nrf52840-dk",
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
)


@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
def test_the_image_boots_and_passes(name, models, tmp_path, monkeypatch):
    labwired = pytest.importorskip("labwired", reason="labwired is not installed")
    need_tools("arm-none-eabi-gcc")
    target = load_target(name)
    counter = "none" if name in UNCOUNTED else target.cycle_counter
    plain = dataclasses.replace(target, isa=(), cycle_counter=counter)
    monkeypatch.setattr("edgeq.firmware.create.load_target", lambda _: plain)
    monkeypatch.setattr("edgeq.compilation._CORES", {})
    folder = tmp_path / "fw"
    model = models / "sww_int8.tflite"
    create_project([model], folder, target=name, template="bare-metal", name="sww")
    elf = build_project(folder).elf
    need(elf, "an ELF file")
    if name in STUBBED:
        add_boot_stub(elf, tmp_path / "stub.elf")
        elf = tmp_path / "stub.elf"
    chip, _, uart = target.emulators["labwired"].partition(":")
    with labwired.Sim(elf, chip=chip, uart=None if name.startswith("nrf") else uart) as board:
        for _ in range(40):
            board.run_for("20ms")
            said = board.uart_transcript()
            if "\n" in said or board.cycles > 60_000_000:
                break
    assert "edgeq sww: self-test PASS" in said
