"""Types that TFLM's sources name in a kernel which still has none for them."""

import pytest

from edgeq.analysis.op_table import op_table
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import check, random_case

INDEX = TensorSpec((1,), "int32", data=[1])
TWO = TensorSpec((1,), "int32", data=[2])


def reduction(name):
    source, output = TensorSpec((3, 4), "int16", 0.5), TensorSpec((3,), "int16", 0.5)
    return single_op(name, [source, INDEX], [output])


CASES = {
    ("REDUCE_MAX", "int16"): reduction("REDUCE_MAX"),
    ("REDUCE_MIN", "int16"): reduction("REDUCE_MIN"),
    ("SHAPE", "int64"): single_op(
        "SHAPE", [TensorSpec((5,), "int8")], [TensorSpec((1,), "int64")], {"out_type": 4}
    ),
    ("SLICE", "int64"): single_op(
        "SLICE", [TensorSpec((5,), "int64"), INDEX, TWO], [TensorSpec((2,), "int64")]
    ),
}


@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_the_table_does_not_promise_them(op, dtype):
    (row,) = [row for row in op_table() if row.op == op]
    assert dtype in row.edgeq
    assert dtype not in row.tflm
    (result,) = check([random_case(op, CASES[op, dtype])])
    assert result.verdict == "no oracle"
