"""What an ONNX file itself answers, for what was made of it to be held against.

The framework answers that it came from, where that is here, since its exporter may have left
something out; else the package onnx. Its reference is slow and knows no float16; where it gives no
answer, the model that edgeq read answers instead, and that is said.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeq.conversion.network import Answers, NotAnswered
from edgeq.conversion.sources.imported import Imported
from edgeq.conversion.sources.onnx.graph import Graph
from edgeq.conversion.sources.onnx.layout import Order
from edgeq.conversion.sources.onnx.names import plain
from edgeq.conversion.tensorflow import first_line
from edgeq.support.array import Array

MOST_SECONDS = 5.0
"""For all samples; what is answered until then is compared."""
_HALVES = ("FLOAT16", "BFLOAT16")
_TRAINING_IS_SAID = 14  # by the attribute training_mode of BatchNormalization, which is 0 if unset


def file_answers(imported: Imported, outputs: Sequence[str], instead: Answers | None) -> Answers:
    """What the file answers that a model was imported from.

    Args:
        imported: The model.
        outputs: Names of what is asked for, in this order.
        instead: What to hold the model against where the file gives no answer.
    """
    graph: Graph = imported.file
    whose = "onnx.reference" if imported.computes is None else "its own framework"

    def answers(samples: Sequence[Sequence[Array]]) -> list[list[Array]]:
        found: list[list[Array]] = []
        until = time.monotonic() + MOST_SECONDS
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                model: _Inputs = _Reference(graph, imported.inputs)
                if imported.computes is not None:
                    model = _Framework(graph, imported.inputs, imported.computes)
                made = (model.run(sample, until) for sample in samples)
                found.extend(_ordered(values, imported.outputs, outputs) for values in made)
        except TimeoutError as error:
            if not found:
                raise NotAnswered(str(error), instead) from None
        except Exception as error:
            raise NotAnswered(f"{whose} fails ({first_line(error)})", instead) from error
        return found

    return answers


def _ordered(
    values: Mapping[str, Array], orders: Mapping[str, Order], names: Sequence[str]
) -> list[Array]:
    return [np.transpose(values[name], orders[name]) for name in names]


class _Inputs:
    """A file that takes samples whose axes lie as edgeq has them."""

    def __init__(self, graph: Graph, orders: Mapping[str, Order]) -> None:
        from onnx import TensorProto, helper

        self._graph = graph
        proto = graph.proto
        kinds = {value.name: value.type.tensor_type.elem_type for value in proto.input}
        halves = {TensorProto.DataType.Value(name) for name in _HALVES}
        stored = {tensor.data_type for tensor in proto.initializer} | set(kinds.values())
        stored |= {a.t.data_type for node in proto.node for a in node.attribute if a.HasField("t")}
        casts = {a.i for node in proto.node for a in node.attribute if a.name == "to"}
        if halves & (stored | casts):
            raise ValueError("it computes in half precision, which is float32 here")
        self._inputs = [
            (each, orders[name], helper.tensor_dtype_to_np_dtype(kinds[each.name]))
            for each, name in zip(graph.inputs, orders, strict=True)
        ]

    def run(self, sample: Sequence[Array], until: float) -> dict[str, Array]:
        """What the outputs are for one array per input, axes as edgeq has them.

        Raises:
            TimeoutError: It takes longer than this moment.
        """
        raise NotImplementedError

    def _fed(self, sample: Sequence[Array]) -> dict[str, Array]:
        fed = {}
        for value, (each, order, dtype) in zip(sample, self._inputs, strict=True):
            stored = np.reshape(value, [each.shape[axis] for axis in order])
            fed[each.name] = np.transpose(stored, np.argsort(order)).astype(dtype)
        return fed


class _Framework(_Inputs):
    """The model that a file was exported from, in its own framework."""

    def __init__(
        self,
        graph: Graph,
        orders: Mapping[str, Order],
        computes: Callable[[Sequence[Array]], Sequence[Array]],
    ) -> None:
        super().__init__(graph, orders)
        self._computes = computes

    def run(self, sample: Sequence[Array], until: float) -> dict[str, Array]:
        if time.monotonic() > until:
            raise TimeoutError(f"its own framework takes longer than {MOST_SECONDS:g} seconds")
        made = self._computes([*self._fed(sample).values()])
        return {plain(n): v for n, v in zip(self._graph.outputs, made, strict=True)}


class _Reference(_Inputs):
    """A file's ops, run one after the other as the package onnx does."""

    def __init__(self, graph: Graph, orders: Mapping[str, Order]) -> None:
        from onnx import numpy_helper

        super().__init__(graph, orders)
        proto = graph.proto
        if any(map(_misjudged, proto.node)):
            raise ValueError("it is wrong for pools of ceil_mode or with uneven padding")
        self._nodes = _used(proto.node, graph.outputs)
        self._constants = {t.name: numpy_helper.to_array(t) for t in proto.initializer}

    def run(self, sample: Sequence[Array], until: float) -> dict[str, Array]:
        from onnx.reference import ReferenceEvaluator

        values: dict[str, Any] = {"": None, **self._constants, **self._fed(sample)}
        for node in self._nodes:
            if time.monotonic() > until:
                raise TimeoutError(f"onnx.reference takes longer than {MOST_SECONDS:g} seconds")
            taken = {name: values[name] for name in node.input if name}
            outputs = [name for name in node.output if name]
            made = ReferenceEvaluator(self._alone(node, taken, outputs)).run(None, taken)
            values.update(zip(outputs, made, strict=True))
        return {plain(name): values[name] for name in self._graph.outputs}

    def _alone(self, node: Any, taken: Mapping[str, Array], outputs: Sequence[str]) -> Any:
        """A model of one op, which the time can be looked at behind.

        The types of what it takes decide what some ops are made of.
        """
        from onnx import ValueInfoProto, helper

        node, opset = _of_inference(node, self._graph.opset)
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in taken.items()
        ]
        given = [ValueInfoProto(name=name) for name in outputs]
        opsets = [helper.make_opsetid(domain, opset) for domain in ("", "ai.onnx")]
        graph = helper.make_graph([node], "op", inputs, given)
        return helper.make_model(graph, opset_imports=opsets)


def _of_inference(node: Any, opset: int) -> tuple[Any, int]:
    """The op that the package computes as a trained model does, and the opset to ask it of.

    It mixes statistics of the sample into a batch normalization from before opset 14, which was the
    first to say whether it trains.
    """
    if node.op_type != "BatchNormalization" or opset >= _TRAINING_IS_SAID:
        return node, opset
    from onnx import NodeProto

    plain = NodeProto()
    plain.CopyFrom(node)
    del plain.attribute[:]
    plain.attribute.extend(a for a in node.attribute if a.name == "epsilon")
    return plain, _TRAINING_IS_SAID


def _misjudged(node: Any) -> bool:
    """Whether the package computes a pool otherwise than ONNX says.

    It takes the second axis of a maximum's padding for the end of the first one.
    """
    given = {a.name: a for a in node.attribute}
    uneven = "pads" in given and len(set(given["pads"].ints)) > 1
    lower = "auto_pad" in given and given["auto_pad"].s == b"SAME_LOWER"
    rounded = "ceil_mode" in given and bool(given["ceil_mode"].i)
    return rounded or (node.op_type == "MaxPool" and (uneven or lower))


def _used(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes that outputs hang on: what else a stranger's file holds does not run."""
    wanted, kept = set(outputs), list[Any]()
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
