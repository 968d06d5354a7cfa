"""Forms that a core has for itself: programs of random layers, against TensorFlow Lite Micro."""

import pytest

from tests.kernels.layers import FORMS, differences, random_layers
from tests.oracle.fuzz import SIZE

COUNT = 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "name", "form"), FORMS, ids=[f"{a} {n}, {f}" for a, n, f in FORMS]
)
def test_random_layers_give_tflms_bytes(address, name, form):
    cases = list(random_layers(address, name, form, COUNT, seed=1, size=2 * SIZE))
    differ, compared = differences(address, cases, form)
    assert not differ
    assert compared >= COUNT // 2
