"""Models with a front end, so that every command that feeds a model can feed recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeq.analysis.clock import Clock, clock_of
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import has_fpu
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

_TIMES = ("time", "t", "timestamp")  # columns of .csv files that are no axes
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


def in_form_of(address: str, options: CompileOptions) -> CompileOptions:
    """The options with the front end in the arithmetic that it has on an emulated core.

    What is compared with that core must compute as it does, whatever would suit itself.
    """
    where = address_of(address)
    if options.frontend is None or where.scheme not in ("sim", "qemu"):
        return options
    fpu = has_fpu(load_target(where.rest))
    return replace(options, frontend=options.frontend.settled(fpu=fpu))


def read_recording(path: Path, stream: Stream, *, resample: bool = False) -> Array:
    """The samples of a recording for a front end, in a row, int16; as `read_timed`."""
    return read_timed(path, stream, resample=resample)[0]


def read_timed(path: Path, stream: Stream, *, resample: bool = False) -> tuple[Array, Clock]:
    """The samples of a recording for a front end, in a row, int16, and when they were taken.

    Args:
        path: A .wav file of one channel (PCM of 8 to 32 bits or float), or a .csv file with a
            column for each axis, in real units; a column `time` (seconds) makes the clock.
        stream: How the front end takes samples.
        resample: Whether a .wav file of another rate is resampled.

    Raises:
        EdgeqError: No such file, several channels or another number of axes, another rate, NaN,
            no samples, or times of which some are missing.
    """
    if stream.shape:
        raise EdgeqError("This front end takes frames, no recordings.", str(path))
    if path.suffix.lower() == ".csv":
        values, clock = _read_table(path, stream)
        return whole_recording(values, stream, str(path)), clock
    if not stream.sound:
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
    samples = whole_recording(signal.reshape(-1), stream, str(path))
    return samples, Clock(stream.values_per_second)


def axes_in(path: Path) -> tuple[str, ...]:
    """What a .csv file calls its axes, in its order; other recordings have no names for them."""
    if path.suffix.lower() != ".csv":
        return ()
    return tuple(name.strip() for name in find_dialect(path).header if _is_axis(name))


def _is_axis(name: str) -> bool:
    return name.strip().lower() not in _TIMES


def _read_table(path: Path, stream: Stream) -> tuple[Array, Clock]:
    """The axes of a .csv file, shape (times, axes), and its clock."""
    dialect = find_dialect(path)
    columns = [k for k, name in enumerate(dialect.header) if _is_axis(name)]
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
    clock = Clock(stream.values_per_second, stream.axes)
    if times:
        clock = clock_of(np.asarray(times, np.float64), lines, stream.rate_hz, stream.axes, path)
    return np.asarray(rows, np.float32).reshape(-1, stream.axes), clock


class RecordingSession(Session):
    """A session whose calls take a recording each, from the initial state."""

    def __init__(self, inner: Session, graph: Graph) -> None:
        self._inner = inner
        self._inputs: list[TensorSpec] = graph_specs(graph, graph.main.inputs)
        self._outputs: list[TensorSpec] = graph_specs(graph, graph.main.outputs)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The answer to each of N recordings, shape (N, 1, samples): the first that counts."""

        def call(recording: list[Array]) -> list[Array]:
            return [answers[-1] for answers in self._inner.stream(recording[0].reshape(-1))]

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
