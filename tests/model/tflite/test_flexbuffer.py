"""Custom ops' options: what flatbuffers' own writer makes is read; damaged bytes are survived."""

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgeq.model.tflite.flexbuffer import read_scalars
from edgeq.model.tflite.reader import Malformed

OPTIONS = {
    "T": 7,
    "clamping": True,
    "frame_step": -160,
    "largest": (1 << 63) - 1,
    "nothing": None,
    "prefill": False,
    "threshold": 0.1,
}


def test_all_scalars_of_a_map_are_read():
    assert read_scalars(bytes(flexbuffers.Dumps(OPTIONS))) == OPTIONS


def test_entries_of_other_types_are_left_out():
    data = flexbuffers.Dumps({"list": [1, 2, 3], "map": {"a": 1}, "text": "x", "number": 300})
    assert read_scalars(bytes(data)) == {"number": 300}


def test_indirect_numbers_are_read():
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.IndirectInt("a", -70000)
        builder.IndirectFloat("b", 0.5)
        builder.IndirectUInt("c", 200)
    assert read_scalars(bytes(builder.Finish())) == {"a": -70000, "b": 0.5, "c": 200}


def test_no_bytes_and_an_empty_map_are_no_options():
    assert read_scalars(b"") == read_scalars(bytes(flexbuffers.Dumps({}))) == {}


@pytest.mark.parametrize("value", [1, "text", [1, 2]])
def test_what_is_no_map_is_refused(value):
    with pytest.raises(Malformed, match="no map"):
        read_scalars(bytes(flexbuffers.Dumps(value)))


def test_damaged_options_end_in_an_error_or_in_scalars():
    rng = np.random.default_rng(0)
    original = np.frombuffer(bytes(flexbuffers.Dumps(OPTIONS)), np.uint8)
    refused = 0
    for _ in range(20_000):
        data = original[: rng.integers(0, len(original) + 1)].copy()
        for _ in range(int(rng.integers(0, 4)) if len(data) else 0):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            values = read_scalars(data.tobytes())
        except Malformed:
            refused += 1
        else:
            assert all(v is None or isinstance(v, int | float) for v in values.values())
    assert 5_000 < refused < 20_000
