"""An Arduino project from sketch to output: the AVR core of Arduino, an emulated Mega 2560."""

import re
import select
import subprocess
import time

import pytest

from edgeq.boards.target import load_target
from edgeq.errors import EdgeqError
from edgeq.firmware.create import create_project
from tests.compiler.codegen.test_golden import small_model
from tests.firmware.sdk.arduino_core import build_sketch, need_core

BOARD = load_target("arduino-mega-2560")
RAM_BYTES = 8192


def heard(elf, until, timeout_s=60):
    """What the sketch says on its serial port, up to `until`."""
    process = subprocess.Popen(
        ["simavr", "-m", "atmega2560", "-f", "16000000", str(elf)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, end = "", time.monotonic() + timeout_s
    try:
        while not re.search(until, said) and time.monotonic() < end:
            if select.select([process.stdout], [], [], 0.2)[0]:
                said += process.stdout.read1(4096).decode("latin-1")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return re.sub(r"\x1b\[[0-9;]*m", "", said)


def test_the_sketch_passes_on_a_mega_2560(tmp_path):
    need_core()
    model, library = tmp_path / "small.tflite", tmp_path / "small"
    model.write_bytes(small_model())
    create_project([model], library, target=BOARD.name, template="arduino", name="small")
    fqbn = BOARD.frameworks["arduino"]
    elf = build_sketch(library, fqbn, "atmega2560", tmp_path / "build")
    listed = subprocess.run(["avr-size", "-A", elf], capture_output=True, text=True, check=True)
    sizes = {name: int(size) for name, size in re.findall(r"^\.(\w+)\s+(\d+)", listed.stdout, re.M)}
    static = sizes["data"] + sizes["bss"]
    assert static < RAM_BYTES
    # What the target says that everything but the model takes.
    assert static - 304 - 1036 < BOARD.system.ram_bytes
    assert sizes["text"] < BOARD.system.flash_bytes + 20_000
    assert "edgeq small: self-test PASS" in heard(elf, r"PASS|FAIL")


def test_constants_count_as_ram_there(models, tmp_path):
    """On AVR, loads do not read flash: weights are copied to RAM when the chip starts."""
    try:
        create_project(
            [models / "ad01_int8.tflite"], tmp_path / "fw", target=BOARD.name, template="arduino"
        )
    except EdgeqError as error:
        assert "bytes of RAM" in str(error)
    else:
        raise AssertionError("260 KB of weights do not fit 8 KB of RAM")


def test_a_camera_before_the_net(tmp_path, cli):
    """Pixels of 16 bits, whose upper byte may be above 127: int has 16 bits there, too."""
    need_core()
    model, front_end, library = tmp_path / "net.tflite", tmp_path / "camera.toml", tmp_path / "net"
    model.write_bytes(small_model())
    front_end.write_text(
        'kind = "image"\nformat = "rgb565"\nwidth = 12\nheight = 10\ncrop = [1, 0, 10, 10]\n'
        'out_width = 6\nout_height = 6\nout_channels = 1\nresize = "area"\nstd = 255.0\n'
    )
    done = cli(
        "compile", model, "--frontend", front_end, "--project", "arduino", "-t", BOARD.name,
        "-o", library,
    )  # fmt: skip
    assert done.code == 0, done.err
    elf = build_sketch(library, BOARD.frameworks["arduino"], "atmega2560", tmp_path / "build")
    assert "self-test PASS" in heard(elf, r"PASS|FAIL")


@pytest.mark.parametrize(("width", "fits"), [(34, True), (36, False)])
def test_what_is_said_to_fit_speaks(width, fits, tmp_path, cli):
    """A frame is there three times: kept, replayed, and as the self-test's, all of it in RAM."""
    need_core()
    model, front_end, library = tmp_path / "net.tflite", tmp_path / "camera.toml", tmp_path / "net"
    model.write_bytes(small_model())
    front_end.write_text(
        f'kind = "image"\nformat = "rgb565"\nwidth = {width}\nheight = 26\n'
        'out_width = 6\nout_height = 6\nout_channels = 1\nresize = "area"\nstd = 255.0\n'
    )
    done = cli(
        "compile", model, "--frontend", front_end, "--project", "arduino", "-t", BOARD.name,
        "-o", library,
    )  # fmt: skip
    assert done.code == (0 if fits else 1), done.err
    if fits:
        elf = build_sketch(library, BOARD.frameworks["arduino"], "atmega2560", tmp_path / "build")
        assert "self-test PASS" in heard(elf, r"PASS|FAIL")
    else:
        assert "bytes of RAM, and Arduino Mega 2560" in done.err
