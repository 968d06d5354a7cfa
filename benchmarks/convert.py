"""How long `edgeq convert` takes against the fastest plain script, and how its memory behaves.

    python benchmarks/convert.py [--models FOLDER] [--json OUT]

Calibration is timed alone first, in one process. Every other figure comes from a process of its
own, where the plain script does the same job by the fastest library calls known: freeze with batch
1, convert, calibrate on 500 samples with the profiler, quantize to int8, write. All read the same
samples.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SHAPES = {
    "ad01.h5": (640,),
    "pretrainedResnet.h5": (32, 32, 3),
    "vww_96.h5": (96, 96, 3),
    "str_ww_ref_model.h5": (30, 1, 40),
}
ROUNDS = 3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("EDGEQ_SHARED", default)) / "models" / "mlperf_tiny"
    arguments.add_argument("--models", type=Path, default=folder)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.worker:
        work(*chosen.worker)
        return
    with tempfile.TemporaryDirectory() as scratch:
        result = {
            "calibration": calibration(chosen.models / "vww_96.h5"),
            "time": compare(chosen.models, Path(scratch)),
            "memory": memory(Path(scratch)),
        }
    print(json.dumps(result, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


def calibration(model: Path) -> dict[str, object]:
    """Seconds that 500 samples take in calibration alone, in one process, in turns."""
    from edgeq.conversion.calibration.calibrate import calibrate
    from edgeq.conversion.float_model import float_model
    from edgeq.data import open_dataset

    source = float_model(model)
    samples = np.random.default_rng(0).random((500, *SHAPES[model.name]), np.float32)
    rows = [{"input": row[None]} for row in samples]
    content = signed(source.data)
    seconds: dict[str, list[float]] = {"edgeq": [], "plain": []}
    for _ in range(2 * ROUNDS):
        for way, run in (
            ("edgeq", lambda: calibrate(source, open_dataset(samples, source.inputs))),
            ("plain", lambda: calibrated(content, rows)),
        ):
            start = time.perf_counter()
            run()
            seconds[way].append(time.perf_counter() - start)
    ours, plain = (round(min(seconds[way]), 3) for way in ("edgeq", "plain"))
    found = {"model": model.name, "edgeq": ours, "plain": plain, "ratio": round(ours / plain, 2)}
    print(found, file=sys.stderr)
    return found


def compare(models: Path, scratch: Path) -> list[dict[str, object]]:
    """Seconds for both ways, per model: the best of ROUNDS, taken in turns.

    Other work on the machine only ever adds time, so the best run is the one to compare; CPU
    seconds are there as a check.
    """
    rows = []
    for name, shape in SHAPES.items():
        data = scratch / f"{name}.npy"
        np.save(data, np.random.default_rng(0).random((500, *shape), np.float32))
        runs: dict[str, list[dict[str, float]]] = {"edgeq": [], "plain": []}
        for _ in range(ROUNDS):
            for way, found in runs.items():
                found.append(measured(way, models / name, data, scratch))
        row: dict[str, object] = {"model": name}
        for figure in ("seconds", "cpu_s"):
            ours, plain = (min(run[figure] for run in runs[way]) for way in ("edgeq", "plain"))
            row[figure] = {"edgeq": ours, "plain": plain, "ratio": round(ours / plain, 2)}
        rows.append(row)
        print(row, file=sys.stderr)
    return rows


def memory(scratch: Path) -> list[dict[str, object]]:
    """Peak resident memory for 500 and 50,000 samples of 96x96x3 floats (110 KB each)."""
    import keras

    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((96, 96, 3)),
            layers.Conv2D(4, 3, strides=4),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    net.save(scratch / "net.keras")
    rows = []
    for count in (500, 50_000):
        data = scratch / "many.npy"
        random = np.random.default_rng(0)
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, 96, 96, 3)}
        with data.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(count // 500):
                random.random((500, 96, 96, 3), np.float32).tofile(file)
        found = measured("edgeq", scratch / "net.keras", data, scratch)
        rows.append({"samples": count, **found})
        print(
            f"{count} samples: {found['peak_mb']:.0f} MB, {found['seconds']:.1f} s", file=sys.stderr
        )
        data.unlink()
    return rows


def measured(way: str, model: Path, data: Path, scratch: Path) -> dict[str, float]:
    """What one process took, imports included."""
    command = [
        sys.executable,
        __file__,
        "--worker",
        way,
        str(model),
        str(data),
        str(scratch / "out.tflite"),
    ]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    return {"seconds": round(seconds, 2), **json.loads(done.stdout.splitlines()[-1])}


def work(way: str, model: str, data: str, output: str) -> None:
    """Convert one model in this process and print its peak memory."""
    if way == "edgeq":
        from edgeq.workflow.convert import convert

        convert(model, data=data, output=output, force=True)
    else:
        plain(model, data, output)
    # ru_maxrss would count what the parent had before exec; VmHWM does not.
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"peak_mb": round(peak / 1024), "cpu_s": round(cpu, 2)}))


def plain(model: str, data: str, output: str) -> None:
    """What a script by hand would do, by the fastest calls of the libraries."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
        def __init__(self, *args: object, groups: int = 1, **kwargs: object) -> None:  # noqa: ARG002
            super().__init__(*args, **kwargs)

    shims = {"DepthwiseConv2D": DepthwiseConv2D}
    net = keras.models.load_model(model, compile=False, custom_objects=shims)
    spec = tf.TensorSpec((1, *net.inputs[0].shape[1:]), tf.float32)
    concrete = tf.function(lambda x: net(x, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(concrete)
    converted = tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert()
    samples = [{"input": row[None]} for row in np.load(data)]
    engine, ranges = calibrated(signed(converted), samples)
    result = engine.quantize(ranges.get_model_qsvs(), enable_progress_report=False)
    Path(output).write_bytes(result.quantized_model)


def calibrated(content: bytes, samples: list[dict[str, np.ndarray]]) -> tuple[Any, Any]:
    """The library's quantizer and its calibrator that has seen the samples, the fastest way."""
    from litert_quantizer import calibrator, quantizer, recipe
    from litert_quantizer.utils import qsv_utils

    engine = quantizer.Quantizer(bytearray(content))
    engine.load_quantization_recipe(recipe.static_wi8_ai8())
    mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
    ranges = calibrator.Calibrator(content, 2, mode, qsv_utils.min_max_update)
    ranges.calibrate({"serving_default": samples}, engine._recipe_manager)
    return engine, ranges


def signed(content: bytes) -> bytes:
    """The model with a signature, which the quantizer insists on."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    graph = model.subgraphs[0]
    for name, indices in (("input", graph.inputs), ("output", graph.outputs)):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, int(indices[0])
        setattr(signature, f"{name}s", [entry])
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


if __name__ == "__main__":
    main()
