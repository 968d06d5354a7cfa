"""A front end before a model: two graphs become one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgeq.errors import EdgeqError
from edgeq.model.box_rules import box_rules_of, read_tensors
from edgeq.model.decision import DECISION, Decision, Rules, rules_of
from edgeq.model.detection import DETECTION, BoxRules, Detection
from edgeq.model.graph import Graph, Op, Subgraph, Tensor
from edgeq.model.scores import as_int8, check_reach, check_scores, score_tensor
from edgeq.model.settling import read_settling
from edgeq.model.stream import STACK, Stream

_INTEGERS = ("int8", "uint8", "int16")


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """A front end as graphs from a window of samples to one frame of features.

    Attributes:
        graphs: By precision: "int16", "float32".
        precision: The one to take; None for what suits the core.
        frames: Frames that a model sees at once; None for as many as its input has.
        frame_step: Frames from one answer to the next; None for as many as it sees.
        decision: What makes events of the answers; None where nothing does.
    """

    name: str
    graphs: Mapping[str, Graph]
    precision: str | None = None
    frames: int | None = None
    frame_step: int | None = None
    decision: Decision | Detection | None = None

    @property
    def stream(self) -> Stream:
        """How samples reach it, the same in every precision."""
        stream = next(iter(self.graphs.values())).stream
        assert stream is not None
        return stream

    def settled(self, *, fpu: bool) -> FrontEnd:
        """The same with the precision that it has on a core with or without a unit for float32."""
        graph = self.graph(fpu=fpu)
        return replace(self, precision=next(n for n, g in self.graphs.items() if g is graph))

    def graph(self, *, fpu: bool) -> Graph:
        """The graph for a core with or without a unit for float32."""
        wanted = self.precision or ("float32" if fpu else "int16")
        if wanted in self.graphs:
            return self.graphs[wanted]
        if self.precision is None:
            return next(iter(self.graphs.values()))
        raise EdgeqError(
            f"This front end has no {wanted} form.", self.name, f"it has {', '.join(self.graphs)}"
        )


def joined(front: FrontEnd, model: Graph, *, fpu: bool) -> Graph:
    """One graph: samples in, the model's answers out.

    Raises:
        EdgeqError: The model has several inputs, or one that no number of frames fills.
    """
    first = front.graph(fpu=fpu)
    stream = first.stream
    assert stream is not None
    if len(model.main.inputs) != 1:
        raise EdgeqError(
            f"The model has {len(model.main.inputs)} inputs; a front end fills one.", model.path
        )
    target = model.main.tensors[model.main.inputs[0]]
    frame = first.main.tensors[first.main.outputs[0]]
    frames, rest = divmod(target.elements, frame.elements)
    if rest or not frames or front.frames not in (None, frames):
        wanted = f"{front.frames} frames" if front.frames else "frames"
        raise EdgeqError(
            f"The model takes {target.elements} values, which are no {wanted} of "
            f"{frame.elements} features.",
            f"{model.path}, {front.name}",
            "change the front end's number of bands, coefficients or frames",
        )
    step = front.frame_step or frames
    if stream.counter is not None and frames > 1:
        raise EdgeqError(
            f"The model takes {frames} windows of this front end at once; one is possible.",
            f"{model.path}, {front.name}",
        )
    parts = _Parts(list(first.main.tensors), list(first.main.ops))
    quantized = parts.quantized(frame, target)
    counter = None
    if frames == 1 and step == 1:
        fed = parts.add(target)
        parts.op("RESHAPE", (quantized,), (fed,))
    else:
        counter = parts.add_variable("frames counted", (2,), "int32")
        frames_held = parts.add(replace(target, name="frames", is_variable=True))
        parts.op(STACK, (quantized, counter), (frames_held,), {"step": step})
        fed = parts.add(target)
        parts.op("COPY", (frames_held,), (fed,))
    main = parts.followed_by(model, fed)
    identity = f"{first.sha256} {frames} {step} {model.sha256}"
    if stream.counter is None:
        stream = replace(stream, frames=frames, frame_step=step, counter=counter)
    if front.decision is not None:
        stream, main = _decided(front, model, stream, main)
        identity += f" {front.decision}"
    return replace(
        model,
        sha256=hashlib.sha256(identity.encode()).hexdigest(),
        subgraphs=tuple(main if s.index == model.entry else s for s in model.subgraphs),
        stream=stream,
        info=replace(model.info, inputs=()),
    )


def rules_for(decision: Decision, model: Graph, stream: Stream) -> Rules:
    """A decision for the answers of a model behind a front end.

    Raises:
        EdgeqError: It does not fit the model, or its answers are no scores.
    """
    answer = model.main.tensors[model.main.outputs[0]]
    described = model.info.outputs[0].labels if model.info.outputs else ()
    times = stream.step * stream.frame_step / stream.axes
    rules = rules_of(
        decision,
        answer.elements,
        stream.first_answer,
        stream.step * stream.frame_step,
        times / stream.rate_hz if stream.rate_hz else 0.0,
        labels=described,
        where=f"{model.path}, {stream.name}",
    )
    check_scores(answer, rules.full_scale, model.path)
    check_reach(answer, rules, model.path)
    return replace(rules, settling=read_settling(model.metadata))


def _decided(
    front: FrontEnd, model: Graph, stream: Stream, main: Subgraph
) -> tuple[Stream, Subgraph]:
    """The graph with the decision behind its outputs."""
    assert front.decision is not None
    parts = _Parts(list(main.tensors), list(main.ops))
    if isinstance(front.decision, Detection):
        return _detected(front.decision, model, stream, main, parts)
    rules = rules_for(front.decision, model, stream)
    answer = main.tensors[main.outputs[0]]
    score = score_tensor(answer, rules.full_scale)
    if answer.dtype == "uint8":
        answer = parts.tensors[parts.turned("QUANTIZE", answer.index, as_int8(answer))]
    scores = parts.turned("QUANTIZE", answer.index, score)
    state = parts.add_variable("decision", (rules.state_words,), "int32")
    history = parts.add_variable("scores", (rules.average, answer.elements), "int16")
    ready = parts.add(Tensor(0, "events ready", (1,), "int32"))
    parts.op(DECISION, (scores, state, history), (ready,), {"rules": rules})
    rules = replace(rules, state=state)
    decided = replace(main, tensors=tuple(parts.tensors), ops=tuple(parts.ops))
    return replace(stream, decision=rules), decided


def box_rules_for(detection: Detection, model: Graph, first: int = 1, step: int = 1) -> BoxRules:
    """A detection for a model's answers.

    Args:
        detection: What the file says.
        model: The model.
        first, step: Samples until the first answer, and from one answer to the next.

    Raises:
        EdgeqError: It does not fit the model.
    """
    outputs = [model.main.tensors[index] for index in model.main.outputs]
    described = model.info.outputs[0].labels if model.info.outputs else ()
    return box_rules_of(detection, outputs, first, step, labels=described, where=model.path)


def _detected(
    detection: Detection, model: Graph, stream: Stream, main: Subgraph, parts: _Parts
) -> tuple[Stream, Subgraph]:
    step = stream.step * stream.frame_step
    rules = box_rules_for(detection, model, stream.first_answer, step)
    outputs = [main.tensors[index] for index in main.outputs]
    wanted = dict(zip(rules.source, read_tensors(detection, outputs, rules.source), strict=True))
    read = {
        at: outputs[at].index
        if tensor.dtype == outputs[at].dtype
        else parts.turned("QUANTIZE", outputs[at].index, replace(tensor, name="boxes"))
        for at, tensor in wanted.items()
    }
    state = parts.add_variable("decision", (rules.state_words,), "int32")
    ready = parts.add(Tensor(0, "events ready", (1,), "int32"))
    boxes, scores = (read[at] for at in rules.source)
    parts.op(DETECTION, (scores, boxes, state), (ready,), {"rules": rules})
    decided = replace(main, tensors=tuple(parts.tensors), ops=tuple(parts.ops))
    return replace(stream, decision=replace(rules, state=state)), decided


class _Parts:
    """Tensors and ops of a graph that grows."""

    def __init__(self, tensors: list[Tensor], ops: list[Op]) -> None:
        self.tensors = tensors
        self.ops = ops
        self.inputs = (0,)

    def add(self, tensor: Tensor) -> int:
        self.tensors.append(replace(tensor, index=len(self.tensors)))
        return len(self.tensors) - 1

    def add_variable(self, name: str, shape: tuple[int, ...], dtype: str) -> int:
        return self.add(Tensor(0, name, shape, dtype, is_variable=True))

    def op(
        self,
        name: str,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.ops.append(Op(len(self.ops), name, inputs, outputs, options or {}))

    def quantized(self, frame: Tensor, target: Tensor) -> int:
        """The frame in the type and scale of the model's input."""
        name = f"{frame.name}, quantized"
        shaped = replace(target, shape=frame.shape, name=name, dynamic_axes=())
        if target.dtype == "float32":
            if frame.dtype == "float32":
                return frame.index
            return self.turned("DEQUANTIZE", frame.index, shaped)
        if target.dtype not in _INTEGERS or target.quantization is None:
            raise EdgeqError(f"A front end fills no input of type {target.dtype}.", target.name)
        source = frame.index
        if {frame.dtype, target.dtype} == {"int16", "uint8"}:
            between = as_int8(frame if frame.dtype == "uint8" else shaped)
            source = self.turned("QUANTIZE", source, between)
        return self.turned("QUANTIZE", source, shaped)

    def turned(self, name: str, source: int, tensor: Tensor) -> int:
        """The tensor `source` as another one."""
        result = self.add(tensor)
        self.op(name, (source,), (result,))
        return result

    def followed_by(self, model: Graph, fed: int) -> Subgraph:
        """The subgraph of these ops and the model's, whose input is `fed`."""
        base, known = len(self.tensors), {model.main.inputs[0]: fed}
        for tensor in model.main.tensors:
            self.add(tensor)

        def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(i if i < 0 else known.get(i, i + base) for i in indices)

        for op in model.main.ops:
            self.ops.append(
                replace(
                    op,
                    index=len(self.ops),
                    inputs=moved(op.inputs),
                    outputs=moved(op.outputs),
                    intermediates=moved(op.intermediates),
                )
            )
        return replace(
            model.main,
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            inputs=self.inputs,
            outputs=moved(model.main.outputs),
        )
