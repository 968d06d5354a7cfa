"""A few random models of every generator give the oracle's bytes; `make fuzz` runs many more."""

import pytest

from tests.oracle.check import assert_same
from tests.oracle.fuzz import generators, random_cases

ALL = generators()


@pytest.mark.parametrize("name", ALL)
def test_random_models_give_the_oracles_bytes(name):
    assert_same(random_cases(ALL[name], 8, seed=1))
