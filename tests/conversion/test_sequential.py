"""Four bits a weight: layers rounded one after the other, each for what the one before gives."""

import numpy as np
import pytest

import edgeq
from edgeq.conversion.flatbuffer import indices, unpack
from edgeq.conversion.quantization.few_weights import layers_with_few_weights
from edgeq.conversion.quantization.reconstruction import PairedMoments, rebuild
from edgeq.conversion.quantization.walk import Walk
from edgeq.devices.local import LiteRtOptions
from edgeq.model.model_file import parse_graph
from tests.conversion import nets


def crops(count, size, seed):
    """Random crops of scikit-learn's two sample pictures, 0 to 255."""
    datasets = pytest.importorskip("sklearn.datasets")
    image = pytest.importorskip("PIL.Image")
    random, pictures = np.random.default_rng(seed), datasets.load_sample_images().images
    found = []
    for _ in range(count):
        picture = pictures[random.integers(len(pictures))]
        side = int(random.integers(128, 428))
        y, x = (int(random.integers(length - side + 1)) for length in picture.shape[:2])
        part = image.fromarray(picture[y : y + side, x : x + side])
        found.append(np.asarray(part.resize((size, size))))
    return np.stack(found).astype(np.float32)


def walks(count, seed):
    """Random walks around -20, as spectrograms in decibels are."""
    steps = np.random.default_rng(seed).normal(0, 1, (count, 640))
    return (np.cumsum(steps, 1) * 0.5 - 20).astype(np.float32)


# On samples that nothing was learned from. Over five sets of 256 crops ResNet-8 has 16.9 to 17.6 dB
# and gives the same class for .918 to .932 of 3,000 others (on two CPUs: what a CPU makes of the
# last bits of sums decides many roundings).
@pytest.mark.parametrize(
    ("name", "data", "bar"),
    [
        pytest.param(
            "pretrainedResnet.h5",
            lambda count, seed: crops(count, 32, seed),
            16,
            marks=pytest.mark.slow,
            id="resnet",
        ),
        pytest.param("ad01.h5", walks, 18, id="ad01"),
        pytest.param(
            "vww_96.h5",
            lambda count, seed: crops(count, 96, seed) / 255,
            32,
            marks=pytest.mark.slow,
            id="vww",
        ),
    ],
)
def test_public_models_keep_their_outputs(models, name, data, bar):
    made = edgeq.convert(models / name, data=data(256, 0), scheme="int4")
    x = data(2000 if "Resnet" in name else 200, 1)
    (wanted,), (found,) = nets.run(made.float_model.data, [x]), nets.run(made.data, [x])
    assert 10 * np.log10((wanted**2).sum() / ((wanted - found) ** 2).sum()) > bar
    assert made.quality.verdict == "good"
    if name != "ad01.h5":
        assert (wanted.argmax(-1) == found.argmax(-1)).mean() > 0.9
        # Of 100 samples only: three in a hundred more or less are chance.
        assert made.quality.top1_agreement >= 0.85


@pytest.fixture(scope="module")
def net():
    keras, layers = nets._keras()
    model = keras.Sequential(
        [
            keras.Input((10, 10, 2)),
            layers.Conv2D(12, 3, activation="relu"),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.Conv2D(8, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    return edgeq.convert(model, scheme="float16").float_model


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(2)
    smooth = random.normal(0, 1, (160, 1, 1, 2)) + 0.5 * random.normal(0, 1, (160, 10, 10, 2))
    return smooth.astype(np.float32)


@pytest.fixture
def file(net, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(net.data)
    return path


def loss(made, x):
    (wanted,), (found,) = nets.run(made.float_model.data, [x]), nets.run(made.data, [x])
    return ((wanted - found) ** 2).sum()


def test_it_is_the_default_of_int4_and_far_better_than_nearest(file, samples):
    x, unseen = samples[:120], samples[120:]
    made = edgeq.convert(file, data=x, scheme="int4")
    nearest = edgeq.convert(file, data=x, scheme="int4", rounding="nearest", accept_loss=True)
    adaptive = edgeq.convert(file, data=x, scheme="int4", rounding="adaptive", accept_loss=True)
    assert loss(made, unseen) < 0.5 * loss(nearest, unseen)
    assert loss(made, unseen) < loss(adaptive, unseen)
    assert len(made.rounded) == 4
    assert all(layer.after_db >= layer.before_db for layer in made.rounded.values())


def test_weights_that_nobody_trained_leave_the_others_to_be_rounded(samples):
    keras, layers = nets._keras()
    mean = layers.DepthwiseConv2D(3, use_bias=False, depthwise_initializer="ones")
    last = layers.Dense(5, kernel_initializer="zeros")
    model = keras.Sequential(
        [keras.Input((10, 10, 2)), mean, layers.Conv2D(12, 3), layers.Flatten(), last]
    )
    made = edgeq.convert(model, data=samples[:40], scheme="int4", quality_check=False)
    assert made.rounded["conv2d"].changed > 0


def test_the_c_gives_the_bytes_of_the_oracle(file, samples, tmp_path):
    out = tmp_path / "q.tflite"
    edgeq.convert(file, data=samples, scheme="int4", output=out)
    found = edgeq.verify(out, on="c", n=20)
    assert found.equal
    assert found.against == "tflm"


def weights_by_layer(made):
    """The type and the number of each layer's weights."""
    main = parse_graph(made.data, "net").main
    return {
        main.tensors[op.outputs[0]].name: main.tensors[op.inputs[1]]
        for op in main.ops
        if op.name in ("CONV_2D", "FULLY_CONNECTED")
    }


def test_layers_with_few_weights_stay_at_8_bits():
    """An eighth of all weights, the smallest layers first, and said in the result."""
    keras, layers = nets._keras()
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="first"),
            layers.Conv2D(32, 3, name="second"),
            layers.Conv2D(32, 3, name="third"),
            layers.Flatten(),
            layers.Dense(20, name="fourth"),
            layers.Dense(3, name="last"),
        ]
    )
    x = np.random.default_rng(3).normal(0, 1, (24, 8, 8, 3)).astype(np.float32)
    made = edgeq.convert(model, data=x, scheme="int4", accept_loss=True)
    # 216 and 60 of 14,356 weights; the next layer has 2,304.
    found = {name: tensor.dtype for name, tensor in weights_by_layer(made).items()}
    assert {name.split("/")[0].split(";")[0]: dtype for name, dtype in found.items()} == {
        "first": "int8", "second": "int4", "third": "int4", "fourth": "int4", "last": "int8",
    }  # fmt: skip
    assert made.precision == {name: "int8" for name, dtype in found.items() if dtype == "int8"}
    assert made.to_json()["precision"] == made.precision
    narrow = edgeq.convert(model, data=x, scheme="int4", precision={"*": "int4"}, accept_loss=True)
    assert {tensor.dtype for tensor in weights_by_layer(narrow).values()} == {"int4"}


def test_layers_that_share_their_weights_are_kept_together():
    keras, layers = nets._keras()
    shared = layers.Dense(6, use_bias=False, name="shared")
    source = keras.Input((6,))
    wide = layers.Dense(400)(shared(shared(source)))
    model = keras.Model(source, layers.Dense(6)(wide))
    graph = edgeq.convert(model, scheme="float16").float_model.graph
    small = layers_with_few_weights(graph)
    # 36 of 4,836 weights, read by two layers.
    assert len(small) == 2
    assert len({op.inputs[1] for op in small}) == 1


def test_calls_of_one_layer_keep_biases_that_fit_its_weights():
    keras, layers = nets._keras()
    random = np.random.default_rng(0)
    shared, source = layers.Dense(64), keras.Input((128,))
    model = keras.Model(source, [shared(source), shared(layers.ReLU()(source - 1.0))])
    rare = 1 + 5 * (random.random((128, 64)) < 0.02)
    shared.set_weights([random.normal(0, 0.1, (128, 64)) * rare, random.normal(0, 3, 64)])
    x = random.normal(0, 1, (200, 128)).astype(np.float32)
    made = edgeq.convert(model, data=x, scheme="int4")
    assert made.rounded
    for found, wanted in zip(nets.run(made.data, [x]), model.predict(x, verbose=0), strict=True):
        noise = ((found.reshape(wanted.shape) - wanted) ** 2).sum()
        assert 10 * np.log10((wanted**2).sum() / noise) > 18


def test_int8_may_have_it_too(file, samples):
    x, unseen = samples[:120], samples[120:]
    settings = {"data": x, "scheme": "int8-per-tensor"}
    made = edgeq.convert(file, rounding="sequential", **settings)
    assert loss(made, unseen) < 1.1 * loss(edgeq.convert(file, **settings), unseen)
    assert all(layer.after_db >= layer.before_db for layer in made.rounded.values())


def test_one_sample_leaves_none_to_judge_by(file, samples):
    made = edgeq.convert(file, data=samples[:1], scheme="int4", accept_loss=True)
    assert {layer.skipped for layer in made.rounded.values()} == {"too few samples to judge by"}


def test_the_walk_computes_what_the_model_does(net, samples):
    model = unpack(net.data)
    (source,) = indices(model.subgraphs[0].inputs)
    walk = Walk(model, {source: samples[:6, None]}, LiteRtOptions())
    for position in range(1, len(model.subgraphs[0].operators) + 1):
        walk.to(position)
    (output,) = indices(model.subgraphs[0].outputs)
    (wanted,) = nets.run(net.data, [samples[:6]])
    np.testing.assert_allclose(walk.value(output), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shared", [False, True], ids=["a scale per output", "one scale"])
def test_errors_of_the_layer_before_are_made_up_for(shared):
    """Inputs that come a fifth too small and shifted: weights grow, the bias takes the shift."""
    random = np.random.default_rng(4)
    exact = random.normal(0, 1, (1, 4000, 12)) @ random.normal(0, 1, (12, 12))
    given = 0.8 * exact + 0.3
    moments = PairedMoments(1, 12, judging=True)
    moments.add(exact, given)
    weights = random.normal(0, 1, (1, 6, 12))
    least = np.full((1, 1) if shared else (1, 6), 1e-9)
    found = rebuild(weights, moments, 127, least, biased=True)
    ours = (found.integers * found.scales[:, :, None])[0] @ given[0].T + found.shift.T
    wanted = weights[0] @ exact[0].T
    error, signal = ((ours - wanted) ** 2).sum(), wanted.var(axis=1).sum() * 4000
    assert 10 * np.log10(signal / error) > 35
    noise, power = found.errors(weights, moments)
    assert noise == pytest.approx(error / 4000, rel=0.05)
    assert power == pytest.approx(signal / 4000, rel=0.05)
    if shared:
        assert len(np.unique(found.scales)) == 1


def test_large_biases_of_16_bit_activations_are_kept(tmp_path):
    """Small weights on small inputs under a large bias: 64-bit integers, beyond 32 bits."""
    keras, layers = nets._keras()
    kernel = keras.initializers.RandomNormal(0, 1e-4, seed=1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(
                4, kernel_initializer=kernel, bias_initializer=keras.initializers.Constant(30)
            ),
        ]
    )
    x = np.random.default_rng(1).normal(0, 1e-2, (40, 6)).astype(np.float32)
    made = edgeq.convert(model, data=x, scheme="int16x8", output=tmp_path / "m.tflite")
    (found,) = nets.run(made.data, [x])
    np.testing.assert_allclose(found, 30, rtol=1e-3)
    assert edgeq.verify(tmp_path / "m.tflite", on="c", n=5).equal
