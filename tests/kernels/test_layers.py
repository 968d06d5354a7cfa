"""Forms that a core has for itself: programs of random layers, against TensorFlow Lite Micro."""

from collections import Counter

import pytest

from tests.kernels.layers import FORMS, differences, random_layers
from tests.oracle.fuzz import SIZE

PAIRS = [(address, name, form) for address, forms in FORMS.items() for name, form in forms.items()]


@pytest.mark.slow
@pytest.mark.parametrize(("address", "name", "form"), PAIRS, ids=[f"{a} {n}" for a, n, _ in PAIRS])
def test_random_layers_give_tflms_bytes(address, name, form):
    counts = Counter()
    (cases,) = random_layers(name, 24, seed=1, size=3 * SIZE)
    assert not list(differences(address, cases, counts))
    assert counts[form] >= 4, counts
