"""What several ops mean together: known numbers, and the ops that exporters took apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgeq.conversion.sources.onnx.folding import Room, fold
from edgeq.conversion.sources.onnx.graph import Graph, Node, used

_NEAR = 1e-4


def simplified(graph: Graph) -> Graph:
    """The graph with known values computed and ops put together again."""
    graph = _folded(graph)
    for rewrite in (_gelu, _gated, _biased, _padded):
        graph = _rewritten(graph, rewrite)
    return replace(graph, nodes=tuple(used(graph.nodes, graph.outputs)))


def _folded(graph: Graph) -> Graph:
    constants, nodes, room = dict(graph.constants), [], Room()
    for node in graph.nodes:
        known = all(not name or name in constants for name in node.inputs)
        arrays = [constants.get(name) for name in node.inputs] if known else []
        made = fold(node, arrays, graph, room) if known else None
        if made is None:
            nodes.append(node)
        else:
            constants.update(zip(node.outputs, made, strict=False))
    return replace(graph, nodes=tuple(nodes), constants=constants)


class _Links:
    """Who makes and who reads each value of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._makers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._readers = graph.readers()

    def maker(self, name: str, *ops: str) -> Node | None:
        """The node that makes a value, if it is one of these ops."""
        found = self._makers.get(name)
        return found if found is not None and found.op in ops else None

    def alone(self, node: Node) -> bool:
        """Whether only one node reads the result."""
        return len(self._readers.get(node.outputs[0], [])) == 1

    def number(self, name: str) -> float | None:
        """A value that is a single known number."""
        array = self.graph.constants.get(name)
        return float(array.ravel()[0]) if array is not None and array.size == 1 else None

    def by_number(self, node: Node | None, number: float) -> str | None:
        """What a node combines with a number; None if with another one."""
        if node is None or len(node.inputs) != 2:
            return None
        for mine, other in (node.inputs, node.inputs[::-1]):
            found = self.number(other)
            if found is not None and abs(found - number) < _NEAR and self.number(mine) is None:
                return mine
        return None


def _rewritten(graph: Graph, find: Callable[[_Links, Node], Node | None]) -> Graph:
    """The graph with each node replaced for which there is something simpler."""
    links = _Links(graph)
    nodes = tuple(find(links, node) or node for node in graph.nodes)
    return replace(graph, nodes=tuple(used(nodes, graph.outputs)))


def _gelu(links: _Links, node: Node) -> Node | None:
    """GELU is x/2 * (1 + erf(x / sqrt 2)), whichever product comes first."""
    if node.op != "Mul":
        return None
    parts = [(node.inputs[i], node.inputs[1 - i]) for i in (0, 1)]
    half = links.by_number(node, 0.5)
    if half is not None:
        inner = links.maker(half, "Mul")
        parts = [] if inner is None else [(inner.inputs[i], inner.inputs[1 - i]) for i in (0, 1)]
    for value, factor in parts:
        x, scaled = value, half is not None
        if not scaled:
            halved = links.by_number(links.maker(value, "Mul"), 0.5)
            in_factor = links.by_number(links.maker(factor, "Mul"), 0.5)
            x, factor = (halved, factor) if halved is not None else (x, in_factor or "")
            scaled = halved is not None or in_factor is not None
        erf = links.by_number(links.maker(factor, "Add"), 1.0)
        inside = links.maker(erf or "", "Erf")
        if inside is None or not scaled:
            continue
        root = links.maker(inside.inputs[0], "Div", "Mul")
        by = 2**0.5 if root is not None and root.op == "Div" else 0.5**0.5
        if links.by_number(root, by) == x:
            return Node("Gelu", node.name, (x,), node.outputs)
    return None


def _gated(links: _Links, node: Node) -> Node | None:
    """SiLU is x * sigmoid(x), hard SiLU x * hard_sigmoid(x)."""
    if node.op != "Mul" or len(node.inputs) != 2:
        return None
    for gate, x in (node.inputs, node.inputs[::-1]):
        made = links.maker(gate, "Sigmoid", "HardSigmoid")
        if made is None or made.inputs[0] != x or not links.alone(made):
            continue
        if made.op == "Sigmoid":
            return Node("Swish", node.name, (x,), node.outputs)
        if abs(made.get("alpha", 0.2) - 1 / 6) < _NEAR and made.get("beta", 0.5) == 0.5:
            return Node("HardSwish", node.name, (x,), node.outputs)
    return None


def _biased(links: _Links, node: Node) -> Node | None:
    """A known vector added to a product is its bias."""
    if node.op != "Add" or len(node.inputs) != 2:
        return None
    for product, bias in (node.inputs, node.inputs[::-1]):
        made = links.maker(product, "MatMul")
        if made is None or len(made.inputs) != 2 or not links.alone(made):
            continue
        kernel, array = links.graph.constants.get(made.inputs[1]), links.graph.constants.get(bias)
        if kernel is None or array is None or kernel.ndim != 2 or array.ndim > 2:
            continue
        if array.size == kernel.shape[1] == (array.shape[-1] if array.ndim else 0):
            return Node("MatMul", node.name, (*made.inputs, bias), node.outputs)
    return None


def _padded(links: _Links, node: Node) -> Node | None:
    """Zeros around the places of what a convolution reads are its own padding."""
    if node.op != "Conv" or node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    made = links.maker(node.inputs[0], "Pad")
    if made is None or not links.alone(made) or made.get("mode", "constant") != "constant":
        return None
    if len(made.inputs) > 3 and made.inputs[3]:
        return None
    fill = links.number(made.inputs[2]) if len(made.inputs) > 2 and made.inputs[2] else 0.0
    given: Any = made.get("pads")
    if given is None:
        given = links.graph.constants.get(made.inputs[1])
    if given is None or fill != 0.0 or made.get("value", 0.0) != 0.0:
        return None
    pads = np.ravel(given)
    rank = len(pads) // 2
    own = node.get("pads", (0,) * (2 * (rank - 2)))
    if pads.dtype.kind not in "iu" or len(pads) != 2 * rank or len(own) != 2 * (rank - 2):
        return None
    pads = pads.tolist()
    begins, ends = pads[:rank], pads[rank:]
    if min(pads) < 0 or any((*begins[:2], *ends[:2])):
        return None
    both = [a + b for a, b in zip(own, (*begins[2:], *ends[2:]), strict=True)]
    attributes = {**node.attributes, "pads": tuple(both), "auto_pad": "NOTSET"}
    return Node("Conv", node.name, (made.inputs[0], *node.inputs[1:]), node.outputs, attributes)
