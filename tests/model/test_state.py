"""Which models remember from call to call: after a lost link they cannot go on in the middle."""

import numpy as np
import pytest

from edgeq.model.model_file import parse_graph
from tests.oracle.fuzz import generators

REMEMBER = (
    "SVDF int8", "SVDF int16", "LSTM int8", "LSTM int16", "LSTM float32", "CIRCULAR_BUFFER",
    "SignalDelay", "SignalFramer", "SignalOverlapAdd int16", "SignalStacker",
    "SignalFilterBankSpectralSubtraction",
)  # fmt: skip


@pytest.mark.parametrize("name", [*REMEMBER, "ADD", "CONV_2D int8", "SignalPCAN"])
def test_what_remembers_is_told_from_what_does_not(name):
    case = generators()[name](np.random.default_rng(1), 2)
    assert parse_graph(case.model).keeps_state == (name in REMEMBER)
