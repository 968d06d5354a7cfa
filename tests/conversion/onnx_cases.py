"""Small ONNX models, one for each op and unusual argument: what the importer must get right."""

import numpy as np

RANDOM = np.random.default_rng(5)


def weights(*shape):
    return RANDOM.normal(0, 0.5, shape).astype(np.float32)


def model(nodes, inputs, constants, outputs=("y",), opset=18):
    """A ModelProto; `inputs` are shapes, or (shape, ONNX type), by name."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    taken = []
    for name, shape in inputs.items():
        kind = TensorProto.FLOAT
        if shape and isinstance(shape[0], tuple):
            shape, kind = shape
        taken.append(helper.make_tensor_value_info(name, kind, shape))
    given = [onnx.ValueInfoProto(name=name) for name in outputs]
    for value in given:
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    stored = [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()]
    graph = helper.make_graph(nodes, "net", taken, given, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def op(kind, *, x=(1, 4, 6, 5), more=(), opset=18, count=1, **attributes):
    """A model of one op: its first input is the model's, further ones are constants."""
    from onnx import helper

    names = [f"c{i}" if value is not None else "" for i, value in enumerate(more)]
    constants = {name: value for name, value in zip(names, more, strict=True) if name}
    outputs = ["y"] if count == 1 else [f"y{i}" for i in range(count)]
    node = helper.make_node(kind, ["x", *names], outputs, name="node", **attributes)
    return model([node], {"x": x}, constants, outputs, opset)


def ints(*values):
    return np.array(values, np.int64)


def _lstm(kind, gates, ways=1, both=False, **attributes):
    more = [weights(ways, gates * 5, 3), weights(ways, gates * 5, 5), weights(ways, 2 * gates * 5)]
    count = 3 if kind == "LSTM" else 2
    return op(kind, x=(7, 1, 3), more=more, hidden_size=5, count=count, **attributes)


def one_op():
    """Name and model of each case."""
    k = weights
    image = {"x": (1, 4, 9, 8)}
    by_two = {"strides": [2, 2]}
    twice = np.array([1, 1, 2, 2], np.float32)
    ring = {"pads": [1] * 4}
    yield from {
        "conv": op("Conv", more=[k(6, 4, 3, 3), k(6)]),
        "conv same": op("Conv", more=[k(6, 4, 3, 3)], **ring),
        "conv strided": op("Conv", **image, more=[k(6, 4, 3, 3)], **ring, **by_two),
        "conv auto": op("Conv", **image, more=[k(6, 4, 3, 3)], auto_pad="SAME_LOWER", **by_two),
        "conv dilated": op("Conv", **image, more=[k(6, 4, 3, 3)], dilations=[2, 2], pads=[2] * 4),
        "conv both": op("Conv", **image, more=[k(6, 4, 2, 2)], dilations=[2, 2], **by_two),
        "conv groups": op("Conv", more=[k(6, 2, 3, 3), k(6)], group=2),
        "conv depthwise": op("Conv", more=[k(8, 1, 3, 3), k(8)], group=4, **ring),
        "conv uneven": op("Conv", more=[k(4, 1, 3, 3)], group=4, strides=[2, 1], pads=[1, 0, 0, 2]),
        "conv 1d": op("Conv", x=(1, 4, 12), more=[k(5, 4, 3), k(5)], pads=[4, 0], dilations=[2]),
        "conv 3d": op("Conv", x=(1, 2, 5, 6, 7), more=[k(3, 2, 3, 3, 3)], pads=[1] * 6),
        "transposed": op("ConvTranspose", more=[k(4, 3, 4, 4), k(3)], **by_two, **ring),
        "transposed odd": op(
            "ConvTranspose", more=[k(4, 3, 3, 3), k(3)], **by_two, **ring,
            output_padding=[1, 1],
        ),
        "transposed wide": op(
            "ConvTranspose", more=[k(4, 3, 2, 2), k(3)], strides=[3, 3], output_padding=[1, 0]
        ),
        "max pool": op("MaxPool", **image, kernel_shape=[3, 3], **by_two, **ring),
        "max pool up": op("MaxPool", **image, kernel_shape=[3, 2], **by_two, ceil_mode=1),
        "max pool 1d": op("MaxPool", x=(1, 4, 9), kernel_shape=[5], strides=[3], pads=[2, 2]),
        "mean pool": op("AveragePool", **image, kernel_shape=[3, 3], **by_two, **ring),
        "mean pool counted": op(
            "AveragePool", **image, kernel_shape=[3, 3], **ring, count_include_pad=1
        ),
        "global mean": op("GlobalAveragePool"),
        "global max": op("GlobalMaxPool"),
        "batch norm": op("BatchNormalization", more=[k(4), k(4), k(4), abs(k(4))], epsilon=1e-3),
        "instance norm": op("InstanceNormalization", more=[k(4), k(4)]),
        "group norm": op("GroupNormalization", more=[k(4), k(4)], num_groups=2, opset=21),
        "layer norm": op("LayerNormalization", x=(1, 5, 8), more=[k(8), k(8)]),
        "layer norm two": op("LayerNormalization", more=[k(6, 5), k(6, 5)], axis=2),
        "gemm": op("Gemm", x=(1, 6), more=[k(5, 6), k(5)], transB=1, alpha=0.5, beta=2.0),
        "matmul": op("MatMul", x=(1, 7, 6), more=[k(6, 5)]),
        "add channel": op("Add", more=[k(4, 1, 1)]),
        "div": op("Div", more=[abs(k(1, 4, 1, 1)) + 1]),
        "pow": op("Pow", more=[np.float32(2.0)]),
        "clip": op("Clip", more=[np.float32(-0.5), np.float32(0.7)]),
        "relu6": op("Clip", more=[np.float32(0.0), np.float32(6.0)]),
        "clip old": op("Clip", min=-0.2, max=0.3, opset=10),
        "prelu": op("PRelu", more=[k(4, 1, 1)]),
        "softmax channels": op("Softmax", axis=1),
        "softmax old": op("Softmax", x=(1, 6), opset=11),
        "log softmax": op("LogSoftmax", x=(1, 6), axis=-1),
        "transpose": op("Transpose", perm=[0, 2, 3, 1]),
        "transpose last": op("Transpose", x=(1, 5, 8), perm=[0, 2, 1]),
        "reshape": op("Reshape", more=[ints(0, -1, 10)]),
        "flatten": op("Flatten"),
        "squeeze": op("Squeeze", x=(1, 4, 1, 5), more=[ints(2)]),
        "unsqueeze old": op("Unsqueeze", x=(1, 4, 5), axes=[2, 4], opset=11),
        "slice": op("Slice", more=[ints(1, 0), ints(9, -1), ints(1, 3), ints(2, 1)]),
        "slice with steps alone": op(
            "Slice", more=[ints(0, 0, 1, 0), ints(1, 9, 9, 9), None, ints(1, 2, 1, 3)]
        ),
        "slice back": op("Slice", more=[ints(-1), ints(-(1 << 40)), ints(2), ints(-1)]),
        "gather one": op("Gather", more=[np.int64(-1)], axis=2),
        "gather some": op("Gather", more=[ints(0, 2, 1)], axis=1),
        "split": op("Split", more=[ints(1, 3)], axis=1, count=2),
        "split even": op("Split", axis=2, num_outputs=2, count=2),
        "pad": op("Pad", more=[ints(0, 0, 1, 2, 0, 1, 0, 1), np.float32(0.5)]),
        "pad edge": op("Pad", more=[ints(0, 0, 2, 0, 0, 0, 1, 3)], mode="edge"),
        "pad reflect": op("Pad", more=[ints(0, 0, 1, 2, 0, 0, 1, 2)], mode="reflect"),
        "expand": op("Expand", x=(1, 4, 1, 5), more=[ints(1, 1, 3, 1)]),
        "tile": op("Tile", more=[ints(1, 2, 1, 2)]),
        "reduce mean": op("ReduceMean", more=[ints(2, 3)]),
        "reduce sum": op("ReduceSum", more=[ints(1)], keepdims=0),
        "reduce max old": op("ReduceMax", axes=[-1], keepdims=0, opset=11),
        "reduce l2": op("ReduceL2", more=[ints(1)]),
        "reduce l1 of no axes": op("ReduceL1", noop_with_empty_axes=1),
        "reduce l2 of no axes": op("ReduceL2", more=[ints()], noop_with_empty_axes=1),
        "reduce squares of no axes": op("ReduceSumSquare", noop_with_empty_axes=1),
        "argmax": op("ArgMax", axis=1, keepdims=0),
        "depth to space": op("DepthToSpace", x=(1, 8, 3, 4), blocksize=2),
        "pixel shuffle": op("DepthToSpace", x=(1, 8, 3, 4), blocksize=2, mode="CRD"),
        "resize nearest": op(
            "Resize", more=[None, np.array([1, 1, 2, 3], np.float32)],
            coordinate_transformation_mode="asymmetric", nearest_mode="floor", mode="nearest",
        ),
        "resize linear": op("Resize", more=[None, twice], mode="linear"),
        "resize corners": op(
            "Resize", more=[None, None, ints(1, 4, 9, 13)], mode="linear",
            coordinate_transformation_mode="align_corners",
        ),
        "lstm": _lstm("LSTM", 4),
        "lstm both": _lstm("LSTM", 4, ways=2, direction="bidirectional"),
        "lstm reverse": _lstm("LSTM", 4, direction="reverse"),
        "gru": _lstm("GRU", 3, linear_before_reset=1),
        "gru old": _lstm("GRU", 3),
        "rnn": _lstm("RNN", 1),
    }.items()  # fmt: skip
    kinds = """Relu Sigmoid Tanh Elu Selu LeakyRelu HardSigmoid HardSwish Softplus Softsign Celu Abs
    Neg Exp Erf Floor Sin"""
    for kind in kinds.split():
        yield kind.lower(), op(kind)
    yield "gelu", op("Gelu", opset=20)
    yield "mish", op("Mish")


def several_ops():
    """Models in which axes are turned between ops, and what exporters take apart."""
    from onnx import helper

    def nodes(*lines):
        return [
            helper.make_node(kind, list(taken), list(given), name=kind, **more)
            for kind, taken, given, more in lines
        ]

    k = weights
    yield "flatten to dense", model(
        nodes(
            ("Conv", "xw", "c", {}),
            ("Relu", "c", "r", {}),
            ("Flatten", "r", "f", {}),
            ("Gemm", "fdb", "y", {"transB": 1}),
        ),
        {"x": (1, 3, 6, 5)}, {"w": k(4, 3, 3, 3), "d": k(7, 48), "b": k(7)},
    )  # fmt: skip
    yield "power of each channel", model(
        nodes(("Conv", "xw", "c", {}), ("Abs", "c", "a", {}), ("Pow", "ae", "y", {})),
        {"x": (1, 3, 4, 4)}, {"w": k(4, 3, 1, 1), "e": np.abs(k(4, 1, 1)) + 1},
    )  # fmt: skip
    for turned in ("transA", "transB"):
        yield f"flatten to {turned}", model(
            nodes(
                ("Conv", "xw", "c", {}),
                ("Flatten", "c", "f", {}),
                ("Conv", "xv", "d", {}),
                ("Flatten", "d", "g", {}),
                ("Gemm", "fg", "y", {turned: 1}),
            ),
            {"x": (1, 3, 4, 5)}, {"w": k(4, 3, 1, 1), "v": k(4, 3, 1, 1)},
        )  # fmt: skip
    yield "each with each", model(
        nodes(("Transpose", "x", "t", {"perm": [1, 0, 2]}), ("Sub", "tx", "y", {})),
        {"x": (1, 6, 4)}, {},
    )  # fmt: skip
    yield "flatten to norm", model(
        nodes(("Conv", "xw", "c", {}), ("Reshape", "cs", "f", {}), ("Sigmoid", "f", "y", {})),
        {"x": (1, 3, 6, 5)}, {"w": k(4, 3, 3, 3), "s": ints(1, -1)},
    )  # fmt: skip
    yield "patches", model(
        nodes(
            ("Conv", "xw", "c", {"strides": [4, 4]}),
            ("Reshape", "cs", "f", {}),
            ("Transpose", "f", "t", {"perm": [0, 2, 1]}),
            ("MatMul", "td", "m", {}),
            ("Add", "mb", "y", {}),
        ),
        {"x": (1, 3, 12, 8)}, {"w": k(6, 3, 4, 4), "s": ints(1, 6, -1), "d": k(6, 5), "b": k(5)},
    )  # fmt: skip
    yield "channels last file", model(
        nodes(
            ("Transpose", "x", "t", {"perm": [0, 3, 1, 2]}),
            ("Conv", "tw", "c", {"pads": [1, 1, 1, 1]}),
            ("Relu", "c", "r", {}),
            ("Transpose", "r", "y", {"perm": [0, 2, 3, 1]}),
        ),
        {"x": (1, 6, 5, 3)}, {"w": k(4, 3, 3, 3)},
    )  # fmt: skip
    yield "channel shuffle", model(
        nodes(
            ("Conv", "xw", "c", {}),
            ("Reshape", "cs", "g", {}),
            ("Transpose", "g", "t", {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", "tu", "h", {}),
            ("Conv", "hv", "y", {}),
        ),
        {"x": (1, 3, 6, 5)},
        {"w": k(8, 3, 1, 1), "s": ints(1, 2, 4, 6, 5), "u": ints(1, 8, 6, 5), "v": k(4, 8, 1, 1)},
    )  # fmt: skip
    yield "squeeze and excite", model(
        nodes(
            ("Conv", "xw", "c", {}),
            ("GlobalAveragePool", "c", "p", {}),
            ("Reshape", "ps", "f", {}),
            ("Gemm", "fd", "g", {}),
            ("Sigmoid", "g", "h", {}),
            ("Reshape", "hu", "i", {}),
            ("Mul", "ci", "y", {}),
        ),
        {"x": (1, 3, 6, 5)},
        {"w": k(4, 3, 1, 1), "s": ints(1, 4), "d": k(4, 4), "u": ints(1, 4, 1, 1)},
    )  # fmt: skip
    yield "exact gelu", model(
        nodes(
            ("Div", "xa", "d", {}),
            ("Erf", "d", "e", {}),
            ("Add", "eb", "p", {}),
            ("Mul", "xp", "m", {}),
            ("Mul", "mc", "y", {}),
        ),
        {"x": (1, 9)},
        {"a": np.float32(2**0.5), "b": np.float32(1), "c": np.float32(0.5)},
    )  # fmt: skip
    yield "attention", model(
        nodes(
            ("MatMul", "xw", "q", {}),
            ("Reshape", "qs", "h", {}),
            ("Transpose", "h", "a", {"perm": [0, 2, 1, 3]}),
            ("Transpose", "h", "b", {"perm": [0, 2, 3, 1]}),
            ("MatMul", "ab", "m", {}),
            ("Softmax", "m", "p", {"axis": -1}),
            ("MatMul", "pa", "o", {}),
            ("Transpose", "o", "t", {"perm": [0, 2, 1, 3]}),
            ("Reshape", "tu", "y", {}),
        ),
        {"x": (1, 7, 8)}, {"w": k(8, 8), "s": ints(1, 7, 2, 4), "u": ints(1, 7, 8)},
    )  # fmt: skip
    yield "shapes", model(
        nodes(
            ("Shape", "x", "s", {}),
            ("Gather", "sa", "n", {"axis": 0}),
            ("Unsqueeze", "nz", "m", {}),
            ("Concat", "mb", "c", {"axis": 0}),
            ("Reshape", "xc", "y", {}),
        ),
        {"x": (1, 4, 6)}, {"a": np.int64(0), "z": ints(0), "b": ints(-1)},
    )  # fmt: skip
    yield "two inputs", model(
        nodes(
            ("Conv", "xw", "c", {"pads": [1, 1, 1, 1]}),
            ("Concat", ["c", "z"], ["d"], {"axis": 1}),
            ("Relu", "d", "y", {}),
            ("ReduceMean", "da", "v", {"keepdims": 0}),
        ),
        {"x": (1, 3, 6, 5), "z": (1, 2, 6, 5)}, {"w": k(4, 3, 3, 3), "a": ints(2, 3)}, ("y", "v"),
    )  # fmt: skip
