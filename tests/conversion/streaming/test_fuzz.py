"""A sample of the random nets over time; `make fuzz` runs more."""

import pytest

from tests.conversion.streaming.fuzz import wrong

pytest.importorskip("keras")


@pytest.mark.slow
def test_random_nets_answer_as_their_windows_do():
    found = {number: wrong(number) for number in range(6)}
    assert not {number: words for number, words in found.items() if words}
    assert sum(words == "" for words in found.values()) >= 4
