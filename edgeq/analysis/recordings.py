"""Models with a front end, so that every command that feeds a model can feed recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeq.compiler.options import CompileOptions
from edgeq.data.dialect import find_dialect
from edgeq.data.resampling import resample as resampled
from edgeq.data.wav import read_wav
from edgeq.devices.base import Heard, Measurement, ProfileOptions, Session
from edgeq.devices.registry import address_of
from edgeq.devices.tensors import TensorSpec, call_in_order, graph_specs
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.recording import heard, whole_recording
from edgeq.model.stream import Stream
from edgeq.support.array import Array
from edgeq.support.foreign import MOST_FILE_BYTES, read_bytes

# Columns of .csv files that are no axes, and how far their rate may be off.
_TIMES, _SAME_RATE = ("time", "t", "timestamp"), 0.02
_LONGEST_S = 1e10  # three centuries: what stands beyond is no time
_ASTRAY = 1  # samples that a time may be from its place
# Where the generated C runs with a front end before it.
_HEARING = ("c", "wasm", "sim", "qemu", "serial", "ssh", "adb")


def as_fed(graph: Graph, options: CompileOptions | None) -> Graph:
    """The graph with the input that its data is for: recordings where there is a front end."""
    if options is None or options.frontend is None:
        return graph
    return heard(options.frontend, graph)


def hears(address: str) -> bool:
    """Whether front ends run on an address."""
    return address_of(address).scheme in _HEARING


def check_hears(address: str, options: CompileOptions) -> None:
    """Refuse a front end where none runs.

    Raises:
        UsageError: The address runs no generated C that is given samples from here.
    """
    if options.frontend is not None and not hears(address):
        raise UsageError(
            f"No front ends run on {address}.", hint="--on c, --on wasm: or --on sim:CPU"
        )


def read_recording(path: Path, stream: Stream, *, resample: bool = False) -> Array:
    """The samples of a recording for a front end, in a row, int16.

    Args:
        path: A .wav file of one channel (PCM of 8 to 32 bits or float), or a .csv file with a
            column for each axis, in real units; a column `time` (seconds) is checked and left out.
        stream: How the front end takes samples.
        resample: Whether a .wav file of another rate is resampled.

    Raises:
        EdgeqError: No such file, several channels or another number of axes, another rate, NaN,
            or no samples.
    """
    if stream.shape:
        raise EdgeqError("This front end takes frames, no recordings.", str(path))
    if path.suffix.lower() == ".csv":
        return whole_recording(_read_table(path, stream), stream, str(path))
    if stream.axes > 1:
        raise EdgeqError(
            "This front end takes no .wav files.", str(path), ".npy or .csv of (N, axes)"
        )
    content = read_bytes(path, "recording", MOST_FILE_BYTES)
    header, signal = read_wav(content, str(path))
    if header.channels != 1:
        raise EdgeqError(
            f"The recording has {header.channels} channels; the front end takes one.", str(path)
        )
    if header.rate_hz != stream.rate_hz:
        if not resample:
            raise EdgeqError(
                f"The recording has {header.rate_hz:,} Hz; the front end takes "
                f"{stream.rate_hz:,} Hz.",
                str(path),
                f"sox {path.name} -r {stream.rate_hz} OUT.wav",
            )
        signal = resampled(signal, header.rate_hz, stream.rate_hz, str(path))
    return whole_recording(signal.reshape(-1), stream, str(path))


def _read_table(path: Path, stream: Stream) -> Array:
    """The axes of a .csv file, shape (times, axes)."""
    dialect = find_dialect(path)
    columns = [k for k, name in enumerate(dialect.header) if name.strip().lower() not in _TIMES]
    if len(columns) != stream.axes:
        raise EdgeqError(
            f"The file has {len(columns)} columns of values; the front end takes {stream.axes} "
            "axes.",
            str(path),
            f"a column for each axis; one for times is called {' or '.join(_TIMES)}",
        )
    rows, times, lines = [], [], []
    for number, fields in dialect.lines(path):
        try:
            numbers = [dialect.number(field) for field in fields]
        except ValueError:
            raise EdgeqError("A field is no number.", f"{path}, line {number}") from None
        if len(numbers) != len(dialect.header):
            raise EdgeqError(
                f"The line has {len(numbers)} fields, not {len(dialect.header)}.",
                f"{path}, line {number}",
            )
        rows.append([numbers[k] for k in columns])
        lines.append(number)
        times += [value for k, value in enumerate(numbers) if k not in columns][:1]
    if times:
        _check_times(np.asarray(times), lines, stream.rate_hz, path)
    return np.asarray(rows, np.float32).reshape(-1, stream.axes)


def _check_times(times: Array, lines: Sequence[int], rate_hz: float, path: Path) -> None:
    """Refuse times that are not those of samples one after the other.

    A sample is where its row is: behind what is missing, all events would lie elsewhere. Single
    times may be late or early by a sample (those of loggers are); the next ones make up for it.

    Raises:
        EdgeqError: They are of another rate, or samples are missing, doubled or out of order.
    """
    steps = np.diff(np.clip(times, -_LONGEST_S, _LONGEST_S))
    if not len(steps):
        return
    if abs(float(np.median(steps)) * rate_hz - 1) > _SAME_RATE:
        raise EdgeqError(
            f"The times of the recording are {np.median(steps):.4g} s apart; the front end takes "
            f"{rate_hz:,} Hz.",
            str(path),
        )
    lost = np.round(steps * rate_hz) - 1  # below 0 where samples are doubled
    places = np.concatenate([[0], np.cumsum(lost)])
    if np.ptp(places) <= _ASTRAY:
        return
    worst = int(np.argmax(np.abs(lost)))
    missing, doubled = int(lost[lost > 0].sum()), int(-lost[lost < 0].sum())
    raise EdgeqError(
        f"The times of the recording do not rise by a sample each: {missing:,} samples are missing "
        f"and {doubled:,} too many; the largest step is from {times[worst]:g} to "
        f"{times[worst + 1]:g} s.",
        f"{path}, line {lines[worst + 1]}",
        "fill what is missing, or cut the recording there; without the column of times the "
        "samples are taken for evenly spaced",
    )


class RecordingSession(Session):
    """A session whose calls take a recording each, from the initial state."""

    def __init__(self, inner: Session, graph: Graph) -> None:
        self._inner = inner
        self._inputs: list[TensorSpec] = graph_specs(graph, graph.main.inputs)
        self._outputs: list[TensorSpec] = graph_specs(graph, graph.main.outputs)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The first answer to each of N recordings, shape (N, 1, samples)."""

        def call(recording: list[Array]) -> list[Array]:
            return [answers[0] for answers in self._inner.stream(recording[0].reshape(-1))]

        return call_in_order(inputs, self._inputs, self._outputs, call)

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """All answers to one recording, and its events."""
        return self._inner.hear(samples, chunk)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """Not for recordings."""
        del inputs
        raise EdgeqError("Where answers to a recording differ is not looked for, op by op.")

    def reset(self) -> None:
        """Every recording starts from the initial state."""

    def profile(self, options: ProfileOptions) -> Measurement:
        """Of the call that ends in an answer."""
        return self._inner.profile(options)

    def close(self) -> None:
        """Free everything."""
        self._inner.close()
