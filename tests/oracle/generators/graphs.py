"""Random graphs: layers on layers, with branches that meet again, and several outputs."""

import numpy as np

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import random_case
from tests.oracle.generators.convolutions import TYPES, out_length
from tests.oracle.generators.values import (
    bias,
    case_seed,
    chance,
    data,
    extent,
    output_scale,
    scale,
    tensor,
    weights,
)


class Graph:
    """A model that grows op by op."""

    def __init__(self, rng, kind):
        self.rng = rng
        self.kind = kind
        self.tensors = []
        self.ops = []
        self.images = []  # activations of four axes

    def add(self, spec):
        self.tensors.append(spec)
        return len(self.tensors) - 1

    def image(self, spec):
        self.images.append(self.add(spec))
        return self.images[-1]

    def op(self, name, inputs, output, options=None, version=3):
        made = self.add(output)
        self.ops.append(OpSpec(name, inputs, [made], options or {}, version))
        if len(output.shape) == 4:
            self.images.append(made)
        return made

    def activation(self, shape, **fields):
        if self.kind == "float32":
            fields = {}
        return tensor(self.rng, shape, self.kind, **fields)

    def like(self, spec, shape):
        """An activation with the same quantization, for ops that only move values."""
        return TensorSpec(tuple(shape), spec.dtype, spec.scale, spec.zero_point)

    def any_image(self):
        index = int(self.rng.choice(self.images))
        return index, self.tensors[index]


def _convolution(g, *, depthwise):
    rng = g.rng
    index, source = g.any_image()
    batch, height, width, channels = source.shape
    _, weight_type, bias_type = TYPES[g.kind]
    rows, columns = extent(rng, min(3, height)), extent(rng, min(3, width))
    stride = extent(rng, 2)
    valid = chance(rng, 0.4)
    out = [out_length(valid, k, 1, stride, n) for k, n in ((rows, height), (columns, width))]
    output_c = channels if depthwise else extent(rng, 6)
    filter_shape = (
        (1, rows, columns, output_c) if depthwise else (output_c, rows, columns, channels)
    )
    filters = weights(rng, filter_shape, weight_type, axis=3 if depthwise else 0)
    biases = bias(rng, source, filters, output_c, bias_type, needed=True)
    shape = (batch, *out, output_c)
    taps = rows * columns * (1 if depthwise else channels)
    output = g.activation(shape, scale=output_scale(rng, source, filters, taps))
    options = {
        "padding": int(valid),
        "stride_h": stride,
        "stride_w": stride,
        "fused_activation_function": int(rng.choice([0, 1, 3])),
    }
    name = "CONV_2D"
    if depthwise:
        name, options = "DEPTHWISE_CONV_2D", {**options, "depth_multiplier": 1}
    g.op(name, [index, g.add(filters), g.add(biases)], output, options)


def convolution(g):
    _convolution(g, depthwise=False)


def depthwise(g):
    _convolution(g, depthwise=True)


def pool(g):
    index, source = g.any_image()
    batch, height, width, channels = source.shape
    rows, columns = extent(g.rng, min(3, height)), extent(g.rng, min(3, width))
    stride, valid = extent(g.rng, 2), chance(g.rng, 0.5)
    out = [out_length(valid, k, 1, stride, n) for k, n in ((rows, height), (columns, width))]
    options = {
        "padding": int(valid),
        "stride_h": stride,
        "stride_w": stride,
        "filter_height": rows,
        "filter_width": columns,
    }
    name = str(g.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
    g.op(name, [index], g.like(source, (batch, *out, channels)), options)


def pair(g):
    index, source = g.any_image()
    same = [i for i in g.images if g.tensors[i].shape == source.shape]
    other = int(g.rng.choice(same))
    name = str(g.rng.choice(["ADD", "SUB", "MUL"]))
    fields = {} if g.kind == "float32" else {"scale": scale(g.rng, 0.01, 1)}
    options = {"fused_activation_function": int(g.rng.choice([0, 1]))}
    g.op(name, [index, other], g.activation(source.shape, **fields), options, 2)


def with_constant(g):
    index, source = g.any_image()
    shape = (source.shape[3],)
    fields = {} if g.kind == "float32" else {"scale": scale(g.rng, 0.01, 1), "zero_point": 0}
    constant = TensorSpec(shape, g.kind, data=data(g.rng, shape, g.kind), **fields)
    g.op("MUL", [index, g.add(constant)], g.activation(source.shape), version=2)


def join(g):
    index, source = g.any_image()
    axis = int(g.rng.integers(0, 4))
    shape = list(source.shape)
    shape[axis] *= 2
    g.op("CONCATENATION", [index, index], g.like(source, shape), {"axis": axis})


def pad(g):
    index, source = g.any_image()
    amounts = g.rng.integers(0, 3, (4, 2))
    amounts[0] = 0
    shape = [n + int(a.sum()) for n, a in zip(source.shape, amounts, strict=True)]
    where = g.add(TensorSpec((4, 2), "int32", data=amounts))
    g.op("PAD", [index, where], g.like(source, shape))


def cut(g):
    index, source = g.any_image()
    begin = [int(g.rng.integers(0, n)) for n in source.shape]
    size = [int(g.rng.integers(1, n - b + 1)) for n, b in zip(source.shape, begin, strict=True)]
    parts = [g.add(TensorSpec((4,), "int32", data=part)) for part in (begin, size)]
    g.op("SLICE", [index, *parts], g.like(source, size))


def reshape(g):
    index, source = g.any_image()
    batch, height, width, channels = source.shape
    shape = (
        (batch, height * width, 1, channels)
        if chance(g.rng, 0.5)
        else (batch, 1, width, height * channels)
    )
    where = g.add(TensorSpec((4,), "int32", data=shape))
    g.op("RESHAPE", [index, where], g.like(source, shape), {"new_shape": list(shape)}, 1)


def curve(g):
    index, source = g.any_image()
    name = str(g.rng.choice(["RELU", "RELU6"]))
    output = g.activation(source.shape)
    g.op(name, [index], g.like(source, source.shape) if name == "RELU6" else output, version=2)


def transpose(g):
    index, source = g.any_image()
    order = g.rng.permutation(4)
    where = g.add(TensorSpec((4,), "int32", data=order))
    shape = [source.shape[axis] for axis in order]
    g.op("TRANSPOSE", [index, where], g.like(source, shape))


def mean(g):
    index, source = g.any_image()
    where = g.add(TensorSpec((2,), "int32", data=[1, 2]))
    shape = (source.shape[0], 1, 1, source.shape[3])
    g.op("MEAN", [index, where], g.activation(shape), {"keep_dims": True}, 2)


def enlarge(g):
    index, source = g.any_image()
    size = [n * extent(g.rng, 2) for n in source.shape[1:3]]
    where = g.add(TensorSpec((2,), "int32", data=size))
    shape = (source.shape[0], *size, source.shape[3])
    g.op("RESIZE_NEAREST_NEIGHBOR", [index, where], g.like(source, shape))


def halves(g):
    """SPLIT: one op, two tensors that go on."""
    index, source = g.any_image()
    axes = [axis for axis in range(4) if source.shape[axis] % 2 == 0]
    if not axes:
        return
    axis = int(g.rng.choice(axes))
    shape = [n // 2 if i == axis else n for i, n in enumerate(source.shape)]
    where = g.add(TensorSpec((), "int32", data=axis))
    made = [g.image(g.like(source, shape)) for _ in range(2)]
    g.ops.append(OpSpec("SPLIT", [where, index], made, {"num_splits": 2}, 2))


def dense(g):
    rng = g.rng
    index, source = g.any_image()
    channels, made = source.shape[3], extent(rng, 8)
    _, weight_type, bias_type = TYPES[g.kind]
    filters = weights(rng, (made, channels), weight_type)
    biases = bias(rng, source, filters, made, bias_type, needed=True)
    output = g.activation(
        (*source.shape[:3], made), scale=output_scale(rng, source, filters, channels)
    )
    options = {"keep_num_dims": True, "fused_activation_function": int(rng.choice([0, 1]))}
    g.op("FULLY_CONNECTED", [index, g.add(filters), g.add(biases)], output, options, 5)


def sigmoid(g):
    index, source = g.any_image()
    fixed = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0), "float32": (None, 0)}[g.kind]
    g.op("LOGISTIC", [index], TensorSpec(source.shape, g.kind, *fixed), version=2)


LAYERS = (convolution, convolution, depthwise, pool, pair, pair, with_constant)
LAYERS += (join, pad, cut, reshape, curve, transpose, mean, enlarge, halves, dense, sigmoid)
OPTIMIZE = ("balanced", "balanced", "ram", "size", "speed")
_LARGEST = 4000


def graph(kind):
    """A generator of graphs of one type of activation."""

    def make(rng, size):
        g = Graph(rng, kind)
        inputs = [
            g.image(g.activation((extent(rng, 2), *(extent(rng, size) for _ in range(3)))))
            for _ in range(extent(rng, 2))
        ]
        for _ in range(extent(rng, 2 * size)):
            before = len(g.tensors), len(g.ops)
            rng.choice(LAYERS)(g)
            if np.prod(g.tensors[-1].shape) > _LARGEST:
                del g.tensors[before[0] :], g.ops[before[1] :]
                g.images = [i for i in g.images if i < before[0]]
        made = [i for op in g.ops for i in op.outputs]
        unread = [i for i in made if not any(i in op.inputs for op in g.ops)] or inputs[:1]
        outputs = list(dict.fromkeys([*unread[: 1 + extent(rng, 3)], *rng.choice(g.images, 1)]))
        spec = SubgraphSpec(g.tensors, g.ops, inputs, [int(i) for i in outputs])
        optimize = str(rng.choice(OPTIMIZE))
        name = f"graph {kind} {optimize}"
        return random_case(name, build([spec]), seed=case_seed(rng), optimize=optimize)

    return make


def tower(rng, size):
    """A tall image, convolutions one after the other, some with a sum around them: what `ram` runs
    a few rows at a time.
    """
    g = Graph(rng, "int8")
    shape = (1, 6 + extent(rng, 3 * size), 2 + extent(rng, size), extent(rng, 4))
    inputs = [g.image(g.activation(shape))]
    for _ in range(2 + extent(rng, 4)):
        before = g.images[-1]
        g.images = [before]  # each layer reads the one before
        _convolution(g, depthwise=chance(rng, 0.4))
        source, made = g.tensors[before], g.tensors[g.images[-1]]
        if source.shape == made.shape and chance(rng, 0.5):
            reach = max(source.scale, made.scale) * scale(rng, 0.1, 4)
            g.op("ADD", [before, g.images[-1]], g.activation(made.shape, scale=reach), version=2)
    spec = SubgraphSpec(g.tensors, g.ops, inputs, [g.images[-1]])
    optimize = str(rng.choice(["ram", "ram", "balanced"]))
    name = f"tower {shape} {optimize}"
    return random_case(name, build([spec]), seed=case_seed(rng), optimize=optimize)


GENERATORS = {f"graph {kind}": graph(kind) for kind in ("int8", "int16", "float32")}
GENERATORS["graph of a tall image"] = tower
