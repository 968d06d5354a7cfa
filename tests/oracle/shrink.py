"""Finds the smallest failing case of a random generator."""

from collections.abc import Callable

import numpy as np

from edgeq.model.model_file import parse_graph
from tests.oracle.check import Case, Result, check

# Makes a case from a random generator; `size` bounds every extent of its shapes.
Generator = Callable[[np.random.Generator, int], Case]

_TRIES = 48


def smallest(make: Generator, verdict: str, largest: int) -> Result | None:
    """The failing case with the fewest elements among many small ones.

    Args:
        make: The generator that gave the failing case.
        verdict: What came of it: "differs", "crash", ...
        largest: The size it was made with.
    """
    for size in range(1, largest + 1):
        cases = [make(np.random.default_rng((seed, size)), size) for seed in range(_TRIES)]
        failing = [result for result in check(cases) if result.verdict == verdict]
        if failing:
            return min(failing, key=lambda result: elements(result.case))
    return None


def elements(case: Case) -> int:
    """Number of elements of all tensors of a case's model."""
    return sum(tensor.elements for tensor in parse_graph(case.model).main.tensors)
