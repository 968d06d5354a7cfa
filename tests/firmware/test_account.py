"""What is said of an image before it is built is what the linker makes, byte for byte."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from edgeq.boards.target import load_target
from edgeq.firmware.create import create_project
from edgeq.firmware.layout import arena_region
from edgeq.firmware.model import FirmwareModel
from tests.firmware.boards import compile_project, need_tools
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

# Model, board, what is optimised for, known answers: Arm and RISC-V, one RAM and several.
SAMPLE = [
    ("kws", "nucleo-f446re", "balanced", True),
    ("kws", "nucleo-f446re", "balanced", False),
    ("sww", "nucleo-h743zi2", "size", True),
    ("sww", "corstone-300", "balanced", False),
    ("sww", "longan-nano", "ram", True),
    ("ad01", "raspberry-pi-pico", "size", False),
]


def built_sizes(elf, *, riscv: bool) -> tuple[int, int]:
    """Flash and RAM of an image without its stack, as GNU size counts them."""
    program = "riscv64-unknown-elf-size" if riscv else "arm-none-eabi-size"
    need(shutil.which(program), program)
    out = subprocess.run([program, elf], capture_output=True, text=True, check=True).stdout
    text, data, zeroed = (int(word) for word in out.splitlines()[1].split()[:3])
    return text + data, data + zeroed


@pytest.mark.parametrize(("model", "board", "optimize", "golden"), SAMPLE)
def test_inspect_says_what_is_linked(model, board, optimize, golden, cli, models, tmp_path):
    target = load_target(board)
    riscv = target.toolchain == "riscv"
    need_tools("riscv64-unknown-elf-gcc" if riscv else "arm-none-eabi-gcc")
    file = models / f"{model}_int8.tflite"
    known = "--golden" if golden else "--no-golden"
    options = ["-t", board, "--optimize", optimize, known, "--json"]
    said = cli("inspect", file, *options)
    assert said.code == 0, said.err
    image = said.json["fit"]["image"]
    made = cli("compile", file, "-o", tmp_path / "p", "--project", "bare-metal", *options)
    assert made.code == 0, made.err
    compile_project(tmp_path / "p")  # CMake and its generator, without a word from us
    elf = next((tmp_path / "p" / "build").glob("*.elf"))
    flash, ram = built_sizes(elf, riscv=riscv)
    assert image["golden"] == golden
    assert (image["flash_bytes"], image["static_ram_bytes"]) == (flash, ram)
    # By part: the sums are the whole, and nothing but gaps is left over.
    assert sum(part["flash_bytes"] for part in image["parts"]) == flash
    assert sum(part["ram_bytes"] for part in image["parts"]) == ram
    gaps = next(part for part in image["parts"] if part["owner"] == "alignment")
    assert 0 <= gaps["flash_bytes"] < 128
    assert any(part["owner"] == "golden" for part in image["parts"]) == golden
    # Compile and build say the same, by part.
    assert made.json["account"]["parts"] == image["parts"]
    done = cli("build", tmp_path / "p", "--json")
    assert done.code == 0, done.err
    account = done.json["account"]
    for key in ("parts", "regions", "flash_bytes", "ram_bytes", "stack_bytes", "compiler"):
        assert account[key] == image[key], key
    assert done.json["map"].endswith(".map")
    words = cli("build", tmp_path / "p").out
    assert account["compiler"] in words
    assert f"{flash:,} bytes flash" in words
    assert done.json["map"] in words


def test_a_board_that_is_too_small_is_said_to_be_by_every_command(cli, models, tmp_path):
    """The verdict holds for the image: the model's program alone would fit this board."""
    model, text = models / "vww_int8.tflite", load_target("nucleo-g071rb").file.read_text()
    small = tmp_path / "small.toml"
    # Enough for the model's program and none for known answers of 27,648 bytes of input.
    small.write_text(
        text.replace('name = "nucleo-g071rb"', 'name = "small"')
        .replace("size = 131_072", "size = 118_500")
        .replace("size = 36_864", "size = 65_536")
    )
    found = cli("inspect", model, "-t", small, "--json").json["fit"]
    missing = -found["flash_margin_bytes"]
    assert found["memory_bytes"]["flash_total"] < 118_500 < found["image"]["flash_bytes"]
    assert not found["fits"]
    assert 0 < missing < 30_000
    refused = cli("compile", model, "-o", tmp_path / "p", "-t", small, "--project", "bare-metal")
    assert refused.code == 1
    assert f"{missing:,} too few" in refused.err
    assert "--no-golden saves" in refused.err
    rows = cli("targets", small, "--fits", model, "--json").json["targets"]
    assert [(row["fits"], row["flash_margin_bytes"]) for row in rows] == [(False, -missing)]
    alone = cli("inspect", model, "-t", small, "--no-golden", "--json").json["fit"]
    assert alone["fits"]
    smaller = cli(
        "compile", model, "-o", tmp_path / "q", "-t", small, "--project", "bare-metal",
        "--no-golden", "--json",
    )  # fmt: skip
    assert smaller.code == 0, smaller.err
    assert smaller.json["account"]["flash_bytes"] == alone["image"]["flash_bytes"]


def test_the_stack_that_is_kept_holds_the_application_and_a_call(models, tmp_path):
    """Painted in QEMU: what the firmware itself takes of the stack besides the model's call."""
    pytest.importorskip("unicorn")
    import edgeq
    from edgeq.firmware.layout import APPLICATION_STACK_BYTES, STACK_BYTES
    from tests.firmware.boards import build, on_pty

    model = models / "sww_int8.tflite"
    elf = build([model], tmp_path / "p", "qemu-mps2-an386", name="sww")
    with on_pty(elf, "qemu-mps2-an386") as port:
        board = edgeq.profile(model, on=f"serial:{port}").measurement
    alone = edgeq.profile(model, on="sim:qemu-mps2-an386").measurement
    own = board.memory_bytes.stack - alone.memory_bytes.stack
    assert 0 <= own <= APPLICATION_STACK_BYTES
    assert board.memory_bytes.stack <= STACK_BYTES
    assert board.memory_bytes.arena == alone.memory_bytes.arena


def test_several_models_have_one_account(models, tmp_path):
    both = [models / "kws_int8.tflite", models / "ad01_int8.tflite"]
    two = create_project(both, tmp_path / "two", target="nucleo-f446re", template="bare-metal")
    one = create_project(both[:1], tmp_path / "one", target="nucleo-f446re", template="bare-metal")
    # They share one arena, so the second costs flash and hardly any RAM.
    assert two.account.flash_bytes > one.account.flash_bytes + 200_000
    assert two.account.ram_bytes < one.account.ram_bytes + 256


def test_float_ops_link_with_the_mathematical_library(cli, tmp_path):
    """expf and tanhf are in no C library of a bare chip but in libm."""
    need_tools("arm-none-eabi-gcc")
    model = tmp_path / "curve.tflite"
    value = TensorSpec((1, 8), "float32")
    model.write_bytes(single_op("TANH", [value], [replace(value)]))
    options = ["-t", "nucleo-f446re", "--no-golden", "--json"]
    said = cli("inspect", model, *options)
    assert said.json["problems"] == [], said.json["problems"]
    image = said.json["fit"]["image"]
    made = cli("compile", model, "-o", tmp_path / "p", "--project", "bare-metal", *options)
    assert made.code == 0, made.err
    compile_project(tmp_path / "p")
    elf = next((tmp_path / "p" / "build").glob("*.elf"))
    assert (image["flash_bytes"], image["static_ram_bytes"]) == built_sizes(elf, riscv=False)
    libc = next(part for part in image["parts"] if part["owner"] == "libc")
    assert libc["flash_bytes"] > 1000


@pytest.mark.slow
@pytest.mark.parametrize("board", ["nucleo-f446re", "qemu-riscv32-virt"])
def test_a_project_is_made_where_zig_is_the_only_compiler(
    board, models, tmp_path, cli, monkeypatch
):
    """It links no such image; the project does not need one, and its account is left out."""
    pytest.importorskip("ziglang")
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "zig")
    model, folder = models / "ad01_int8.tflite", tmp_path / "fw"
    made = cli("compile", model, "-o", folder, "--project", "bare-metal", "-t", board)
    assert made.code == 0, made.err
    assert (folder / "CMakeLists.txt").is_file()
    assert cli("inspect", model, "-t", board).code == 0
    listed = cli("targets", board, "--fits", model, "--json")
    assert listed.code == 0, listed.err
    assert listed.json["targets"][0]["fits"]


def test_the_arena_leaves_room_for_what_lives_from_call_to_call():
    """State lies in the first RAM: with the arena it may be too much for that, and not alone."""
    target = load_target("nucleo-h743zi2")
    sizes = [region.size_bytes for region in target.regions("ram")]
    model = FirmwareModel("net", "0" * 64, {}, (), (), arena_bytes=100_000, ops=())
    assert arena_region([model], target).name == "RAM"
    small = replace(target, memory=(*target.memory[:1], *reversed(target.memory[1:3])))
    assert arena_region([model], small).name == "DTCM"
    assert sizes[1] < 2048 + 112_500 + 20_000
    assert arena_region([replace(model, state_bytes=20_000)], small).name == "RAM"
