"""Flashing commands: one for every board and tool; what is missing is named."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeq.boards.target import all_targets, load_target
from edgeq.compiler.compilation import generate
from edgeq.errors import UsageError
from edgeq.firmware.create import create_project
from edgeq.firmware.flashing import (
    FLASH_TOOLS,
    _mounted,
    attached_probes,
    choose_tool,
    flash_commands,
    run_flash,
)
from edgeq.firmware.tools import run_tool
from tests.compiler.codegen.test_golden import small_model
from tests.firmware.boards import little_elf
from tests.tools import need

IMAGE = Path("fw/build/kws")


def commands(name, tool, **options):
    return [" ".join(line) for line in flash_commands(load_target(name), tool, IMAGE, **options)]


@pytest.mark.parametrize(
    "target", [t for t in all_targets() if t.flash_tools], ids=lambda t: t.name
)
def test_every_board_has_commands(target):
    for tool in target.flash_tools:
        lines = flash_commands(target, tool, IMAGE, port="/dev/ttyACM0")
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
        (
            "arduino-mega-2560",
            "avrdude",
            "avrdude -p atmega2560 -c wiring -P P -b 115200 -D -U flash:w:fw/build/kws.hex:i",
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


@pytest.mark.parametrize(
    "target", [t for t in all_targets() if t.flash_tools], ids=lambda t: t.name
)
def test_a_probe_is_passed_on_or_refused(target):
    for tool in target.flash_tools:
        try:
            (first, *_) = flash_commands(target, tool, IMAGE, probe="1234")
        except UsageError as error:
            assert f"{tool} takes no --probe" in str(error)
            assert tool in ("uf2", "esptool", "bossac", "avrdude", "teensy-loader")
        else:
            assert any("1234" in word for word in first)


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


# Tools that are missing, fail or hang: small programs of the same name stand in front of PATH.


@pytest.fixture
def built(models, tmp_path, cli):
    """A firmware project that looks as if it had been built, for a board with a debug probe."""
    folder = tmp_path / "fw"
    arguments = ["compile", models / "sww_int8.tflite", "-n", "sww", "-o", folder]
    assert cli(*arguments, "--project", "bare-metal", "-t", "nucleo-f446re").code == 0
    (folder / "build").mkdir()
    (folder / "build" / "sww.elf").write_bytes(little_elf(b"image"))
    return folder


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Puts a program of a given name and shell text into PATH, and nothing else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}")
    monkeypatch.setattr("edgeq.firmware.flashing.attached_probes", list)

    def put(name, text):
        file = programs / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    return put


def test_a_missing_tool_is_named_with_its_install_command(built, tool, cli):
    done = cli("flash", built)
    assert done.code == 1
    assert "openocd" in done.err
    assert "apt install openocd" in done.err


def test_a_tool_that_fails_is_quoted(built, tool, cli):
    tool("openocd", "echo Error: open failed >&2; exit 1")
    done = cli("flash", built)
    assert done.code == 1
    assert "Error: open failed" in done.err


def test_a_tool_that_hangs_is_ended_with_its_children(built, tool, cli, tmp_path, monkeypatch):
    tool("openocd", f"/bin/sleep 600 & echo $! > {tmp_path}/child; wait")
    monkeypatch.setattr("edgeq.firmware.flashing._TIMEOUT_S", 1)
    start = time.monotonic()
    done = cli("flash", built)
    assert time.monotonic() - start < 20
    assert done.code == 1
    assert "did not end within 1 s" in done.err
    assert "unplug the board" in done.err
    child = int((tmp_path / "child").read_text())
    status = Path(f"/proc/{child}/status")
    assert not status.is_file() or "zombie" in status.read_text()


def test_an_installed_tool_is_preferred_and_gets_the_image(built, tool, cli, tmp_path):
    tool("probe-rs", f'echo "$@" >> {tmp_path}/said')
    done = cli("flash", built, "--probe", "0483:374b:A1", "--json")
    assert done.code == 0, done.err
    assert done.json["tool"] == "probe-rs"
    first, second = (tmp_path / "said").read_text().splitlines()
    assert first.startswith("download --chip STM32F446RETx --probe 0483:374b:A1")
    assert first.endswith(f"{built}/build/sww.hex")
    assert second.startswith("reset")


@pytest.fixture
def project(tmp_path):
    """Makes a project of a small model, of one kind and for one board."""

    def make(template, board):
        model = tmp_path / "small.tflite"
        model.write_bytes(small_model())
        create_project([model], tmp_path / "fw", target=board, template=template)
        return tmp_path / "fw"

    return make


def test_the_image_of_zephyr_lies_where_zephyr_puts_it(project, tool, cli, tmp_path):
    tool("pyocd", f'echo "$@" >> {tmp_path}/said')
    folder = project("zephyr", "nrf52840-dk")
    assert "The project is not built" in cli("flash", folder).err
    (folder / "build" / "zephyr").mkdir(parents=True)
    (folder / "build" / "zephyr" / "zephyr.elf").write_bytes(little_elf(b"image"))
    done = cli("flash", folder)
    assert done.code == 0, done.err
    assert f"{folder}/build/zephyr/zephyr.hex" in (tmp_path / "said").read_text()


def test_esptool_flashes_what_esp_idf_has_built(project, tool, cli):
    tool("esptool", "exit 9")
    folder = project("zephyr", "esp32-c3-devkitm-1")
    (folder / "build" / "zephyr").mkdir(parents=True)
    (folder / "build" / "zephyr" / "zephyr.elf").write_bytes(b"image")
    done = cli("flash", folder, "--port", "/dev/nowhere")
    assert done.code == 1
    assert "west flash" in done.err


@pytest.mark.parametrize(
    ("template", "said"), [("arduino", "arduino-cli upload"), ("platformio", "pio run -t upload")]
)
def test_what_a_build_system_keeps_to_itself_it_flashes_itself(template, said, project, cli):
    done = cli("flash", project(template, "arduino-nano-33-ble"), "--port", "/dev/nowhere")
    assert done.code == 2
    assert said in done.err


def test_firmware_without_the_protocol_is_not_asked_what_it_runs(project, tool, cli):
    tool("bossac", "exit 0")
    folder = project("mlperf-tiny", "arduino-zero")
    (folder / "build").mkdir()
    (folder / "build" / "small.elf").write_bytes(little_elf(b"image"))
    done = cli("flash", folder, "--tool", "bossac", "--port", "/dev/nowhere", "--json")
    assert done.code == 0, done.err
    assert done.json["verified"] is None


# What a folder's name may hold: words and commands of Tcl, and of J-Link's scripts.
ODD = ["My Projects", "fw[exec touch $::env(HOME)x57mark]", "a;exec {touch} b", "a\nq", "a:i", "ä"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    ("chosen", "board", "program", "given"),
    [
        ("openocd", "nucleo-f446re", "openocd", "program image.elf verify reset exit"),
        ("avrdude", "arduino-mega-2560", "avrdude", "flash:w:image.hex:i"),
        ("jlink", "ek-ra6m5", "JLinkExe", "-CommandFile flash.jlink"),
    ],
)
def test_the_name_of_a_folder_is_no_program(tmp_path, tool, name, chosen, board, program, given):
    """A tool's own language would read it: the tool is given a copy of a plain name."""
    image = tmp_path / name / "build" / "kws"
    image.parent.mkdir(parents=True)
    image.with_suffix(".elf").write_bytes(b"elf")
    image.with_suffix(".hex").write_bytes(b"hex")
    precious = tmp_path / "precious"
    precious.write_text("mine")
    image.with_suffix(".jlink").symlink_to(precious)  # came with the project
    tool(program, f'echo "$@" > {tmp_path}/said; /bin/cat *.elf *.hex *.jlink >> {tmp_path}/said')
    target = load_target(board)
    run_flash(target, chosen, image, flash_commands(target, chosen, image, port="P"))
    said = (tmp_path / "said").read_text()
    assert given in said.splitlines()[0]
    assert name not in said
    assert said.endswith("elfhexloadfile image.hex\nr\ng\nexit\n")
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("probe", ["7; exec x", "[exec x]", "a b", "$x", "a\nb"])
def test_a_probe_is_a_serial_number(probe):
    with pytest.raises(UsageError, match="no serial number"):
        commands("nucleo-f446re", "openocd", probe=probe)


def test_several_probes_need_a_serial_number(built, tool, cli, monkeypatch):
    tool("openocd", "exit 0")
    monkeypatch.setattr("edgeq.firmware.flashing.attached_probes", lambda: ["0669FF", "0670AA"])
    done = cli("flash", built)
    assert done.code == 2
    assert "0669FF, 0670AA" in done.err
    assert "--probe" in done.err
    done = cli("flash", built, "--probe", "0670AA", "--json")
    assert done.code == 0, done.err
    assert "adapter serial 0670AA" in done.json["commands"][0]


def test_the_probes_are_those_that_pyocd_sees(monkeypatch):
    helpers = pytest.importorskip("pyocd.core.helpers")
    two = [SimpleNamespace(unique_id="B"), SimpleNamespace(unique_id="A")]
    monkeypatch.setattr(
        helpers.ConnectHelper, "get_all_connected_probes", staticmethod(lambda blocking: two)
    )
    assert attached_probes() == ["A", "B"]


# The tools themselves, as far as they go without a board.


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """A current folder with what pyOCD, esptool and OpenOCD read there, and a mark they leave."""
    folder, mark = tmp_path / "unpacked", tmp_path / "mark"
    folder.mkdir()
    call = f"open({str(mark)!r}, 'a').write('ran ')"
    (folder / "pyocd_user.py").write_text(call)
    (folder / "pyocd.yaml").write_text(
        "logging: {version: 1, handlers: {h: {'()': subprocess.call, args: "
        f"[touch, {str(mark)!r}]}}}}}}\n"
    )
    (folder / "esptool.cfg").write_text("[esptool]\nconnect_attempts = 77\n")
    (folder / "interface").mkdir()
    (folder / "interface" / "stlink.cfg").write_text(f"exec touch {mark}\n")
    monkeypatch.chdir(folder)
    return mark


@pytest.mark.slow
def test_a_flashing_tool_runs_nothing_of_the_current_folder(models, strangers, cli, monkeypatch):
    pytest.importorskip("pyocd")
    options = ("--project", "bare-metal", "-t", "nrf52840-dk", "--no-golden")
    assert cli("compile", models / "ad01_int8.tflite", "-n", "ad", "-o", "fw", *options).code == 0
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    Path("fw/build").mkdir()
    Path("fw/build/ad.elf").write_bytes(little_elf(b"image"))
    Path("fw/build/ad.hex").write_text(":00000001FF\n")
    # Nothing listens there; pyOCD has read its settings by then.
    words = ("flash", "fw", "--tool", "pyocd", "--probe", "remote:127.0.0.1:1")
    done = cli(*words)
    assert "Connection refused" in done.err
    assert not strangers.exists()
    assert f" {Path('fw').absolute()}/build/ad.hex" in cli(*words, "--dry-run").out
    subprocess.run(
        ["pyocd", "flash", "-t", "nrf52840", "--uid", "remote:127.0.0.1:1", "fw/build/ad.hex"],
        check=False, capture_output=True,
    )  # fmt: skip
    assert strangers.exists()  # which is what it does here by itself


def test_looking_for_probes_takes_no_settings_of_the_current_folder(strangers):
    pytest.importorskip("pyocd")
    here = Path.cwd()
    attached_probes()
    assert Path.cwd() == here
    assert not strangers.exists()


@pytest.mark.parametrize("name", ["openocd", "esptool"])
def test_tools_run_in_an_empty_folder(built, tool, cli, strangers, name):
    tool(name, "[ -e interface/stlink.cfg ] || [ -e esptool.cfg ] && exit 9; exit 0")
    assert run_tool([name], 60).code == 0


def test_esptool_takes_the_chips_that_the_targets_name():
    esptool = pytest.importorskip("esptool")
    for target in all_targets():
        chip = target.flash_tools.get("esptool")
        if chip:
            assert chip in esptool.CHIP_LIST


@pytest.fixture
def esp_image(models, tmp_path):
    """A model in an application image for the ESP32-C3, made by esptool's elf2image.

    The code lies where the chip maps its flash for code, data where the target file says.
    """
    pytest.importorskip("esptool")
    need(shutil.which("riscv64-unknown-elf-gcc"), "riscv64-unknown-elf-gcc")
    target = load_target("esp32-c3-devkitm-1")
    sources = generate(models / "sww_int8.tflite", name="sww", target=target)
    for name, text in sources.files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(
        '#include "sww.h"\nint main(void)\n{\n    sww_invoke();\n    return 0;\n}\n'
    )
    flash, ram = target.regions("flash")[0], target.regions("ram")[0]
    (tmp_path / "esp.ld").write_text(
        "ENTRY(main)\nSECTIONS {\n"
        f".rodata {flash.origin + 0x20:#x} : {{ LONG(0xABCD5432) . = . + 252; *(.rodata*) "
        "*(.srodata*) }\n"
        f".data {ram.origin:#x} : {{ *(.data*) *(.sdata*) }}\n"
        ".bss (NOLOAD) : { *(.bss*) *(.sbss*) *(COMMON) }\n"
        ".text 0x42080020 : { *(.text*) }\n}\n"
    )
    elf = tmp_path / "app.elf"
    command = ["riscv64-unknown-elf-gcc", *target.gcc_flags, "--specs=picolibc.specs", "-O2"]
    command += ["-nostartfiles", f"-T{tmp_path}/esp.ld", "-I", str(tmp_path), "-o", str(elf)]
    subprocess.run([*command, *map(str, tmp_path.glob("*.c"))], check=True)
    esptool("elf2image", "-o", tmp_path / "app.bin", elf)
    return tmp_path / "app.bin"


def esptool(*arguments):
    command = [sys.executable, "-m", "esptool", "--chip", "esp32c3", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_esptool_makes_an_application_image_of_a_model(esp_image):
    said = esptool("image-info", esp_image)
    assert "Checksum" in said
    assert "(valid)" in said
    assert "invalid" not in said
    assert "IROM" in said
    assert "DROM" in said


def test_esptool_merges_images_at_their_offsets(esp_image, tmp_path):
    (tmp_path / "boot.bin").write_bytes(esp_image.read_bytes()[:4096])
    merged = tmp_path / "merged.bin"
    esptool("merge-bin", "-o", merged, "0x0", tmp_path / "boot.bin", "0x10000", esp_image)
    data, app = merged.read_bytes(), esp_image.read_bytes()
    assert data[0x10000 : 0x10000 + len(app)] == app
    assert set(data[4096:0x10000]) == {0xFF}


def test_esptool_accepts_our_command_from_any_folder(esp_image, tmp_path):
    """Its arguments are checked before it looks for a chip, which does not answer here."""
    build = tmp_path / "fw" / "build"
    build.mkdir(parents=True)
    shutil.copy(esp_image, build / "sww.bin")
    # As ESP-IDF 5 writes it.
    (build / "flash_args").write_text("--flash_mode dio --flash_size 2MB\n0x10000 sww.bin\n")
    master, slave = os.openpty()
    (command,) = flash_commands(
        load_target("esp32-c3-devkitm-1"), "esptool", build / "sww", port=os.ttyname(slave)
    )
    command = [sys.executable, "-m", *command[:1], "--connect-attempts", "1", *command[1:]]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120)
    os.close(master)
    os.close(slave)
    assert "Failed to connect to ESP32-C3" in done.stdout + done.stderr
    broken = [part.replace("sww.bin", "gone.bin") for part in command]
    done = subprocess.run(broken, capture_output=True, text=True, cwd="/", timeout=120)
    assert "No such file" in done.stdout + done.stderr


def test_pyocd_knows_the_targets_or_they_come_in_a_pack():
    pytest.importorskip("pyocd")
    from pyocd.target.builtin import BUILTIN_TARGETS

    named = {t.name: t.flash_tools["pyocd"] for t in all_targets() if "pyocd" in t.flash_tools}
    assert {name for name, chip in named.items() if chip in BUILTIN_TARGETS} >= {
        "mimxrt1060-evk",
        "mimxrt1170-evk",
        "nrf52840-dk",
        "nrf54l15-dk",
        "nucleo-f429zi",
        "nucleo-f767zi",
        "nucleo-h743zi2",
        "raspberry-pi-pico",
        "raspberry-pi-pico-2",
    }
    # ST's packs name chips by their part number in lower case.
    others = {chip for chip in named.values() if chip not in BUILTIN_TARGETS}
    assert all(re.fullmatch(r"stm32[a-z]\w{2,9}", chip) for chip in others)


def test_an_emulated_board_is_run_not_flashed():
    with pytest.raises(UsageError, match="is not flashed") as caught:
        choose_tool(load_target("qemu-riscv32-virt"))
    assert "qemu-system-riscv32 -M virt -bios none " in caught.value.hint


@pytest.mark.parametrize("name", ["d$x", 'q"q', "%41", "a;b", "a,b", r"a\b"])
def test_a_folder_whose_name_build_systems_read_otherwise(models, tmp_path, cli, name):
    folder = tmp_path / name
    words = ("-o", folder, "--project", "bare-metal", "--target", "nucleo-f446re", "--no-golden")
    assert cli("compile", models / "ad01_int8.tflite", *words).code == 0
    done = cli("build", folder)
    assert (done.code, "which build systems read otherwise" in done.err) == (1, True)


def test_only_a_mounted_disk_is_a_boot_loader(tmp_path, monkeypatch):
    backup = tmp_path / "backup" / "RPI-RP2"
    backup.mkdir(parents=True)
    (backup / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\n")
    assert _mounted("RPI-RP2", [str(tmp_path / "*")]) == ""
    # Without a real disk: the one question to the system that tells it from a folder.
    monkeypatch.setattr("os.path.ismount", lambda path: Path(path) == backup)
    assert _mounted("RPI-RP2", [str(tmp_path), str(tmp_path / "*")]) == str(backup)
    (backup / "INFO_UF2.TXT").unlink()
    assert _mounted("RPI-RP2", [str(tmp_path / "*")]) == ""


@pytest.fixture
def pico(models, tmp_path, cli, monkeypatch):
    """The build folder of a project whose board is flashed as a volume: a folder, here."""
    folder, volume = tmp_path / "pico", tmp_path / "RPI-RP2"
    arguments = ["compile", models / "sww_int8.tflite", "-n", "sww", "-o", folder]
    assert cli(*arguments, "--project", "bare-metal", "-t", "raspberry-pi-pico").code == 0
    (folder / "build").mkdir()
    volume.mkdir()
    monkeypatch.setattr("edgeq.firmware.flashing._mounted", lambda _: str(volume))
    return folder / "build"


def test_what_is_flashed_is_the_image_that_is_there(pico, cli, tool, tmp_path):
    """CMake alone makes a new ELF file, and leaves the UF2 file of the build before."""
    (pico / "sww.elf").write_bytes(little_elf(b"new one"))
    (pico / "sww.uf2").write_bytes(b"of the build before")
    assert cli("flash", pico.parent, "--tool", "uf2").code == 0
    assert (tmp_path / "RPI-RP2" / "sww.uf2").read_bytes()[32:39] == b"new one"
    tool("picotool", f'cp "$4" {tmp_path}/given')
    (pico / "sww.elf").write_bytes(little_elf(b"newest!"))
    os.environ["PATH"] += ":/bin:/usr/bin"
    assert cli("flash", pico.parent, "--tool", "picotool").code == 0
    assert (tmp_path / "given").read_bytes()[32:39] == b"newest!"


def test_an_image_that_cannot_be_copied(pico, cli, monkeypatch):
    (pico / "sww.elf").write_bytes(little_elf(b"image"))

    def unplugged(*_):
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr("shutil.copy", unplugged)
    done = cli("flash", pico.parent, "--tool", "uf2")
    assert done.code == 1
    assert "cannot be copied: No such device" in done.err
    (pico / "sww.elf").write_bytes(b"no image")
    assert "image cannot be read" in cli("flash", pico.parent, "--tool", "uf2").err
    (pico / "sww.elf").rename(pico / "flash_args")
    (pico / "sww.uf2").unlink()
    assert "The project is not built" in cli("flash", pico.parent, "--tool", "uf2").err
