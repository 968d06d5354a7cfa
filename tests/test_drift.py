"""Drift: seen where it is, not seen where it is not."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.drift import check_drift, population_stability, reference_profile
from edgeq.errors import EdgeqError


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
    assert len(reference["features"]) == 40
    assert sum(reference["class_mix"]) == pytest.approx(1)
    found = check_drift(model, reference, samples)
    assert not found.drifted
    assert max(feature.psi for feature in found.features) < 0.05
    assert found.class_mix_psi == 0


def test_half_against_half_is_within_chance(model, samples):
    order = np.random.default_rng(3).permutation(45)
    reference = reference_profile(model, samples[order[:23]])
    found = check_drift(model, reference, samples[order[23:]])
    assert sum(feature.drifted for feature in found.features) <= 4


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


def test_stability_index_by_hand():
    assert population_stability([0.5, 0.5], [0.5, 0.5]) == 0
    assert population_stability([0.5, 0.5], [0.75, 0.25]) == pytest.approx(0.25 * np.log(3))


def test_another_model_s_reference_is_refused(model, samples, models):
    reference = reference_profile(model, samples)
    with pytest.raises(EdgeqError, match="another model"):
        check_drift(models / "kws_int8.tflite", reference, np.zeros((3, 49, 10, 1)))


def test_commands(cli, model, samples, tmp_path):
    np.save(tmp_path / "x.npy", samples)
    np.save(tmp_path / "far.npy", samples + 1)
    reference = tmp_path / "reference.json"
    assert cli("drift", "save", model, "--data", tmp_path / "x.npy", "-o", reference).code == 0
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
