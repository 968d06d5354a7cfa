"""Damaged files end in one clear error or in sound C; every past find stays fixed."""

from pathlib import Path

import pytest

from edgeq.errors import EdgeqError
from tests.oracle.mutate import hunt, limited, outcome

FINDS = sorted((Path(__file__).parent / "finds").glob("*.tflite"))


@pytest.fixture(autouse=True)
def few_resources():
    """Slow models and large ones end; what the process may use later is as before."""
    with limited():
        yield


@pytest.mark.parametrize("find", FINDS, ids=lambda path: path.stem)
def test_past_finds_are_refused_or_compiled(find, tmp_path):
    assert outcome(find.read_bytes(), tmp_path / "model.tflite") in ("refused", "compiled")


def test_damaged_models_end_in_an_error_or_in_sound_c():
    counts, problems = hunt(1500, seed=11, share=0.02)
    assert not problems
    assert counts["refused"] > counts["compiled"] > 0


def test_an_error_names_the_file(tmp_path):
    file = tmp_path / "damaged.tflite"
    file.write_bytes(b"\x08\x00\x00\x00TFL3\xff\xff\xff\x7f")
    from edgeq.model.model_file import read_graph

    with pytest.raises(EdgeqError) as caught:
        read_graph(file)
    assert "damaged.tflite" in str(caught.value)
