"""A few of the random front ends that `make fuzz` tries by the thousand."""

import numpy as np
import pytest

from tests.frontend.fuzz import check, random_description
from tests.frontend.fuzz_sensors import KINDS


@pytest.mark.slow
def test_random_front_ends():
    tried = 0
    for number in range(20):
        rng = np.random.default_rng([2026, number])
        description = random_description(rng)
        tried += check(description, rng, emulate=number % 10 == 0)
    assert tried >= 15


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("motion", 8), ("image", 6)])
def test_random_front_ends_of_sensors(kind, count):
    pytest.importorskip("scipy" if kind == "motion" else "tensorflow")
    make, judge = KINDS[kind]
    tried = 0
    for number in range(count):
        rng = np.random.default_rng([2026, number])
        tried += judge(make(rng), rng, emulate=number % 4 == 0)
    assert tried >= count - 2
