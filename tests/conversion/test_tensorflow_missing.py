"""What is said where TensorFlow is not there, or cannot be loaded."""

import builtins

import pytest

from edgeq.conversion.sources.onnx.contents import import_onnx
from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import MissingDependency


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModuleNotFoundError("No module named 'x'"), "is not installed"),
        (ImportError("x.so: failed to map segment"), "cannot be loaded: x.so: failed to map"),
    ],
)
@pytest.mark.parametrize(
    ("load", "names"), [(import_tensorflow, ("keras", "tensorflow")), (import_onnx, ("onnx",))]
)
def test_a_library_that_cannot_be_loaded_is_not_called_missing(
    monkeypatch, error, said, load, names
):
    real = builtins.__import__

    def failing(name, *rest, **more):
        if name in names:
            raise error
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(MissingDependency, match=said) as caught:
        load()
    assert "pip install 'edgeq[" in caught.value.hint
