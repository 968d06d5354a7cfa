"""Masks that a model makes by itself, (1 - mask) * -1e9 before a softmax, leave room to others."""

import numpy as np
import pytest

import edgeq
from edgeq.analysis.diagnosis.diagnose import diagnose
from edgeq.conversion.calibration.calibrate import calibrate
from edgeq.conversion.float_model import float_model
from edgeq.conversion.quantization.additive_masks import bound_additive_masks
from edgeq.conversion.quantization.softmax_sums import SoftmaxSums
from edgeq.data import open_dataset
from edgeq.errors import LimitError
from edgeq.model.model_file import parse_graph
from tests.conversion import nets

keras = pytest.importorskip("keras")
LOWEST = float(np.finfo(np.float32).min)
STEPS = 6


def samples(count=60, seed=0):
    """Sentences of two to six words: their numbers, and which there are."""
    random = np.random.default_rng(seed)
    mask = np.arange(STEPS) < random.integers(2, STEPS + 1, count)[:, None]
    return {"ids": random.integers(0, 20, (count, STEPS)), "mask": mask.astype(np.float32)}


def attention(masked, first=True):
    """A net whose answers hang on attention, its logits masked by a function."""
    ops, layers = keras.ops, keras.layers

    def dense(units, seed):
        kernel = keras.initializers.RandomNormal(stddev=0.5, seed=seed)
        return layers.Dense(units, kernel_initializer=kernel)

    ids = keras.Input((STEPS,), dtype="int32", name="ids")
    mask = keras.Input((STEPS,), name="mask")
    words = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    embedded = layers.Embedding(20, 8, embeddings_initializer=words)(ids)
    query, key, value = (dense(8, seed)(embedded) for seed in (2, 3, 4))
    logits = ops.matmul(query, ops.transpose(key, (0, 2, 1))) * 0.35
    made = masked(logits, mask[:, None, :], embedded)
    found = ops.matmul(ops.softmax(made), value)
    answer = dense(3, 5)(found[:, 0] if first else ops.mean(found, axis=1))
    return keras.Model({"ids": ids, "mask": mask}, answer)


CAUSAL = np.triu(np.full((STEPS, STEPS), -1e4, np.float32), 1)
MASKS = {
    "1e9": lambda x, m, _: x + (1.0 - m) * -1e9,
    "1e4": lambda x, m, _: x + (1.0 - m) * -1e4,
    "the lowest float": lambda x, m, _: x + (1.0 - m) * LOWEST,
    "subtracted": lambda x, m, _: x - (1.0 - m) * 1e9,
    "minus one": lambda x, m, _: (m - 1.0) * 1e9 + x,
    "of what is subtracted": lambda x, m, _: (1.0 - m) * -1e9 - x,
    "beside a factor": lambda x, m, _: x * 12.0 + (1.0 - m) * -1e9,
    "chosen": lambda x, m, _: x + keras.ops.where(m > 0.5, 0.0, -1e9),
    "beside another": lambda x, m, _: x + (1.0 - m) * -1e9 + CAUSAL,
    "behind another": lambda x, m, _: x + CAUSAL * 1e5 + (1.0 - m) * -1e9,
    "both in one": lambda x, m, _: x + (1.0 - m * (CAUSAL == 0)) * -1e9,
}


def decibels(wanted, found):
    return 10 * np.log10(np.sum(wanted**2) / np.sum((wanted - found) ** 2))


@pytest.mark.parametrize(("scheme", "least"), [("int8", 25), ("int16x8", 35)])
@pytest.mark.parametrize("name", MASKS)
def test_what_is_masked_leaves_room_to_the_rest(name, scheme, least):
    model = attention(MASKS[name], first=not name.endswith(("another", "in one")))
    made = edgeq.convert(model, data=samples(), scheme=scheme)
    assert made.proof is not None and made.quality.verdict == "good"
    unseen = samples(40, seed=1)
    wanted = model.predict(unseen, verbose=0)
    assert decibels(wanted, answers(made.data, unseen)) > least


def answers(data, given):
    """What the integer model says, in reals."""
    graph = parse_graph(data).main
    (found,) = nets.run(data, [given[graph.tensors[index].name] for index in graph.inputs])
    return found[:, 0]


def factors(model, data):
    """The masks' constants, before and after they are bounded."""
    real = float_model(model)
    dataset = open_dataset(data, real.samples)
    ranges = calibrate(real, dataset).ranges
    made = bound_additive_masks(real, dataset, ranges, 256)
    masks = [*SoftmaxSums(real.graph).factors()]
    places = [(mask.op.index, mask.position) for mask in masks]
    return [
        [float(np.abs(g.main.tensors[g.main.ops[op].inputs[at]].data).max()) for op, at in places]
        for g in (real.graph, made.graph)
    ]


def soft(x, m, embedded):
    """How far below is learned: no mask."""
    kernel = keras.initializers.RandomNormal(stddev=0.2, seed=6)
    far = keras.layers.Dense(1, activation="sigmoid", kernel_initializer=kernel)(embedded)
    return x + keras.ops.transpose(far, (0, 2, 1)) * -200.0


@pytest.mark.parametrize(
    "other",
    [
        soft,
        lambda x, m, _: x + (1.0 - m * 0.999999) * -1e9,  # nothing stays 0
        lambda x, m, _: x + keras.ops.transpose(1.0 - m, (0, 2, 1)) * -1e9,  # whole rows
        lambda x, m, _: 3.0 - (x + (1.0 - m) * -1e9),  # above all others
    ],
)
def test_what_is_no_mask_on_the_data_stays(other):
    before, after = factors(attention(other), samples())
    assert before and before == after


@pytest.mark.parametrize(
    "other",
    [
        lambda x, m, _: keras.ops.relu(x + (1.0 - m) * -1e9),
        lambda x, m, _: (x + (1.0 - m) * -1e9) * 0.5,
    ],
)
def test_what_ends_in_no_softmax_is_no_mask(other):
    assert not [*SoftmaxSums(float_model(attention(other)).graph).factors()]


def test_a_product_that_is_an_output_too_is_no_mask():
    ids = keras.Input((4,), name="x")
    far = (1.0 - ids) * -1e9
    model = keras.Model(ids, [keras.ops.softmax(ids + far), far])
    assert not [*SoftmaxSums(float_model(model).graph).factors()]


def test_one_mask_of_several_softmaxes_suits_all():
    def twice(x, m, _):
        far = (1.0 - m) * -1e9
        return keras.ops.softmax(x * 30.0 + far) * 5.0 + far

    before, after = factors(attention(twice), samples())
    one = factors(attention(lambda x, m, _: x * 30.0 + (1.0 - m) * -1e9), samples())[1]
    assert max(before) == np.float32(1e9) and after == pytest.approx(one)


def test_what_cannot_be_told_is_refused_still():
    """A sentence without words takes its weights from what is masked."""
    data = samples()
    data["mask"][:20] = 0
    with pytest.raises(LimitError, match="does not compute what the float model does"):
        edgeq.convert(attention(MASKS["1e9"]), data=data)


def test_a_diagnosis_does_not_blame_the_mask(tmp_path):
    model = attention(MASKS["1e9"])
    edgeq.convert(model, data=samples(), output=tmp_path / "out.tflite")
    model.save(tmp_path / "float.keras")
    found = diagnose(tmp_path / "out.tflite", tmp_path / "float.keras", data=samples())
    assert "multiply" not in found.layers[0].name and found.sqnr_db > 25
