"""The linear model of tests/data/digits.py as files, made once."""

import pytest

from tests.data import digits


@pytest.fixture(scope="session")
def right():
    """What scikit-learn says of the set."""
    found = digits.load().accuracy()
    assert 0.9 < found < 1.0
    return found


def _float_file(path, shape):
    from edgeq.conversion.float_model import float_model

    path.write_bytes(float_model(digits.keras_model(shape)).data)
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The linear model as a float .tflite, without any metadata."""
    return _float_file(tmp_path_factory.mktemp("model") / "digits.tflite", (8, 8, 1))


@pytest.fixture(scope="session")
def wave_model(tmp_path_factory):
    return _float_file(tmp_path_factory.mktemp("model") / "waves.tflite", (64, 1))


@pytest.fixture(scope="session")
def named_model(tmp_path_factory):
    """The float model with the labels "0" to "9" and (pixel - 120) / 120 in its metadata."""
    import edgeq

    folder = tmp_path_factory.mktemp("model")
    data, _ = digits.npz(folder, digits.load())
    names = tuple(str(number) for number in range(10))
    edgeq.convert(
        digits.keras_model(), data=data, output=folder / "named.tflite",
        dataset_options=digits.options(classes=names),
    )  # fmt: skip
    return folder / "named.tflite"
