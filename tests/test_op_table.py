"""The op table comes from the code, holds nothing that TFLM has and edgeq lacks, and is in docs."""

from pathlib import Path

import pytest

from edgeq.op_table import markdown, op_table
from edgeq.ops import OPS

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("row", op_table(), ids=lambda row: row.op)
def test_every_op_and_type_of_tflm_is_compiled(row):
    assert row.compiled
    if row.op in OPS:
        assert set(row.tflm or ()) <= set(row.edgeq)


def test_the_documentation_shows_the_table():
    shown = (ROOT / "docs" / "ops.md").read_text()
    assert markdown(op_table()) in shown, "run `edgeq ops --markdown` for docs/ops.md"


def test_the_command_prints_the_table(cli):
    assert cli("ops", "--markdown").out == markdown(op_table())
    assert {row["op"] for row in cli("ops", "--json").json["ops"]} >= set(OPS)
    assert "CONV_2D" in cli("ops").out
