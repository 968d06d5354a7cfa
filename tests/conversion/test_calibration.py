"""How ranges are chosen, and what the user is told about the data."""

from dataclasses import replace

import numpy as np
import pytest

import edgeq
from edgeq.conversion.calibration.calibrate import METHODS, calibrate
from edgeq.conversion.calibration.range_methods import BINS, RANGE_METHODS, Histogram
from edgeq.conversion.float_model import float_model
from edgeq.conversion.quantization.masks import bound_masks
from edgeq.data import open_dataset
from edgeq.errors import EdgeqError, UsageError
from tests.conversion.nets import NETS, run, samples_for


@pytest.fixture(scope="module")
def source():
    return float_model(NETS["classifier"]()[0])


def calibrated(source, x, method="minmax"):
    return calibrate(source, open_dataset(x, source.inputs), method)


def test_minimum_and_maximum_are_exact(source, models):
    (x,) = samples_for(NETS["classifier"]()[0], 30)
    found = calibrated(source, x)
    name = source.inputs[0].name
    assert found.samples == 30
    assert found.ranges[name] == (pytest.approx(x.min()), pytest.approx(x.max()))
    (out,) = run(source.data, [x])
    low, high = found.ranges[source.graph.main.tensors[source.graph.main.outputs[0]].name]
    assert (low, high) == (pytest.approx(out.min(), 1e-4), pytest.approx(out.max(), 1e-4))
    assert len(found.tensors) == 1 + len(source.graph.main.ops)


def test_says_which_sample_is_the_outlier(source):
    (x,) = samples_for(NETS["classifier"]()[0], 30)
    x[17] *= 20
    found = calibrated(source, x)
    assert next(iter(found.outliers)) == 17
    assert any("Sample 17" in warning for warning in found.warnings())
    assert not found.enough  # it came in the later half


def test_growth_counts_what_the_later_half_added(source):
    (x,) = samples_for(NETS["classifier"]()[0], 1)
    x = np.repeat(x, 10, axis=0)
    x[1:5] *= 0.9
    assert calibrated(source, x).enough
    x[:5] = x[5] * 0.75
    found = calibrated(source, x)
    assert found.tensors[source.inputs[0].name].growth == pytest.approx(0.25)
    # A stream of unknown length is judged at the last power of two before its middle.
    streamed = calibrate(source, open_dataset(lambda: iter(x), source.inputs))
    assert streamed.tensors[source.inputs[0].name].growth == pytest.approx(0.25)


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_the_outlier_is_named_whatever_the_method(source, method):
    (x,) = samples_for(NETS["classifier"]()[0], 30)
    x[17] *= 20
    assert any("Sample 17" in warning for warning in calibrated(source, x, method).warnings())


def test_copies_of_one_sample_are_one_sample(source):
    (x,) = samples_for(NETS["classifier"]()[0], 1)
    found = calibrated(source, np.repeat(x, 50, axis=0))
    assert not found.enough
    assert any("copies of one" in warning for warning in found.warnings())


def test_a_constant_input_does_not_still_grow(source):
    (x,) = samples_for(NETS["classifier"]()[0], 20)
    warnings = calibrated(source, np.zeros_like(x)).warnings()
    assert any("Always the same value" in warning for warning in warnings)
    assert not any("still grew" in warning for warning in warnings)


def test_a_sample_that_overflows_is_named(source, recwarn):
    (x,) = samples_for(NETS["classifier"]()[0], 20)
    x[7] *= np.float32(1e38)
    with pytest.raises(EdgeqError, match="Sample 7 of") as caught:
        calibrated(source, x)
    assert "--mean" in caught.value.hint
    assert not [warning for warning in recwarn if warning.category is RuntimeWarning]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_sound_model(method):
    model, _ = NETS["classifier"]()
    data = samples_for(model, 60)
    result = edgeq.convert(model, data=data, calibration=method)
    assert result.calibration.method == method
    (real,), (integer,) = run(result.float_model.data, data), run(result.data, data)
    assert 10 * np.log10((real**2).sum() / ((real - integer) ** 2).sum()) > 20
    for found in result.calibration.tensors.values():
        assert found.least - 1e-3 <= found.low <= found.high <= found.most + 1e-3 or (
            found.low <= 0 <= found.high
        )


def test_cutting_methods_beat_minmax_when_a_sample_is_wild():
    model, _ = NETS["conv1d"]()
    (x,) = samples_for(model, 60)
    spoiled = x.copy()
    spoiled[3, 0, 0] = 400
    error = {}
    for method in ("minmax", "percentile", "mse", "kl"):
        result = edgeq.convert(model, data=spoiled, calibration=method)
        (real,), (integer,) = run(result.float_model.data, [x]), run(result.data, [x])
        error[method] = float(((real - integer) ** 2).mean())
    assert max(error["percentile"], error["kl"]) < error["minmax"] / 2
    assert error["mse"] < error["minmax"]  # which weighs the wild sample's own error too


def test_histogram_methods_on_a_known_distribution():
    values = np.random.default_rng(0).normal(0, 1, 1_000_000)
    counts, _ = np.histogram(values, BINS, (-20, 20))
    histogram = Histogram(-20.0, 20.0, counts)
    low, high = RANGE_METHODS["percentile"](histogram, 256)
    assert (low, high) == (pytest.approx(-3.72, abs=0.1), pytest.approx(3.72, abs=0.1))
    # The optimal clipping of a normal distribution at 8 bits is 3.92 sigma
    # (Banner et al., "Post training 4-bit quantization", 2019, table of alpha*).
    low, high = RANGE_METHODS["mse"](histogram, 256)
    assert -4.6 < low < -3.4 and 3.4 < high < 4.6
    low, high = RANGE_METHODS["mse"](histogram, 65536)
    assert high - low > 9
    low, high = RANGE_METHODS["kl"](histogram, 256)
    assert -6 < low < -2.5 and 2.5 < high < 6


def test_unknown_method():
    with pytest.raises(UsageError, match="no calibration 'entropy'"):
        edgeq.convert(NETS["classifier"]()[0], data=np.zeros(1), calibration="entropy")


def test_memory_does_not_grow_with_the_samples(source, tmp_path):
    """Peak memory of a process of its own, which reads 20 MB and 400 MB of samples."""
    import subprocess
    import sys

    (tmp_path / "net.tflite").write_bytes(source.data)
    script = """
import sys, numpy as np, edgeq
block = np.random.default_rng(0).random((500, 12, 12, 2), np.float32)
def samples():
    for _ in range(int(sys.argv[2])):
        yield from block.copy()
edgeq.convert(sys.argv[1], data=samples)
status = open("/proc/self/status").read()
print(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line))
"""
    peaks = []
    for blocks in ("1", "100"):
        command = [sys.executable, "-c", script, str(tmp_path / "net.tflite"), blocks]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] + 8 * 1024  # KB; 50,000 samples here are 58 MB


def test_a_logarithm_of_nothing_leaves_a_result_that_can_be_told():
    keras = pytest.importorskip("keras")
    x = keras.Input((10,))
    y = keras.ops.maximum(keras.ops.log(keras.ops.relu(x)), -5.0)
    model = keras.Model(x, keras.layers.Dense(3)(y))
    data = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)
    found = edgeq.convert(model, data=data)
    assert found.quality.verdict == "good"
    assert found.to_json()["calibration"]["tensors"]


def test_a_model_whose_masks_are_bounded_takes_the_samples_that_it_took():
    keras = pytest.importorskip("keras")
    source = keras.Input((4, 4))
    mask = np.triu(np.full((4, 4), -1e9, np.float32), 1)
    model = float_model(keras.Model(source, keras.ops.softmax(source + mask)))
    heard = replace(model, front=object())
    clipped = bound_masks(heard, {model.inputs[0].name: (-1.0, 1.0)}, 256)
    assert clipped is not heard and clipped.front is heard.front
