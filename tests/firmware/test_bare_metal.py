"""Bare-metal projects: built without a warning, laid out inside the chip, self-test in QEMU."""

import dataclasses
import os
import re

import pytest

from edgeq.boards.target import all_targets, load_target
from edgeq.firmware.building import build_project
from tests.firmware.boards import build, say

TEN = [
    "nucleo-f103rb",
    "nucleo-f446re",
    "nucleo-f767zi",
    "nucleo-g071rb",
    "nucleo-h743zi2",
    "nucleo-u575zi-q",
    "nrf52840-dk",
    "raspberry-pi-pico",
    "adafruit-metro-m4",
    "longan-nano",
]


# The seventh, qemu-microbit, has no room for this model.
QEMU = [t.name for t in all_targets() if "qemu" in t.emulators and t.name != "qemu-microbit"]


@pytest.mark.parametrize("target", QEMU)
def test_self_test_passes_in_qemu(target, models, tmp_path):
    elf = build([models / "kws_int8.tflite"], tmp_path / "kws", target, name="kws")
    assert "edgeq kws: self-test PASS, " in say(elf, target, "cycles|FAIL")


def test_cortex_m0_runs_what_fits_its_16_kb(models, tmp_path):
    folder = tmp_path / "a 'b' 100%d é"  # ld takes %d in the name of its map for something else
    elf = build([models / "sww_int8.tflite"], folder, "qemu-microbit", name="sww")
    assert "edgeq sww: self-test PASS, " in say(elf, "qemu-microbit", "cycles|FAIL")


def test_a_damaged_image_names_the_first_op_that_differs(models, tmp_path):
    folder = tmp_path / "kws"
    build([models / "kws_int8.tflite"], folder, "qemu-mps2-an386", name="kws")
    weights = folder / "model" / "kws_weights.c"
    head, name, rest = weights.read_text().partition(" kws_op2_weights[")
    assert name, "the third op's weights are not where this test looks for them"
    rest = re.sub(r"\d+(?=u,)", lambda word: str(int(word[0]) ^ 0x40404040), rest, count=40)
    weights.write_text(head + name + rest)
    build_project(folder)
    said = say(folder / "build" / "kws.elf", "qemu-mps2-an386", "cycles|FAIL at op \\d+")
    assert "FAIL at op 3" in said


def test_two_models_share_one_arena(models, tmp_path):
    both = [models / "kws_int8.tflite", models / "ad01_int8.tflite"]
    elf = build(both, tmp_path / "two", "qemu-mps2-an386", name="two")
    said = say(elf, "qemu-mps2-an386", "ad01_int8: self-test (PASS|FAIL)")
    assert said.count("PASS") == 2
    built = build_project(tmp_path / "two")
    ram = sum(share.ram_bytes for share in built.shares)
    alone = build_project_ram(models / "kws_int8.tflite", tmp_path / "kws")
    assert ram < alone + 256


def build_project_ram(model, folder):
    build([model], folder, "qemu-mps2-an386", name="kws")
    return sum(share.ram_bytes for share in build_project(folder).shares)


@pytest.mark.parametrize("name", TEN)
def test_sections_lie_inside_the_regions(name, models, tmp_path):
    from elftools.elf.elffile import ELFFile

    target = load_target(name)
    elf = build([models / "sww_int8.tflite"], tmp_path / name, name, name="sww")
    regions = [(r.origin, r.origin + r.size_bytes) for r in target.memory]
    with elf.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if section["sh_flags"] & 2 and section["sh_size"]:
                start, end = section["sh_addr"], section["sh_addr"] + section["sh_size"]
                assert any(low <= start and end <= high for low, high in regions), section.name


@pytest.mark.parametrize("name", ["nucleo-f446re", "raspberry-pi-pico", "longan-nano"])
def test_the_application_takes_no_more_than_the_target_file_says(name, models, tmp_path):
    build([models / "sww_int8.tflite"], tmp_path / name, name, name="sww")
    shares = {share.owner: share for share in build_project(tmp_path / name).shares}
    names = ("harness", "start-up", "libc", "application")
    ours = [shares[name] for name in names if name in shares]
    system = load_target(name).system
    assert sum(share.flash_bytes for share in ours) <= system.flash_bytes
    assert sum(share.ram_bytes for share in ours) + 2048 <= system.ram_bytes


def test_the_same_input_gives_the_same_project(models, tmp_path):
    from edgeq.firmware.create import create_project

    texts = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        create_project(
            [models / "kws_int8.tflite"], folder, target="nucleo-f446re", template="bare-metal"
        )
        texts.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")})
    assert texts[0] == texts[1]
    assert not any(str(tmp_path).encode() in data for data in texts[0].values())


def test_a_model_that_does_not_fit_is_refused_with_the_arithmetic(models, tmp_path, cli):
    arguments = ["compile", models / "ad01_int8.tflite", "-o", tmp_path / "x"]
    arguments += ["--project", "bare-metal", "--target", "nucleo-f103rb"]
    done = cli(*arguments)
    assert done.code == 1
    assert "too few" in done.err
    assert "131,072" in done.err
    assert not (tmp_path / "x").exists()
    for budget in (["--ram", "512"], ["--flash", "128K"]):
        asked = cli(*arguments, *budget)
        assert asked.code == 3
        assert "over" in asked.err
    assert cli(*arguments, "--force").code == 0
    built = cli("build", tmp_path / "x")
    assert built.code == 1
    assert "the image does not fit ST NUCLEO-F103RB: FLASH is " in built.err
    assert "bytes too small" in built.err
    assert "collect2" not in built.err


def test_a_target_without_a_serial_port_is_refused(models, tmp_path, cli):
    board = load_target("nucleo-f446re")
    assert dataclasses.replace(board, uart=None).uart is None
    file = tmp_path / "mine.toml"
    text = board.file.read_text()
    head, _, rest = text.partition("[uart]")
    file.write_text(head + rest[rest.index("[flash]") :])
    done = cli(
        "compile",
        models / "sww_int8.tflite",
        "-o",
        tmp_path / "x",
        "--project",
        "bare-metal",
        "--target",
        file,
    )
    assert done.code == 1
    assert "[uart]" in done.err


def test_a_folder_whose_name_is_no_text(models, tmp_path):
    """Of an old archive, say: its bytes are no UTF-8."""
    folder = tmp_path / os.fsdecode(b"f\xff")
    build([models / "ad01_int8.tflite"], folder, "qemu-mps2-an386", name="ad01")
    assert build_project(folder).compiler
