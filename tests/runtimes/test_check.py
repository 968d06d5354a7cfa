"""Models meant for a newer runtime are warned about by name."""

import numpy as np
import pytest

from edgeq.errors import UsageError
from edgeq.graph import parse_graph
from edgeq.runtimes.check import check_runtime, known_runtimes
from tests.oracle.build import TensorSpec, single_op


def dense(*, per_channel=False, weights="int8", version=4):
    scales = [0.1, 0.2] if per_channel else 0.1
    filters = TensorSpec((2, 3), weights, scales, 0, np.ones((2, 3), np.int8))
    source, output = TensorSpec((1, 3), "int8", 0.5), TensorSpec((1, 2), "int8", 0.5)
    model = single_op("FULLY_CONNECTED", [source, filters, None], [output], version=version)
    return parse_graph(model)


def test_a_version_above_the_runtimes_is_named():
    (warning,) = check_runtime(dense(version=14), "tflite-runtime@2.14.0")
    assert "version 14" in warning
    assert "up to" in warning
    assert check_runtime(dense(version=14), "litert@2.3.0") == []


def test_per_channel_dense_layers_came_to_tflm_late():
    (warning,) = check_runtime(dense(per_channel=True), "tflm@2023-06")
    assert "per-channel weights" in warning
    assert check_runtime(dense(per_channel=True), "tflm@2025-06-30") == []
    assert check_runtime(dense(), "tflm@2023-06") == []


def test_a_release_of_esp_tflite_micro_stands_for_a_date():
    assert check_runtime(dense(per_channel=True), "esp-tflite-micro@1.3.1")
    assert not check_runtime(dense(per_channel=True), "esp-tflite-micro@1.3.8")


def test_int4_weights():
    assert "int4" in check_runtime(dense(weights="int4"), "tflm@2022-01")[0]


@pytest.mark.parametrize("name", ["tflm", "tflm@yesterday", "litert@99", "torch@2"])
def test_an_unknown_runtime_is_refused_with_those_that_are_known(name):
    with pytest.raises(UsageError) as caught:
        check_runtime(dense(), name)
    assert "litert@2.3.0" in caught.value.hint
    assert "tflm@YYYY-MM" in known_runtimes()


def test_inspect_warns(cli, tmp_path):
    file = tmp_path / "dense.tflite"
    scales = TensorSpec((2, 3), "int8", [0.1, 0.2], 0, np.ones((2, 3), np.int8))
    tensors = TensorSpec((1, 3), "int8", 0.5), TensorSpec((1, 2), "int8", 0.5)
    file.write_bytes(single_op("FULLY_CONNECTED", [tensors[0], scales, None], [tensors[1]]))
    done = cli("inspect", file, "--check-runtime", "tflm@2022-01", "--json")
    assert "per-channel" in done.json["runtime_warnings"][0]
