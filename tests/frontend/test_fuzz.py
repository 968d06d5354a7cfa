"""A few of the random front ends that `make fuzz` tries by the thousand."""

import numpy as np
import pytest

from tests.frontend.fuzz import check, random_description


@pytest.mark.slow
def test_random_front_ends():
    tried = 0
    for number in range(20):
        rng = np.random.default_rng([2026, number])
        description = random_description(rng)
        tried += check(description, rng, emulate=number % 10 == 0)
    assert tried >= 15
