"""What the loss of a Keras model says of its first output, wherever it stands."""

import pytest

from edgeq.conversion.sources.keras_loss import outputs_by_loss
from edgeq.metrics.outputs import LOGITS

keras = pytest.importorskip("keras")
OF_LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize("named", [False, True], ids=["by layer", "by key"])
@pytest.mark.parametrize("ending", ["", ".keras", ".h5"])
def test_losses_by_name_are_those_of_their_outputs(tmp_path, named, ending):
    x = keras.Input((4,))
    first, second = (keras.layers.Dense(1, name=name)(x) for name in ("first", "second"))
    outputs = {"one": first, "two": second} if named else [first, second]
    one, two = ("one", "two") if named else ("first", "second")
    model = keras.Model(x, outputs)
    model.compile(loss={two: "mse", one: OF_LOGITS})
    path = tmp_path / f"net{ending}"
    if ending:
        model.save(path)
    found = outputs_by_loss(path if ending else model)
    assert found is not None and found.kind == LOGITS
    model.compile(loss={two: "mse"})
    if ending:
        model.save(path)
    assert outputs_by_loss(path if ending else model) is None
