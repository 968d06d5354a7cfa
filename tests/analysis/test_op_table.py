"""The op table comes from the code and holds nothing that TFLM has and edgeq lacks."""

import pytest

from edgeq.analysis.op_table import markdown, op_table
from edgeq.compiler.ops import OPS


@pytest.mark.parametrize("row", op_table(), ids=lambda row: row.op)
def test_every_op_and_type_of_tflm_is_compiled(row):
    assert row.compiled
    if row.op in OPS:
        assert set(row.tflm or ()) <= set(row.edgeq)


def test_the_command_prints_the_table(cli):
    assert cli("ops", "--markdown").out == markdown(op_table())
    assert cli("ops", "--markdown", "--json").code == 2
    assert {row["op"] for row in cli("ops", "--json").json["ops"]} >= set(OPS)
    assert "CONV_2D" in cli("ops").out
