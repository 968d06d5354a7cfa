"""FULLY_CONNECTED: what every kernel must get alike."""

import numpy as np
import pytest

from edgeq.compiler.ops.neural.fully_connected import lower
from edgeq.compiler.ops.shared.base import Isa, Node
from edgeq.model.fixedpoint import quantize_multiplier
from edgeq.model.model_file import parse_graph
from tests.oracle.build import TensorSpec, single_op


@pytest.mark.parametrize("kernels", ["dsp", "armv7m", "armv6m", "rv32"])
def test_scales_of_a_layer_without_bias_are_multiplied_in_double_precision(kernels):
    weights = np.random.default_rng(3).integers(-127, 128, (8, 16)).astype(np.int8)
    source = TensorSpec((1, 16), "int8", 0.0371, 3)
    output = TensorSpec((1, 8), "int8", 0.0917, -5)
    filter_ = TensorSpec((8, 16), "int8", 0.00713, 0, data=weights)
    graph = parse_graph(single_op("FULLY_CONNECTED", [source, filter_], [output], {})).main
    node = Node(graph.ops[0], graph, Isa((kernels, "portable")))
    a, b, c = (tensor.scale for tensor in (node.input(0), node.input(1), node.output()))
    wanted, _ = quantize_multiplier(a * b / c)
    assert wanted != quantize_multiplier(float(np.float32(a) * np.float32(b)) / c)[0]
    assert lower(node).params["doubled"] == 2 * wanted - (1 << 32)
