"""The oracle's machinery itself: it tells same, different, refused and crashing cases apart."""

from dataclasses import replace

import numpy as np

from edgeq.compiler.ops import OPS
from tests.oracle.build import TensorSpec, single_op
from tests.oracle.check import assert_same, check, random_case
from tests.oracle.shrink import elements, smallest


def add(rng, size):
    shape = tuple(rng.integers(1, size + 1, 3).tolist())
    a, b, c = (
        TensorSpec(shape, "int8", float(rng.uniform(0.01, 1)), int(rng.integers(-128, 128)))
        for _ in range(3)
    )
    return random_case("ADD", single_op("ADD", [a, b], [c]), seed=int(rng.integers(1000)))


def test_equal_bytes_are_reported_as_same():
    assert_same(add(np.random.default_rng(seed), 4) for seed in range(10))


def test_an_op_without_kernel_is_refused_and_named():
    spec = TensorSpec((2, 3), "int8", 1.0)
    (result,) = check([random_case("x", single_op("NOT_AN_OP", [spec], [spec]))])
    assert result.verdict == "both refuse"
    assert "NOT_AN_OP" in result.detail


def test_an_exception_that_became_a_refusal_is_a_crash(monkeypatch):
    def broken(node):
        return [][len(node.op.inputs)]

    monkeypatch.setitem(OPS, "ADD", replace(OPS["ADD"], lower=broken))
    (result,) = check([add(np.random.default_rng(0), 2)])
    assert result.verdict == "crash"
    assert "IndexError" in result.detail


def test_the_smallest_case_with_a_verdict_is_found():
    result = smallest(add, "same", 3)
    assert result is not None
    assert elements(result.case) == 3
