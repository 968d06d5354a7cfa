"""Models meant for a newer runtime are warned about by name."""

from importlib.metadata import version

import numpy as np
import pytest

from edgeq.boards.runtimes.check import check_runtime, highest_versions, known_runtimes
from edgeq.errors import UsageError
from edgeq.model.model_file import parse_graph
from edgeq.model.tflite.schema import BUILTIN_OPERATORS
from tests.oracle.build import TensorSpec, single_op


def dense(*, per_channel=False, weights="int8", op_version=4):
    scales = [0.1, 0.2] if per_channel else 0.1
    filters = TensorSpec((2, 3), weights, scales, 0, np.ones((2, 3), np.int8))
    source, output = TensorSpec((1, 3), "int8", 0.5), TensorSpec((1, 2), "int8", 0.5)
    model = single_op("FULLY_CONNECTED", [source, filters, None], [output], version=op_version)
    return parse_graph(model)


def test_a_version_above_the_runtimes_is_named():
    (warning,) = check_runtime(dense(op_version=14), "tflite-runtime@2.14.0")
    assert "version 14" in warning
    assert "up to" in warning
    assert check_runtime(dense(op_version=14), "litert@2.3.0") == []


def test_each_release_has_its_own_versions():
    releases = [name for name in known_runtimes() if name.startswith("tflite-runtime@")]
    counts = [len(highest_versions(*name.split("@"))) for name in releases]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    assert "GELU" not in highest_versions("tflite-runtime", "2.7.0")
    assert highest_versions("tflite-runtime", "2.8.0")["GELU"] == 1
    assert highest_versions("tflite-runtime", "2.12.0")["GELU"] == 2
    assert highest_versions("litert") == highest_versions("litert", "2.3.0")


def test_the_table_of_the_installed_release_is_what_its_resolver_takes():
    from ai_edge_litert.interpreter import Interpreter

    from scripts.runtime_ops import needs

    release = version("ai-edge-litert")
    if f"litert@{release}" not in known_runtimes():
        pytest.skip(f"no table of ai-edge-litert {release}")
    known = highest_versions("litert", release)
    codes = {name: code for code, name in BUILTIN_OPERATORS.items()}
    for name in ("CONV_2D", "FULLY_CONNECTED", "GELU", "HASHTABLE"):
        Interpreter(model_content=needs(codes[name], known[name]))
        with pytest.raises(ValueError, match="version"):
            Interpreter(model_content=needs(codes[name], known[name] + 1))


def test_before_the_first_month_nothing_is_known():
    with pytest.raises(UsageError, match="before 2021-04"):
        check_runtime(dense(), "tflm@2020-12")


def test_per_channel_dense_layers_came_to_tflm_late():
    (warning,) = check_runtime(dense(per_channel=True), "tflm@2023-06")
    assert "per-channel weights" in warning
    assert check_runtime(dense(per_channel=True), "tflm@2025-06-30") == []
    assert check_runtime(dense(), "tflm@2023-06") == []


def test_a_release_of_esp_tflite_micro_stands_for_a_date():
    assert check_runtime(dense(per_channel=True), "esp-tflite-micro@1.3.1")
    assert not check_runtime(dense(per_channel=True), "esp-tflite-micro@1.3.8")


@pytest.mark.parametrize("dtype", ["int8", "uint32", "float32"])
def test_the_type_of_an_op_is_that_of_its_data_and_not_of_axes_and_shapes(dtype):
    x, y = TensorSpec((1, 2), dtype), TensorSpec((3, 2), dtype)
    shape = TensorSpec((2,), "int32", data=[3, 2])
    model = parse_graph(single_op("BROADCAST_TO", [x, shape], [y]))
    assert check_runtime(model, "tflm@2026-08") == []
    axis = TensorSpec((), "int32", data=np.int32(0))
    sums = [TensorSpec((3, 2), "int32") for _ in "xy"]
    model = parse_graph(single_op("CUMSUM", [sums[0], axis], [sums[1]]))
    (warning,) = check_runtime(model, "tflm@2026-08")
    assert "int32" in warning


def test_int4_weights():
    assert "int4" in check_runtime(dense(weights="int4"), "tflm@2022-01")[0]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tflm", "tflm@YYYY-MM"),
        ("tflm@yesterday", "tflm@YYYY-MM"),
        ("litert@99", "litert@2.1.0"),
        ("torch@2", "tflite-runtime@2.14.0"),
    ],
)
def test_an_unknown_runtime_is_refused_with_those_that_are_known(name, hint):
    with pytest.raises(UsageError) as caught:
        check_runtime(dense(), name)
    assert hint in caught.value.hint.split(", ")
    assert len(caught.value.hint) < 400


def test_inspect_warns(cli, tmp_path):
    file = tmp_path / "dense.tflite"
    scales = TensorSpec((2, 3), "int8", [0.1, 0.2], 0, np.ones((2, 3), np.int8))
    tensors = TensorSpec((1, 3), "int8", 0.5), TensorSpec((1, 2), "int8", 0.5)
    file.write_bytes(single_op("FULLY_CONNECTED", [tensors[0], scales, None], [tensors[1]]))
    done = cli("inspect", file, "--check-runtime", "tflm@2022-01", "--json")
    assert "per-channel" in done.json["runtime_warnings"][0]
