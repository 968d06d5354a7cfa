"""What single layers take on a core: instructions a multiply-accumulate, or an output value.

    python -m benchmarks.single_layers [--target cortex-m4]

Layers that the public models have few of, or none: recurrent ones, attention, elementwise ops with
and without broadcasting, softmax, transposed convolutions. The rows stand in docs/kernels.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edgeq
from benchmarks.ledger import ADDRESSES
from edgeq.compiler.compilation import generate
from tests.oracle.build import TensorSpec, single_op

RANDOM = np.random.default_rng(0)
IMAGE = (1, 16, 16, 16)
NONE = {"fused_activation_function": 0}


def lstm(kind: str, inputs: int, cells: int, steps: int = 10) -> bytes:
    wide = kind == "int16"
    source = TensorSpec((1, steps, inputs), kind, 2.0**-13 if wide else 0.02, 0 if wide else 3)
    fields = {"scale": 2.0**-15 if wide else 1 / 128, "zero_point": 0 if wide else -2}
    hidden = TensorSpec((1, cells), kind, variable=True, **fields)
    cell = TensorSpec((1, cells), "int16", 2.0**-11, variable=True)

    def matrix(columns: int) -> TensorSpec:
        values = RANDOM.integers(-127, 128, (cells, columns)).astype(np.int8)
        return TensorSpec((cells, columns), "int8", 0.004, 0, values)

    biases = [
        TensorSpec(
            (cells,), "int64" if wide else "int32", 1e-4, 0, RANDOM.integers(-999, 999, cells)
        )
        for _ in range(4)
    ]
    operands = [source, *(matrix(inputs) for _ in range(4)), *(matrix(cells) for _ in range(4))]
    operands += [None] * 3 + biases + [None] * 2 + [hidden, cell] + [None] * 4
    options = {"fused_activation_function": 4, "time_major": False, "cell_clip": 10.0}
    output = TensorSpec((1, steps, cells), kind, **fields)
    return single_op("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [output], options, version=3)


def pair(op: str, second: tuple[int, ...]) -> bytes:
    a, b = TensorSpec(IMAGE, "int8", 0.05173, 3), TensorSpec(second, "int8", 0.0311, -7)
    output = TensorSpec(IMAGE, "int8", 0.03 if op == "MUL" else 0.08231, -5)
    return single_op(op, [a, b], [output], NONE)


def wide_pair(second: tuple[int, ...]) -> bytes:
    a, b = TensorSpec(IMAGE, "int16", 2.0**-13), TensorSpec(second, "int16", 0.00031)
    return single_op("MUL", [a, b], [TensorSpec(IMAGE, "int16", 0.0017)], NONE)


def softmax(depth: int) -> bytes:
    source = TensorSpec((64, depth), "int8", 0.1, 3)
    return single_op(
        "SOFTMAX", [source], [TensorSpec((64, depth), "int8", 1 / 256, -128)], {"beta": 1.0}
    )


def attention(depth: int, columns: int, *, transposed: bool) -> bytes:
    a = TensorSpec((4, 49, depth), "int8", 0.05, 3)
    b = TensorSpec((4, columns, depth) if transposed else (4, depth, columns), "int8", 0.03, -7)
    output = TensorSpec((4, 49, columns), "int8", 0.3, 1)
    return single_op("BATCH_MATMUL", [a, b], [output], {"adj_x": False, "adj_y": transposed})


def dense() -> bytes:
    a, weights = TensorSpec((49, 64), "int8", 0.05, 3), TensorSpec((64, 64), "int8", 0.03, 0)
    return single_op(
        "FULLY_CONNECTED", [a, weights, None], [TensorSpec((49, 64), "int8", 0.3, 1)], NONE
    )


def dense_s16(inputs: int, outputs: int) -> bytes:
    values = RANDOM.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    source, output = (
        TensorSpec((1, inputs), "int16", 2.0**-13),
        TensorSpec((1, outputs), "int16", 2.0**-10),
    )
    weights = TensorSpec((outputs, inputs), "int8", 0.004, 0, values)
    return single_op("FULLY_CONNECTED", [source, weights, None], [output], NONE)


def transposed_conv(channels: int, kind: str = "int8") -> bytes:
    wide = kind == "int16"
    shape = TensorSpec((4,), "int32", data=np.array([1, 16, 16, channels], np.int32))
    values = RANDOM.integers(-127, 128, (channels, 3, 3, channels)).astype(np.int8)
    filters = TensorSpec((channels, 3, 3, channels), "int8", [0.003] * channels, 0, values)
    source = TensorSpec((1, 8, 8, channels), kind, 2e-4 if wide else 0.05, 0 if wide else 3)
    output = TensorSpec((1, 16, 16, channels), kind, 3e-4 if wide else 0.06, 0 if wide else 1)
    options = {"padding": 0, "stride_w": 2, "stride_h": 2}
    return single_op("TRANSPOSE_CONV", [shape, filters, source], [output], options)


def depthwise(stride: int, dilation: int = 1) -> bytes:
    values = RANDOM.integers(-127, 128, (1, 3, 3, 48)).astype(np.int8)
    filters = TensorSpec((1, 3, 3, 48), "int8", [0.01] * 48, 0, values, axis=3)
    bias = TensorSpec((48,), "int32", 0.0005, 0, RANDOM.integers(-999, 999, 48))
    side = 24 // stride
    options = {"padding": 0, "stride_h": stride, "stride_w": stride, "depth_multiplier": 1}
    options |= {"dilation_h_factor": dilation, "dilation_w_factor": dilation} | NONE
    output = TensorSpec((1, side, side, 48), "int8", 0.05, 3)
    source = TensorSpec((1, 24, 24, 48), "int8", 0.05, 3)
    return single_op("DEPTHWISE_CONV_2D", [source, filters, bias], [output], options)


def layers() -> Iterator[tuple[str, bytes]]:
    for kind in ("int8", "int16"):
        for inputs, cells in ((10, 64), (64, 64), (64, 128)):
            yield f"LSTM {kind}, {inputs} inputs, {cells} cells", lstm(kind, inputs, cells)
    for op in ("ADD", "SUB", "MUL"):
        yield f"{op}, same shapes", pair(op, IMAGE)
        yield f"{op}, one value a channel", pair(op, (1, 1, 1, 16))
        yield f"{op}, one value a pixel", pair(op, (1, 16, 16, 1))
        yield f"{op}, one value", pair(op, (1,))
    yield "MUL int16, same shapes", wide_pair(IMAGE)
    yield "MUL int16, one value a channel", wide_pair((1, 1, 1, 16))
    yield "MUL int16, one value", wide_pair((1,))
    for depth in (10, 16, 49):
        yield f"SOFTMAX, rows of {depth}", softmax(depth)
    yield "BATCH_MATMUL, depth 16, transposed", attention(16, 49, transposed=True)
    yield "BATCH_MATMUL, depth 49", attention(49, 16, transposed=False)
    yield "BATCH_MATMUL, depth 64, transposed", attention(64, 49, transposed=True)
    yield "FULLY_CONNECTED, computed weights, depth 64", dense()
    for inputs, outputs in ((40, 30), (64, 64), (256, 128)):
        name = f"FULLY_CONNECTED int16, {inputs} inputs, {outputs} outputs"
        yield name, dense_s16(inputs, outputs)
    yield "TRANSPOSE_CONV, 16 channels, stride 2", transposed_conv(16)
    yield "TRANSPOSE_CONV, 32 channels, stride 2", transposed_conv(32)
    yield "TRANSPOSE_CONV int16, 16 channels, stride 2", transposed_conv(16, "int16")
    yield "TRANSPOSE_CONV int16, 32 channels, stride 2", transposed_conv(32, "int16")
    yield "DEPTHWISE_CONV_2D, stride 2", depthwise(2)
    yield "DEPTHWISE_CONV_2D, dilation 2", depthwise(1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="cortex-m4", choices=list(ADDRESSES))
    target = parser.parse_args().target
    print("| layer | kernel | instructions a MAC | a value |\n|---|---|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.tflite"
        for name, model in layers():
            path.write_bytes(model)
            (op,) = generate(path, target=target).manifest["ops"]
            (cost,) = edgeq.profile(path, on=ADDRESSES[target]).to_json()["ops"]
            values = int(np.prod(op["outputs"][0]["shape"]))
            each = f"{cost['instructions'] / op['macs']:.2f}" if op["macs"] else ""
            value = f"{cost['instructions'] / values:.1f}"
            print(f"| {name} | `{op['kernel']}` | {each} | {value} |", flush=True)


if __name__ == "__main__":
    main()
