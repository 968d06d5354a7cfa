"""Flashing commands: one for every board and tool; what is missing is named."""

from pathlib import Path

import pytest

from edgeq.errors import UsageError
from edgeq.firmware.flashing import FLASH_TOOLS, choose_tool, flash_commands
from edgeq.target import all_targets, load_target

IMAGE = Path("fw/build/kws")


def commands(name, tool, **options):
    return [" ".join(line) for line in flash_commands(load_target(name), tool, IMAGE, **options)]


@pytest.mark.parametrize(
    "target", [t for t in all_targets() if t.flash_tools], ids=lambda t: t.name
)
def test_every_board_has_commands(target):
    for tool in target.flash_tools:
        lines = flash_commands(target, tool, IMAGE, probe="1234", port="/dev/ttyACM0")
        assert all(line and all(line) for line in lines)
    assert choose_tool(target) in target.flash_tools


@pytest.mark.parametrize(
    ("name", "tool", "first"),
    [
        (
            "nucleo-f446re",
            "openocd",
            "openocd -f board/st_nucleo_f4.cfg -c program fw/build/kws.elf verify reset exit",
        ),
        (
            "nucleo-f446re",
            "stm32cubeprogrammer",
            "STM32_Programmer_CLI -c port=SWD -w fw/build/kws.hex -v -rst",
        ),
        ("nrf52840-dk", "pyocd", "pyocd flash --target nrf52840 fw/build/kws.hex"),
        (
            "arduino-nano-33-ble",
            "bossac",
            "bossac --port=P --offset=0x10000 --erase --write --verify --reset fw/build/kws.bin",
        ),
        (
            "esp32-c3-devkitm-1",
            "esptool",
            "esptool --chip esp32c3 --port P write-flash @fw/build/flash_args",
        ),
        ("raspberry-pi-pico", "picotool", "picotool load -v -x fw/build/kws.uf2"),
        (
            "longan-nano",
            "dfu-util",
            "dfu-util -d 28e9:0189 -a 0 -s 0x08000000:leave -D fw/build/kws.bin",
        ),
        ("teensy-4-1", "teensy-loader", "teensy_loader_cli --mcu=TEENSY41 -w -v fw/build/kws.hex"),
    ],
)
def test_the_commands_are_those_of_the_tools_manuals(name, tool, first):
    port = "P" if FLASH_TOOLS[tool].reaches_by == "port" else ""
    assert commands(name, tool, port=port)[0] == first


def test_a_probe_is_passed_on():
    assert "--uid 77" in commands("nrf52840-dk", "pyocd", probe="77")[0]
    assert "adapter serial 77" in commands("nucleo-f446re", "openocd", probe="77")[0]


def test_a_tool_that_does_not_flash_this_board():
    with pytest.raises(UsageError) as caught:
        choose_tool(load_target("nucleo-f446re"), "esptool")
    assert "openocd" in caught.value.hint


def test_hosts_are_not_flashed():
    with pytest.raises(UsageError):
        choose_tool(load_target("raspberry-pi-5"))


def test_dry_run_prints_and_runs_nothing(models, tmp_path, cli):
    folder = tmp_path / "fw"
    arguments = ["compile", models / "sww_int8.tflite", "-n", "sww", "-o", folder]
    assert cli(*arguments, "--project", "bare-metal", "-t", "nucleo-f446re").code == 0
    done = cli("flash", folder, "--dry-run", "--tool", "probe-rs")
    assert done.code == 0
    assert "probe-rs download --chip STM32F446RETx" in done.out
    assert cli("flash", folder, "--tool", "probe-rs").code == 1  # not built
    assert cli("flash", tmp_path).code == 1  # no project


def test_esptool_takes_the_chips_that_the_targets_name():
    esptool = pytest.importorskip("esptool")
    for target in all_targets():
        chip = target.flash_tools.get("esptool")
        if chip:
            assert chip in esptool.CHIP_LIST


def test_pyocd_knows_its_builtin_targets():
    pytest.importorskip("pyocd")
    from pyocd.target.builtin import BUILTIN_TARGETS

    for name in ("nrf52840-dk", "raspberry-pi-pico", "nucleo-f767zi", "mimxrt1060-evk"):
        assert load_target(name).flash_tools["pyocd"] in BUILTIN_TARGETS
