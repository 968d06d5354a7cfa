"""Detectors on a device: a model whose answers, with a decision, are boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeq.analysis.recordings import as_fed, hears
from edgeq.analysis.sessions import open_session
from edgeq.compiler.options import CompileOptions
from edgeq.data import DatasetOptions
from edgeq.devices.base import Measurement, ProfileOptions, Session
from edgeq.frontend.detector import detect
from edgeq.frontend.features import Extractor
from edgeq.metrics.base import Samples
from edgeq.model.arrays import input_tensors, to_input
from edgeq.model.decision import ONE, Event
from edgeq.model.detection import Detection
from edgeq.model.graph import Graph, Tensor
from edgeq.model.joining import box_rules_for
from edgeq.support.array import Array

_DETECTOR = "TFLite_Detection_PostProcess"


def detection_of(options: CompileOptions | None) -> Detection | None:
    """What makes boxes of a model's answers; None where nothing does."""
    front = None if options is None else options.frontend
    found = None if front is None else front.decision
    return found if isinstance(found, Detection) else None


def as_detector(graph: Graph, detection: Detection) -> Graph:
    """The graph with the outputs of a detector: boxes, classes, scores and count, as float32."""
    most = detection.max_detections
    tensors = list(graph.main.tensors)
    first = len(tensors)
    for number, shape in enumerate(((1, most, 4), (1, most), (1, most), (1,))):
        tensors.append(Tensor(first + number, f"detections {number}", shape, "float32"))
    main = replace(graph.main, tensors=tuple(tensors), outputs=tuple(range(first, len(tensors))))
    return replace(
        graph,
        subgraphs=tuple(main if s.index == graph.entry else s for s in graph.subgraphs),
        info=replace(graph.info, outputs=()),
    )


def as_made(graph: Graph, metric: str, found: Samples) -> Samples:
    """The outputs in the order in which the op of detectors makes them, which the metric takes.

    Files of TensorFlow 2's Object Detection API list them as scores, boxes, count and classes.

    Args:
        graph: What the outputs are of.
        metric: Its name; others take outputs as the file lists them.
        found: The outputs as the file lists them.
    """
    listed = graph.main.outputs
    for op in graph.main.ops if metric == "detection" else ():
        if op.custom_name == _DETECTOR and set(op.outputs) <= set(listed):
            outputs = [found.outputs[listed.index(tensor)] for tensor in op.outputs]
            return replace(found, outputs=outputs)
    return found


def as_judged(
    graph: Graph, options: CompileOptions | None, reading: DatasetOptions
) -> tuple[Graph, DatasetOptions]:
    """A model as its data and its metric see it, and how the data is read.

    Args:
        graph: Of the file.
        options: With the front end, if there is one.
        reading: What the user says; a detector's labels are the names of the classes.
    """
    fed, detection = as_fed(graph, options), detection_of(options)
    if detection is None:
        return fed, reading
    names = reading.classes or box_rules_for(detection, graph).labels
    return as_detector(fed, detection), replace(reading, classes=names)


def open_judged(
    address: str,
    path: Path,
    options: CompileOptions | None,
    graph: Graph,
    *,
    reference: bool = False,
) -> Session:
    """A session whose outputs are those that the metric is for.

    Of a detector they are those of `as_detector`, in parts of the camera's frame. Where the
    generated C runs with its front end, the events are its own. Elsewhere frames go through the
    front end here, and boxes are made of the answers here: by the same integers.

    Args:
        address: Device address.
        path: The .tflite file.
        options: With the front end and its decision, if there are some.
        graph: Of the file.
        reference: As in `open_session`.
    """
    detection = detection_of(options)
    if options is None or options.frontend is None or detection is None:
        return open_session(address, path, options, reference=reference)
    if hears(address):
        inner = open_session(address, path, options, reference=reference)
        return DetectorSession(inner, graph, detection, options)
    inner = open_session(address, path, replace(options, frontend=None), reference=reference)
    return DetectorSession(inner, graph, detection, options, Extractor(options.frontend))


class DetectorSession(Session):
    """A session whose calls take a frame each, and give boxes, classes, scores and count."""

    def __init__(
        self,
        inner: Session,
        graph: Graph,
        detection: Detection,
        options: CompileOptions,
        extract: Extractor | None = None,
    ) -> None:
        self._inner, self._graph, self._detection = inner, graph, detection
        self._extract = extract
        stream = as_fed(graph, options).stream
        assert stream is not None
        self._seen = stream.seen
        self._rules = box_rules_for(detection, graph, stream.first_answer, stream.step)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the model inside."""
        return self._inner.warnings

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The detections in each of N frames."""
        (frames,) = inputs
        rows = frames.reshape(len(frames), -1)
        if self._extract is None:
            return self._arrays([self._inner.hear(row).events for row in rows])
        (target,) = input_tensors(self._graph.main)
        features = np.stack([self._extract(row)[0] for row in rows])
        shaped = features.reshape(len(rows), *target.shape[1:])
        answers = self._inner.run([to_input(shaped, target, target.name)])
        return self._arrays(detect(answers, self._graph, self._detection, self._rules))

    def _arrays(self, found: Sequence[Sequence[Event]]) -> list[Array]:
        n, most = len(found), self._detection.max_detections
        boxes = np.zeros((n, most, 4), np.float32)
        classes, scores = np.zeros((n, most), np.float32), np.zeros((n, most), np.float32)
        left, top, width, height = self._seen
        for row, events in enumerate(found):
            for k, event in enumerate(events):
                assert event.box is not None
                xmin, ymin, xmax, ymax = (side / ONE for side in event.box)
                boxes[row, k] = (
                    top + ymin * height, left + xmin * width,
                    top + ymax * height, left + xmax * width,
                )  # fmt: skip
                classes[row, k], scores[row, k] = event.label, event.score / ONE
        count = np.asarray([[len(events)] for events in found], np.float32)
        return [boxes[:, None], classes[:, None], scores[:, None], count]

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """That of the model inside."""
        return self._inner.trace(inputs)

    def reset(self) -> None:
        """Every frame starts from the initial state."""

    def profile(self, options: ProfileOptions) -> Measurement:
        """That of the model inside."""
        return self._inner.profile(options)

    def close(self) -> None:
        """Free everything."""
        if self._extract is not None:
            self._extract.close()
        self._inner.close()
