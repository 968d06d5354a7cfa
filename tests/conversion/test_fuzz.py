"""A sample of the random Keras nets that `make fuzz` converts by the hundred."""

import pytest

from tests.conversion.fuzz import SCHEMES, judged
from tests.conversion.random_nets import random_net


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 5, 10])
def test_random_nets_convert_or_say_why_not(first):
    pytest.importorskip("keras")
    wrong = {}
    for number in range(first, first + 5):
        net = random_net(1, number)
        _, found = judged(net, SCHEMES[number % len(SCHEMES)], compiled=number % 5 == 0)
        if found:
            wrong[number] = (net.steps, found)
    assert wrong == {}
