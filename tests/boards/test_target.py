"""Target files: all of them pass the schema; bad ones and unknown names are refused helpfully."""

import shutil
from pathlib import Path

import pytest

from edgeq.boards.cpu import CPUS
from edgeq.boards.target import all_targets, load_target
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.resources import resource_dir
from tests.tools import need

FILES = sorted(resource_dir("targets").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_target_is_correct(file):
    target = load_target(file.stem)
    assert target.name == file.stem
    if target.kind == "board":
        assert target.flash_tools
        assert target.templates
    if target.kind == "host":
        assert target.toolchain == "host"
    if target.uart:
        driver = resource_dir("firmware_templates") / "bare-metal" / "uart"
        assert (driver / f"{target.uart.driver}.c").is_file()
        # What the divider makes of the clock is within what a receiver accepts.
        assert target.uart.clock_hz // target.uart.baud >= 8
    if target.boot:
        boot = resource_dir("firmware_templates") / "bare-metal" / "boot"
        assert (boot / f"{target.boot}.c").is_file()


BARE_METAL = [target for target in all_targets() if "bare-metal" in target.templates]
# What the makers' own start-up code (CMSIS device packs) takes for the clock after reset.
AFTER_RESET = {
    "stm32f1": 8e6, "stm32f4": 16e6, "stm32f7": 16e6, "stm32g0": 16e6, "stm32g4": 16e6,
    "stm32h5": 32e6, "stm32h7": 64e6, "stm32l0": 2.097e6, "stm32l4": 4e6, "stm32l5": 4e6,
    "stm32u5": 4e6, "stm32wb": 4e6,
}  # fmt: skip


@pytest.mark.parametrize("target", BARE_METAL, ids=lambda target: target.name)
def test_the_clock_that_a_project_runs_at_is_stated_with_its_source(target):
    assert target.running_clock_hz == target.uart.core_clock_hz <= target.clock_hz
    assert target.clock_note == "the clock that the bare-metal project runs at"
    why = target.sources["clock"]
    if target.running_clock_hz == target.clock_hz:
        assert "only" in why
    else:
        assert "after reset" in why or "set-up" in why
    chip = target.flash_tools.get("pyocd", target.flash_tools.get("probe-rs", "")).lower()
    if chip.startswith("stm32"):
        known = AFTER_RESET[chip[:7]]
        # PLLs and multiplexers of clocks are left alone, so it is the clock after reset.
        assert target.running_clock_hz == known


# Where ESP-IDF's linker scripts let static data lie, and what its example takes of that.
ESP_IDF = {
    "esp32-devkitc": (0x2C200, 10_608),
    "esp32-s3-devkitc-1": (0x53700, 53_743),
    "esp32-c3-devkitm-1": (0x4E710, 53_743),
    "esp32-c6-devkitc-1": (0x6E610, 53_743),
    "esp32-p4-function-ev": (0x60000, 53_743),
}


@pytest.mark.parametrize(("name", "known"), ESP_IDF.items())
def test_an_arena_lies_where_esp_idf_links_static_data(name, known):
    """320 KB of the ESP32 were said to hold an arena, of which the linker gives 176 KB."""
    target = load_target(name)
    assert (target.largest_ram_bytes, target.system.ram_bytes) == known


def test_there_are_enough_of_them():
    kinds = [target.kind for target in all_targets()]
    assert kinds.count("board") >= 40
    assert kinds.count("host") >= 12


def test_the_emulated_boards_of_the_design_are_there():
    for name, cpu in {
        "qemu-microbit": "cortex-m0",
        "qemu-mps2-an385": "cortex-m3",
        "qemu-mps2-an386": "cortex-m4",
        "qemu-mps2-an500": "cortex-m7",
        "qemu-mps2-an505": "cortex-m33",
        "qemu-mps3-an547": "cortex-m55",
        "qemu-riscv32-virt": "rv32imac",
    }.items():
        assert load_target(name).cpu == cpu


@pytest.mark.parametrize("name", CPUS)
def test_a_cpu_is_a_target(name):
    target = load_target(name)
    assert (target.kind, target.cpu) == ("cpu", name)


def test_near_names_are_suggested():
    with pytest.raises(UsageError) as caught:
        load_target("nucleo-f466re")
    assert "nucleo-f446re" in caught.value.hint


def test_a_users_own_file(tmp_path):
    file = tmp_path / "mine.toml"
    text = (resource_dir("targets") / "nucleo-f446re.toml").read_text()
    file.write_text(text.replace('"nucleo-f446re"', '"mine"').replace("131_072", "65_536"))
    target = load_target(file)
    assert target.name == "mine"
    assert target.ram_bytes == 65_536


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('core = "cortex-m4"', 'core = "cortex-m5"', "'cpu.core' is 'cortex-m5'"),
        ("size = 131_072", "size = -1", "'memory.size' is -1"),
        ("origin = 0x20000000", "origin = 0x08000010", "overlap"),
        ('kind = "ram"', 'kind = "flash"', "no [[memory]] of kind 'ram'"),
        ("clock_hz = 180_000_000", "clock_hz = 0", "'cpu.clock_hz' is 0"),
        ('name = "RAM"', 'name = "SECTIONS"', "no word of the linker's own language"),
        ("clock_hz = 180_000_000", "clock = 1", "There is no key 'cpu.clock'"),
        ("[sources]", "[source]", "The table [sources] is missing"),
        ('name = "nucleo-f446re"', 'name = "Nucleo!"', "lower-case words"),
        ("[cpu]", "[cpu", "no TOML"),
        ("write = 0x40023830, set = 0x1", "write = 3, set = 1", "multiple of the width's bytes"),
        (
            "write = 0x40023830, set = 0x1",
            "write = 0x40023831, set = 1, width = 16",
            "multiple of the width's bytes",
        ),
        (
            "write = 0x40023830, set = 0x1",
            "write = 0x40023831, set = 0x100, width = 8",
            "bits within the width",
        ),
        ("base = 0x40004400", "base = 0x40004401", "a multiple of 4"),
        ("origin = 0x20000000", "origin = 0x20000001", "a multiple of 4"),
        ("flash_bytes = 6_144", "flash_bytes = 99_999_999_999", "less than the board's 524288"),
        ("ram_bytes = 3_072", "ram_bytes = 131_072", "less than the board's 131072"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, before, after, said):
    text = (resource_dir("targets") / "nucleo-f446re.toml").read_text()
    assert before in text
    file = tmp_path / "bad.toml"
    file.write_text(text.replace(before, after))
    with pytest.raises(EdgeqError) as caught:
        load_target(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cpu = 3", "'cpu' is a whole number, and must be a table, [cpu]"),
        ("[[uart]]", "'uart' is a list, and must be a table, [uart]"),
        ("sources = 'a book'", "'sources' is a text, and must be a table, [sources]"),
        ("[memory]", "'memory' is a table, and must be a list of tables, [[memory]]"),
        ("title.long = 'x'", "'title' is {'long': 'x'}, and must be a text"),
        ("[other]", "There is no table [other]"),
        ("other = 3", "There is no key 'other'"),
    ],
)
def test_what_is_no_table_is_said_once(tmp_path, line, said):
    file = tmp_path / "bad.toml"
    file.write_text(line)
    with pytest.raises(EdgeqError) as caught:
        load_target(file)
    name = said.split("'")[1] if "'" in said else "other"
    about = [each for each in str(caught.value).split("\n") if f"'{name}'" in each or said in each]
    assert len(about) == 1 and said in about[0]


def test_all_problems_come_at_once(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('name = "x"\nkind = "thing"\n')
    with pytest.raises(EdgeqError) as caught:
        load_target(file)
    for problem in ("'kind' is 'thing'", "'title' is missing", "[cpu] is missing", "[sources]"):
        assert problem in str(caught.value)


def test_openocd_has_the_scripts_that_the_targets_name():
    need(shutil.which("openocd"), "openocd")
    scripts = Path("/usr/share/openocd/scripts")
    need(scripts.is_dir(), "openocd's scripts")
    for target in all_targets():
        for script in target.flash_tools.get("openocd", "").split():
            assert (scripts / script).is_file(), f"{target.name}: {script}"


def test_json_of_the_command(cli):
    done = cli("targets", "--json")
    assert done.code == 0
    assert len(done.json["targets"]) == len(FILES)
    assert all(entry["sources"] for entry in done.json["targets"])
    assert cli("targets", "no-such-board").code == 2


def test_fits_lists_boards_with_margins(models, cli):
    model = models / "sww_int8.tflite"
    done = cli("targets", "nucleo-f446re", "--fits", model, "--json")
    assert done.code == 0, done.err
    (verdict,) = done.json["targets"]
    assert verdict["fits"]
    assert verdict["latency_ms"] > 0
    assert verdict["flash_margin_bytes"] < 512 * 1024


def test_fits_says_what_is_missing(models, cli):
    done = cli("targets", "nucleo-f103rb", "--fits", models / "vww_int8.tflite", "--json")
    (verdict,) = done.json["targets"]
    assert not verdict["fits"]
    (advice,) = verdict["advice"]
    assert "RAM bytes too few" in advice


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--optimize", "size"), "--optimize"),
        (("--runtime", "tflm"), "--runtime"),
        (("nucleo-f446re", "--kind", "host"), "--kind"),
    ],
)
def test_an_option_of_another_question_is_refused(words, said, cli):
    done = cli("targets", *words)
    assert done.code == 2
    assert said in done.err
