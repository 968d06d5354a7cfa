"""TFLM_DECODE: constants that are indices into tables, Huffman codes, or what is not zero."""

import numpy as np

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import random_case
from tests.oracle.generators.tensors import of_types, plain, shape_of, values
from tests.oracle.generators.values import case_seed, chance, extent


def header(kind, *rest):
    return bytes([kind, 1, 0, 0, 1, *rest]).ljust(16, b"\0")


def prefix_code(rng, table, width, bits, codes, largest, shift):
    """Fill a new table of codes that start with `bits`; some go on in tables of their own."""
    start = len(table)
    table += [0] * (1 << width)

    def fill(path):
        low = start + int(path.ljust(width, "0"), 2) if path else start
        high = low + (1 << (width - len(path)))
        if len(path) == width and not bits and chance(rng, 0.3):
            more = extent(rng, 3)
            table[low] = (more - 1) << shift | len(table) - low
            prefix_code(rng, table, more, path, codes, largest, shift)
        elif path and (len(path) == width or chance(rng, 0.3)):
            symbol = int(rng.integers(0, largest + 1))
            table[low:high] = [1 << (shift + 4) | len(path) << shift | symbol] * (high - low)
            codes.append(bits + path)
        else:
            fill(path + "0")
            fill(path + "1")

    fill("")


def huffman(rng, elements, dtype):
    """A header with tables, and as many random codes."""
    wide = dtype == "int16" or chance(rng, 0.5)
    table, codes, width = [], [], extent(rng, 4)
    largest = 65535 if dtype == "int16" else 255
    prefix_code(rng, table, width, "", codes, largest, 27 if wide else 11)
    stream = "".join(str(code) for code in rng.choice(codes, elements))
    packed = np.packbits([int(bit) for bit in stream.ljust(-(-len(stream) // 32) * 32, "0")])
    about = header(1, (width - 1) << 4 | wide)
    return about + np.array(table, "<u4" if wide else "<u2").tobytes(), np.append(packed, [0] * 4)


def decode(rng, size, dtype):
    """MAXIMUM of an input and a constant that is unpacked."""
    shape = shape_of(rng, int(rng.integers(1, 5)), size)
    elements, fields = int(np.prod(shape)), {}
    axis, channels = 0, 1
    if dtype == "int8":
        axis = int(rng.choice([0, len(shape) - 1]))
        channels = shape[axis] if chance(rng, 0.5) else 1
        axis = axis if channels > 1 else 0
        zero_points = rng.integers(-9, 9, channels).tolist()
        fields = {"scale": [0.5] * channels, "zero_point": zero_points, "axis": axis}
    if chance(rng, 0.5):
        width = extent(rng, 7)
        used = extent(rng, 1 << width)
        index = rng.integers(0, used, elements)
        bits = (index[:, None] >> np.arange(width)[::-1]) & 1
        about = header(0, width, used) + values(rng, channels * used, dtype).tobytes()
    else:
        bits = rng.random(elements) < 0.4
        about = header(2) + values(rng, max(int(bits.sum()), 1), dtype).tobytes()
    packed = np.packbits(bits.reshape(-1).astype(np.uint8))
    if dtype in ("int8", "int16") and chance(rng, 0.4):
        about, packed = huffman(rng, elements, dtype)
    tensors = [
        TensorSpec(packed.shape, "uint8", data=packed),
        TensorSpec((len(about),), "uint8", data=np.frombuffer(about, np.uint8)),
        TensorSpec(shape, dtype, **fields),
        plain(shape, dtype),
        plain(shape, dtype),
    ]
    ops = [OpSpec("TFLM_DECODE", [0, 1], [2]), OpSpec("MAXIMUM", [3, 2], [4])]
    model = build([SubgraphSpec(tensors, ops, [3], [4])])
    return random_case(f"TFLM_DECODE {dtype} {shape}", model, seed=case_seed(rng))


GENERATORS = {"TFLM_DECODE": of_types(decode, ("int8", "int8", "int16", "int32", "float32"))}
