"""Convolutions of which many channels hold the same value whatever the input is."""

import numpy as np

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import random_case
from tests.oracle.generators.convolutions import out_length
from tests.oracle.generators.values import case_seed, chance, extent

_RELU, _RELU6 = 1, 3


class _Net:
    """Layers in a row, and what is known of the last one's output."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size
        shape = (1, 2 + extent(rng, size), 2 + extent(rng, size), extent(rng, size))
        self.tensors, self.ops = [TensorSpec(shape, "int8", 0.05, self.zero_point())], []
        self.last = 0

    def zero_point(self):
        return int(self.rng.choice([-128, -128, -7, 20, int(self.rng.integers(-128, 128))]))

    def add(self, spec):
        self.tensors.append(spec)
        return len(self.tensors) - 1

    def layer(self, name):
        rng, source = self.rng, self.tensors[self.last]
        _, height, width, inputs = source.shape
        depthwise = name == "DEPTHWISE_CONV_2D"
        outputs = inputs if depthwise else extent(rng, 3 * self.size)
        window = int(rng.choice([1, 3] if depthwise else [1, 1, 3]))
        window = min(window, height, width)
        stride, valid = int(rng.integers(1, 3)), chance(rng, 0.4)
        shape = (1, window, window, outputs) if depthwise else (outputs, window, window, inputs)
        values = rng.integers(-127, 128, shape).astype(np.int8)
        quiet = rng.random(outputs) < rng.choice([0.0, 0.5, 0.8, 1.0])
        values[(Ellipsis, quiet) if depthwise else (quiet,)] = 0
        scales = rng.uniform(0.002, 0.02, 1 if chance(rng, 0.3) else outputs).astype(np.float32)
        # Some lie at the zero point, some above it, some far below, where a RELU hides weights.
        biases = rng.choice([0, 0, -50, 900], outputs) * rng.integers(0, 20, outputs)
        drowned = rng.random(outputs) < 0.2
        biases = np.where(drowned, -(1 << 26), biases)
        axis = 3 if depthwise else 0
        filters = self.add(TensorSpec(shape, "int8", scales, 0, values, axis=axis))
        bias = self.add(TensorSpec((outputs,), "int32", 0.001, 0, biases))
        sides = [out_length(valid, window, 1, stride, n) for n in (height, width)]
        output = TensorSpec((1, *sides, outputs), "int8", 0.08, self.zero_point())
        made = self.add(output)
        options = {"padding": int(valid), "stride_h": stride, "stride_w": stride}
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        options["fused_activation_function"] = int(rng.choice([0, _RELU, _RELU, _RELU6]))
        options |= {"depth_multiplier": 1} if depthwise else {}
        self.ops.append(OpSpec(name, [self.last, filters, bias], [made], options))
        self.last = made


def steady(rng, size):
    """Two to six layers; now and then somebody else reads what is between them."""
    net, read = _Net(rng, size), []
    for number in range(int(rng.integers(2, 7))):
        net.layer("DEPTHWISE_CONV_2D" if number and chance(rng, 0.5) else "CONV_2D")
        if chance(rng, 0.1):
            read.append(net.last)
        elif chance(rng, 0.1):
            copy = net.add(net.tensors[net.last])
            net.ops.append(OpSpec("RELU", [net.last], [copy]))
            read.append(copy)
    outputs = list(dict.fromkeys([net.last, *read]))
    model = build([SubgraphSpec(net.tensors, net.ops, [0], outputs)])
    layers = ", ".join(f"{op.name} {net.tensors[op.outputs[0]].shape}" for op in net.ops)
    return random_case(f"channels that stay the same: {layers}", model, seed=case_seed(rng))


GENERATORS = {"steady channels": steady}
