"""One thing where several may be given, wherever the public functions take several."""

from pathlib import Path

import pytest

import edgeq
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.listing import several


def test_a_text_is_one_thing():
    assert several("int8") == ["int8"]
    assert several(Path("m.tflite")) == [Path("m.tflite")]
    assert several({"edgeq": "0"}) == [{"edgeq": "0"}]
    assert several(name for name in ("a", "b")) == ["a", "b"]
    assert several(()) == []


def test_public_functions_take_one_for_several(tmp_path, models):
    """The letters of a path were taken for models, those of a scheme for schemes."""
    model = models / "ad01_int8.tflite"
    for one in (model, str(model)):
        target = edgeq.load_target("portable")
        made = edgeq.create_project(
            one, tmp_path / "made", target=target, template="linux", golden=False, force=True
        )
        assert (made.folder / "edgeq-project.json").is_file()
    profile = edgeq.profile(model, on="c", profile_options=edgeq.ProfileOptions(runs=1)).to_json()
    assert edgeq.write_report(profile, tmp_path / "r.html", try_it=False).is_file()
    assert [take.delegate for take in edgeq.delegates(model, names="xnnpack")] == ["xnnpack"]
    with pytest.raises(UsageError, match="no scheme 'int3'"):
        edgeq.compare_schemes("m.keras", data="d", eval_data="d", schemes="int3")
    with pytest.raises(EdgeqError, match="no device 'nowhere'"):
        edgeq.compare_schemes("m.keras", data="d", eval_data="d", schemes="int8", on="nowhere")


def test_a_target_that_is_loaded_is_one():
    board = edgeq.load_target("nucleo-f446re")
    assert edgeq.load_target(board) is board
