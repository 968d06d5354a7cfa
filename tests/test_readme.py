"""The README says what is true: its tables are up to date, its commands exist, its C is real."""

import re
import shlex
from pathlib import Path

import pytest

from edgeq.cli.main import COMMANDS, cli
from edgeq.devices.address import parse_address
from scripts import doc_tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
EDGEQ_LINES = [
    line.removeprefix("$ ").split("   #")[0]
    for block in CONSOLE
    for line in block.splitlines()
    if line.startswith("$ edgeq ")
]


@pytest.mark.parametrize("file", doc_tables.TABLES)
def test_the_tables_are_those_that_the_code_gives(file):
    shown = (doc_tables.ROOT / file).read_text()
    assert doc_tables.render(file) == shown, "run scripts/doc_tables.py"


@pytest.mark.parametrize("line", EDGEQ_LINES)
def test_every_command_line_has_a_command_with_these_options(line):
    words = shlex.split(line)[1:]
    assert words[0] in COMMANDS
    command = cli.get_command(None, words[0])
    assert command is not None
    known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)}
    used = {word for word in words[1:] if word.startswith("-")}
    assert used <= known | {"--help"}


def test_the_addresses_of_the_table_are_addresses():
    page = (ROOT / "docs" / "reference" / "addresses.md").read_text()
    table = re.findall(r"^\| `([^`]+)` \| ", page, re.MULTILINE)
    addresses = [a for a in table if a in ("local", "c", "tflm") or ":" in a]
    assert len(addresses) >= 8
    for address in addresses:
        parse_address(address)


def test_every_page_that_is_linked_exists():
    for link in re.findall(r"\]\(([^)#]+)", README):
        assert (ROOT / link).exists(), link


def test_the_c_that_is_shown_is_what_is_generated(models):
    from edgeq.compiler.compilation import generate

    source = generate(models / "kws_int8.tflite", name="kws", target="cortex-m4").files["kws.c"]
    page = (ROOT / "docs" / "generated-c.md").read_text()
    shown = re.search(r"```c\n(    EQ_OP.*?)```", page, re.DOTALL)
    assert shown is not None
    calls = [line.strip() for line in shown[1].splitlines() if line.strip().startswith("kws_")]
    assert calls
    assert all(" ".join(call.split()) in " ".join(source.split()) for call in calls)
