"""Features for training and calibration, computed by the C that the device will run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.compiler.compilation import generate
from edgeq.data import DatasetOptions, InputSpec, Understood, open_dataset
from edgeq.data.arrays import has_labels
from edgeq.data.audio import AUDIO_SUFFIXES
from edgeq.data.folders import class_folders, files_below
from edgeq.data.labels import label_array
from edgeq.data.open import as_array
from edgeq.data.resampling import resampled_frames
from edgeq.data.wav import read_header
from edgeq.devices.generated import NAME
from edgeq.devices.host_c import HostSession, host_target
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import Described
from edgeq.frontend.silent import silent_bands
from edgeq.model.joining import FrontEnd
from edgeq.model.recording import whole_recording
from edgeq.model.stream import Stream
from edgeq.support.array import Array
from edgeq.support.output import check_writable, write_results
from edgeq.support.progress import track
from edgeq.support.result import Result

_MOST_SAMPLES = 1 << 28  # of one recording: four hours and a half at 16 kHz, in memory as float32

Source = str | Path | Mapping[str, Any] | Described | FrontEnd


class Extractor:
    """A front end, compiled for this machine.

    Attributes:
        front: What was compiled.
        stream: How samples reach it.
        precision: "int16" or "float32".
        scale: Real value of a step of an integer feature; None for floats.
        zero_point: The integer that is a feature of 0.
    """

    def __init__(self, source: Source, precision: str | None = None) -> None:
        front = source if isinstance(source, FrontEnd) else front_end(source, precision)
        if precision is not None:
            front = replace(front, precision=precision)
        graph = front.graph(fpu=True)
        assert graph.stream is not None
        self.front = front
        self.stream: Stream = graph.stream
        self.precision = next(name for name, g in front.graphs.items() if g is graph)
        frame = graph.main.tensors[graph.main.outputs[0]]
        self.scale = frame.scale or None
        self.zero_point = frame.zero_point if frame.scale else 0
        self.features = frame.elements
        self._session = HostSession("c", generate(graph, name=NAME, target=host_target()))

    def raw(self, samples: Array) -> Array:
        """The frames of one recording as the device computes them.

        Args:
            samples: int16, or floats from -1 to 1; shape (N,).

        Returns:
            int16 or float32, shape (frames, features).
        """
        (frames,) = self._session.stream(whole_recording(samples, self.stream, "samples"))
        return frames

    def __call__(self, samples: Array) -> Array:
        """The frames of one recording in real numbers, float32; see `raw`."""
        frames = self.raw(samples)
        if self.scale is None:
            return frames
        steps = frames.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(steps * np.float32(self.scale))

    def close(self) -> None:
        """Free the compiled code."""
        self._session.close()

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, eq=False, repr=False)
class Features(Result):
    """The features of recordings.

    Attributes:
        frontend: Name of the front end.
        precision: Of its arithmetic.
        x: float32, shape (recordings, frames, features).
        y: int64 class of each recording; None where there are none.
        classes: Names of the classes.
        data: What was understood of the data.
        warnings: What the user should know of the front end, in sentences.
    """

    frontend: str
    precision: str
    x: Array
    y: Array | None = None
    classes: tuple[str, ...] = ()
    data: Understood | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq features`."""
        return {
            "edgeq": __version__,
            "frontend": self.frontend,
            "precision": self.precision,
            "shape": list(self.x.shape),
            "classes": list(self.classes),
            "labelled": self.y is not None,
            "data": self.data and self.data.to_json(),
            "warnings": list(self.warnings),
        }


def features(
    frontend: Source,
    data: Any,
    output: str | Path | None = None,
    *,
    precision: str | None = None,
    frames: int | None = None,
    dataset_options: DatasetOptions | None = None,
    limit: int | None = None,
    force: bool = False,
) -> Features:
    """The features of recordings, computed by the very C that the device will run.

    Args:
        frontend: A built-in name, a TOML file, or a mapping of its keys.
        data: A folder of .wav files (one subfolder a class), one .wav file, or what `--data` takes
            elsewhere, of samples; or arrays.
        output: An .npz file with `x`, and `y` and `classes` where there are labels.
        precision: "int16" or "float32": that of the device; by default this machine's, float32.
        frames: Frames of each recording; a short one gets silence at its end, a long one is cut.
            By default what the description says, or all, if all recordings are as long.
        dataset_options: Sample rate and resampling.
        limit: Use at most so many recordings.
        force: Replace the output if it exists.

    Raises:
        EdgeqError: The front end makes no sense, or a recording cannot be used: another rate,
            several channels, no sound or NaN in it.
    """
    if output is not None:
        if Path(output).suffix != ".npz":
            raise EdgeqError(f"'{output}' is no .npz.")
        check_writable(Path(output), force=force, inputs=(frontend, data))
    with Extractor(frontend, precision) as extract:
        samples = _samples(extract, data, frames)
        if samples > _MOST_SAMPLES:
            raise EdgeqError(
                f"So many frames take {samples:,} samples of each recording.",
                hint=f"a smaller --frames; {_MOST_SAMPLES:,} samples are possible",
            )
        spec = _spec(extract.stream, samples)
        labelled = _has_labels(data)
        options = dataset_options or DatasetOptions()
        dataset = open_dataset(data, [spec], labelled=labelled, options=options, limit=limit)
        x, y = [], []
        for sample in track(dataset, "features", dataset.count):
            x.append(extract(sample.inputs[0]))
            if not np.isfinite(x[-1]).all():
                raise EdgeqError(
                    f"The features of recording {len(x) - 1} hold NaN or infinity.",
                    extract.front.name,
                    "look at unit, sos, mean and std: float32 does not hold what comes of them",
                )
            y.append(sample.label)
        result = Features(
            extract.front.name,
            extract.precision,
            np.stack(x),
            label_array(y) if labelled else None,
            dataset.classes,
            dataset.understood,
            silent_bands(extract.front),
        )
    if output is not None:
        _write(Path(output), result, force=force)
    return result


def _spec(stream: Stream, samples: int) -> InputSpec:
    """What a recording looks like: rows of axes, or a row of samples."""
    if stream.dtype == "uint8":
        return InputSpec("frame", stream.shape, dtype="uint8", own="uint8", low=0, high=255)
    rows = samples // stream.axes
    shape = (rows, stream.axes) if stream.axes > 1 else (rows,)
    most = 32768 * stream.unit
    rate = stream.rate_hz if stream.axes == 1 else None
    slack = stream.window if stream.axes == 1 else 0
    return InputSpec(
        "samples",
        shape,
        own="int16",
        low=-most,
        high=most,
        rate_hz=rate,
        slack=slack,
        sensed=True,
        sound=stream.sound,
    )


def _has_labels(data: Any) -> bool:
    if not isinstance(data, str | Path):
        return isinstance(data, tuple)
    path = Path(data)
    return bool(class_folders(path)) if path.is_dir() else has_labels(str(data))


def _samples(extract: Extractor, data: Any, frames: int | None) -> int:
    """How many samples of each recording count.

    Raises:
        EdgeqError: The recordings have different lengths and nobody said how many frames; or they
            are shorter than a window.
    """
    stream = extract.stream
    if stream.shape:
        if frames not in (None, 1):
            raise EdgeqError(f"A picture is one frame, not {frames}.", extract.front.name)
        return stream.first_answer
    frames = frames or extract.front.frames
    if frames is not None:
        if stream.counter is not None:
            return stream.first_answer + (frames - 1) * stream.step * stream.frame_step
        return replace(stream, frames=frames).first_answer
    lengths = _lengths(data, stream)
    if not lengths:
        raise EdgeqError(
            "How long the recordings are is known of .wav files only.", str(data), "--frames N"
        )
    (short, first), (long, last) = min(lengths.items()), max(lengths.items())
    # Rates whose ratio is no whole number leave recordings a sample apart.
    if short != long and not (long - short == 1 and stream.answers(short) == stream.answers(long)):
        raise EdgeqError(
            f"The recordings have from {short:,} to {long:,} samples; how many frames of each?",
            f"{first}, {last}",
            f"--frames {max(stream.answers(long), 1)}",
        )
    if short < stream.first_answer:
        raise EdgeqError(
            f"The recordings have {short:,} samples; a frame needs {stream.first_answer:,}.",
            str(first),
            "--frames 1 adds silence",
        )
    return short


def _lengths(data: Any, stream: Stream) -> dict[int, Path]:
    """Samples of recordings at the front end's rate, each with a file that has so many."""
    if not isinstance(data, str | Path):
        array = as_array(data[0] if isinstance(data, tuple) else data)
        values = array[0].size if array.ndim > 1 and len(array) else 0
        return {values: Path("the arrays given")} if values else {}
    path = Path(data)
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return {_heard(path, stream): path}
    if not path.is_dir():
        return {}
    files = [file for file in files_below(path) if file.suffix.lower() in AUDIO_SUFFIXES]
    return {_heard(file, stream): file for file in reversed(files)}


def _heard(file: Path, stream: Stream) -> int:
    header = read_header(file)
    if not stream.rate_hz:
        return header.frames
    return resampled_frames(header.frames, header.rate_hz, stream.rate_hz, str(file))


def _write(output: Path, result: Features, *, force: bool) -> None:
    import io

    arrays = {"x": result.x}
    if result.y is not None:
        arrays |= {"y": result.y, "classes": np.asarray(result.classes)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_results({output: buffer.getvalue()}, force=force)
