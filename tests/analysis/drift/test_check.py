"""Drift: seen where it is, not seen where it is not."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.analysis.drift.check import (
    _Kept,
    _kept_of,
    check_drift,
    read_reference,
    reference_profile,
)
from edgeq.analysis.drift.stability import compare, histogram_of
from edgeq.data import DatasetOptions
from edgeq.errors import EdgeqError
from tests.oracle.build import TensorSpec, single_op


@pytest.fixture
def model(models):
    return models / "sww_int8.tflite"


@pytest.fixture
def samples(models):
    with np.load(models / "str_ww_calibration_samples.npz") as file:
        return file["specs"]


def test_the_same_data_has_not_drifted(model, samples):
    reference = json.loads(json.dumps(reference_profile(model, samples)))
    assert reference["samples"] == 45
    assert len(reference["features"]) == 41  # 40 channels and the confidence
    assert sum(reference["class_mix"]) == pytest.approx(1)
    found = check_drift(model, reference, samples)
    assert not found.drifted
    assert max(feature.psi for feature in found.features) < 0.05
    assert found.class_mix_psi == 0


def test_half_against_half_is_within_chance(model, samples):
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(45)
        reference = reference_profile(model, samples[order[:23]])
        assert not check_drift(model, reference, samples[order[23:]]).drifted


def test_few_samples_of_the_same_source_raise_no_alarm():
    """Sixty-four features and fifty samples: half of such checks once said that some drifted."""
    random = np.random.default_rng(1)
    values = random.gamma(1.0, size=(300, 64)) * (random.random((300, 64)) < 0.6)
    alarms = 0
    for _ in range(10):
        new = random.gamma(1.0, size=(50, 64)) * (random.random((50, 64)) < 0.6)
        for feature in range(64):
            known = histogram_of([values[i, feature : feature + 1] for i in range(300)])
            counts = known.count(new[:, feature])
            alarms += compare(known.shares, 300, counts, 50, 0.2, 64).changed
    assert alarms <= 1  # of 640 features


def test_a_shift_of_three_quarters_of_a_deviation_is_seen_in_500_samples():
    random = np.random.default_rng(2)
    known = histogram_of(list(random.normal(size=(1000, 1))))
    counts = known.count(random.normal(0.75, size=500))
    assert compare(known.shares, 1000, counts, 500, 0.2, 64).changed


def test_an_outlier_in_the_reference_hides_nothing():
    random = np.random.default_rng(2)
    known = histogram_of(list(np.append(random.normal(size=999), 1e9)[:, None]))
    counts = known.count(random.normal(1, size=500))
    assert compare(known.shares, 1000, counts, 500, 0.2, 64).changed


@pytest.mark.parametrize("moved", [-1.0, 1.0])
def test_a_constant_that_moves_either_way_has_drifted(moved):
    known = histogram_of([np.array([3.0])] * 100)
    assert not compare(known.shares, 100, known.count(np.full(100, 3.0)), 100, 0.2, 2).changed
    assert compare(known.shares, 100, known.count(np.full(100, 3 + moved)), 100, 0.2, 2).changed


def test_values_of_one_sample_count_for_what_they_are_worth():
    random = np.random.default_rng(0)
    assert histogram_of(list(random.normal(size=(500, 20)))).worth > 15
    alike = np.repeat(random.normal(size=(500, 1)), 20, axis=1)
    assert histogram_of(list(alike)).worth < 1.2


def test_the_confidence_is_watched_where_inputs_look_the_same(model, samples):
    """A model of three classes: samples that it is unsure of, from the same channels."""
    reference = reference_profile(model, samples)
    assert reference["features"][-1]["name"] == "confidence"
    mixed = (samples + samples[::-1]) / 2
    found = check_drift(model, reference, mixed)
    assert found.features[-1].mean < found.features[-1].reference_mean


def test_an_autoencoder_s_reconstruction_error_is_watched(models):
    random = np.random.default_rng(0)
    normal = random.normal(-30, 5, (60, 640)).astype(np.float32)
    reference = reference_profile(models / "ad01_int8.tflite", normal)
    assert [f["name"] for f in reference["features"]] == ["input", "reconstruction error"]
    assert not reference["class_mix"]
    new = random.normal(-30, 5, (60, 640)).astype(np.float32)
    assert not check_drift(models / "ad01_int8.tflite", reference, new).drifted
    found = check_drift(models / "ad01_int8.tflite", reference, new * 0.5)
    assert found.features[1].drifted


def test_one_shifted_channel_is_named(model, samples):
    reference = reference_profile(model, samples)
    moved = samples.copy()
    moved[..., 7] += 0.3
    found = check_drift(model, reference, moved)
    assert [f.name for f in found.features if f.drifted] == ["channel[7]"]
    assert found.drifted


def test_saturation_and_class_mix(model, samples):
    reference = reference_profile(model, samples)
    found = check_drift(model, reference, samples * 8)
    assert found.saturated
    assert found.saturation > found.reference_saturation + 0.02
    with np.load(model.parent / "str_ww_calibration_samples.npz") as file:
        one_class = samples[file["labels"] == 2]
    assert check_drift(model, reference, one_class).class_mix_drifted


def test_a_device_s_log_of_integers(model, samples):
    graph = edgeq.read_graph(model)
    tensor = graph.main.tensors[graph.main.inputs[0]]
    raw = np.clip(np.round(samples / tensor.scale) + tensor.zero_point, -128, 127)
    reference = reference_profile(model, samples)
    found = check_drift(model, reference, raw.astype(np.int8), raw=True)
    assert not found.drifted


def test_values_beyond_the_range_are_in_a_log_what_the_model_saw(tmp_path):
    tensor = TensorSpec((1, 4), "int8", scale=1 / 128)
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [tensor, tensor], [tensor]))
    samples = np.random.default_rng(0).normal(0.3, 1, (1000, 4)).astype(np.float32)
    log = np.clip(np.round(samples * 128), -128, 127).astype(np.int8)
    of_floats = reference_profile(path, samples)
    found = check_drift(path, of_floats, log, raw=True)
    assert not found.drifted
    assert max(feature.psi for feature in found.features) < 1e-6
    of_integers = reference_profile(path, log, raw=True)
    assert not check_drift(path, of_integers, samples).drifted


def test_stability_index_by_hand():
    def index(found):  # of so many values that the prior is nothing
        many = 10**9
        return compare([0.5, 0.5], many, np.array(found) * many, many, 0.2, 1).psi

    assert index([0.5, 0.5]) == 0
    assert index([0.75, 0.25]) == pytest.approx(0.25 * np.log(3))


def test_another_model_s_reference_is_refused(model, samples, models):
    reference = reference_profile(model, samples)
    with pytest.raises(EdgeqError, match="another model"):
        check_drift(models / "kws_int8.tflite", reference, np.zeros((3, 49, 10, 1)))


def test_commands(cli, model, samples, tmp_path):
    np.save(tmp_path / "x.npy", samples)
    np.save(tmp_path / "far.npy", samples + 1)
    reference = tmp_path / "reference.json"
    assert cli("drift", "save", model, "--data", tmp_path / "x.npy", "-o", reference).code == 0
    few = cli("drift", "save", model, "--data", tmp_path / "x.npy", "-o", tmp_path / "f.json")
    assert "with 45 samples" in few.err
    again = cli("drift", "save", model, "--data", tmp_path / "x.npy", "-o", reference)
    assert again.code == 1
    assert "--force" in again.err
    assert cli("drift", "check", model, reference, "--data", tmp_path / "x.npy").code == 0
    far = cli("drift", "check", model, reference, "--data", tmp_path / "far.npy", "--json")
    assert far.code == 3
    assert far.json["drifted"]
    (tmp_path / "bad.json").write_text("[]")
    bad = cli("drift", "check", model, tmp_path / "bad.json", "--data", tmp_path / "x.npy")
    assert bad.code == 1
    whole = json.loads(reference.read_text())
    for broken in (
        {**whole, "features": 3},
        {**whole, "features": [{"name": "channel[0]"}]},
        {**whole, "model": None},
        {**whole, "samples": 0},
        {**whole, "features": whole["features"][1:]},
        {name: value for name, value in whole.items() if name != "saturation"},
    ):
        (tmp_path / "bad.json").write_text(json.dumps(broken))
        bad = cli("drift", "check", model, tmp_path / "bad.json", "--data", tmp_path / "x.npy")
        assert bad.code == 1
        assert "edgeq drift save" in bad.err
    strange = cli("drift", "check", model, reference, "--data", tmp_path / "x.npy", "--psi", "nan")
    assert strange.code == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r["class_mix"].__setitem__(1, -1.0),
        lambda r: r["features"][0]["edges"].__setitem__(0, {}),
        lambda r: r["features"][0]["edges"].reverse(),
        lambda r: r["features"][0].update(edges=[0.0] * 99_999, shares=[1e-5] * 100_000),
        lambda r: r["features"][0]["shares"].__setitem__(0, 0.9),
        lambda r: r["features"][0].update(worth=1e300),
        lambda r: r.update(samples=1 << 50),
        lambda r: r.update(samples=1.5),
    ],
)
def test_a_damaged_reference_is_none(damage, model, samples, tmp_path):
    """Tracebacks came of these, and gigabytes."""
    reference = json.loads(json.dumps(reference_profile(model, samples)))
    path = tmp_path / "reference.json"
    path.write_text(json.dumps(reference))
    assert read_reference(path) == json.loads(path.read_text())
    damage(reference)
    path.write_text(json.dumps(reference))
    with pytest.raises(EdgeqError, match="no reference profile"):
        read_reference(path)


def test_a_reference_without_the_model_s_classes_is_another_model_s(model, samples, tmp_path):
    """The mix of classes was not looked at, and "fine"."""
    reference = json.loads(json.dumps(reference_profile(model, samples)))
    path = tmp_path / "reference.json"
    for mix in ([], [0.5, 0.5]):
        path.write_text(json.dumps({**reference, "class_mix": mix}))
        with pytest.raises(EdgeqError, match=f"the reference knows {len(mix)} classes"):
            check_drift(model, read_reference(path), samples)


@pytest.mark.parametrize("size", [1, 4])
def test_what_the_outputs_are_said_to_be(size, tmp_path):
    """One output that is said to be a logit tells two classes apart; it had no classes."""
    spec = TensorSpec((1, size), "float32")
    model = tmp_path / "net.tflite"
    model.write_bytes(single_op("RELU6", [spec], [spec]))
    x = np.random.default_rng(0).normal(0.2, 1, (200, size)).astype(np.float32)
    told = DatasetOptions(from_logits=True)
    reference = reference_profile(model, x, reading=told)
    assert len(reference["class_mix"]) == max(size, 2)
    assert not check_drift(model, reference, x, reading=told).drifted
    with pytest.raises(EdgeqError, match="took the model's outputs for logits"):
        check_drift(model, reference, x, reading=DatasetOptions(from_logits=False))


def test_a_long_reference_is_worth_the_samples_that_it_kept():
    """Twice as many were counted, and so too little noise."""
    kept = _Kept()
    for number in range(1, 9000):
        kept.add(np.zeros(1))
        assert len(kept.samples) == _kept_of(number)


def test_a_small_autoencoder_is_no_classifier(tmp_path):
    """Of up to a hundred values the largest was taken for a class, and its value for certainty."""
    x = TensorSpec((1, 8), "int8", scale=1 / 32)
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("ABS", [x], [x]))
    data = np.abs(np.random.default_rng(0).normal(size=(300, 8)))
    reference = reference_profile(path, data)
    assert reference["features"][-1]["name"] == "reconstruction error"
    assert (reference["features"][-1]["mean"], reference["class_mix"]) == (0, [])
    found = check_drift(path, reference, -data)
    assert found.features[-1].mean == pytest.approx(4 * float((data**2).mean()), rel=0.05)
    told = reference_profile(path, data, reading=DatasetOptions(from_logits=True))
    assert len(told["class_mix"]) == 8


@pytest.mark.parametrize("broken", [{}, None, {"samples": 0}, {"features": []}])
def test_what_is_no_reference_is_refused_in_words(model, samples, broken):
    whole = reference_profile(model, samples)
    given = {**whole, **broken} if broken else broken
    with pytest.raises(EdgeqError, match="no reference profile"):
        check_drift(model, given, samples)
    assert not check_drift(model, whole, samples).drifted  # whose tuples are no lists
