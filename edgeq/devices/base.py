"""What every device can do: the one protocol behind `--on ADDRESS`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from edgeq.compiler.options import CompileOptions
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.decision import Event
from edgeq.support.array import Array


@dataclass(frozen=True)
class ProfileOptions:
    """How to measure.

    Attributes:
        runs: Timed calls; None lets the device choose (time-based on hosts, one warm call on
            emulators).
        warmup: Untimed calls before; None means until steady.
        seconds: Length of the timed part on hosts; None for the default.
        ops: Whether to fill the per-op table.
        input_index: Number of the xorshift input that is fed (see `edgeq.model.inputs`).
        extra: Options of one kind of device only ("threads", "cpu", "sustained_s", "paced_hz").
        memory: Whether to measure memory that takes a process of its own.

    Raises:
        UsageError: A number that cannot be.
    """

    runs: int | None = None
    warmup: int | None = None
    seconds: float | None = None
    ops: bool = True
    input_index: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    memory: bool = True

    def __post_init__(self) -> None:
        least = {"runs": 1, "warmup": 0, "seconds": 0, "input_index": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and not low <= value < math.inf:
                raise UsageError(f"{name} {value:g} is not possible.", hint=f"{low} or more")


@dataclass(frozen=True)
class OpProfile:
    """One thing that ran in an inference; None where the device cannot know.

    Attributes:
        index: Position of its op in the model, of the last one where it covers several; -1 where
            it belongs to none, or nobody can tell to which.
        op: What ran: the op, or what a delegate calls its own.
        name: The layer, by the tensor that it makes.
        share: Of the whole, from 0 to 1.
        us: Median time over the calls of the per-op pass, in microseconds; by a profiler that
            counts whole ones, it is an estimate within the microsecond.
        us_p10: A tenth of the calls took at most so long.
        us_p90: A tenth took at least so long.
        covers: Positions of all ops of the model that it did the work of.
        among: Where that cannot be known: positions of the ops that it may be of.
        delegated: Whether a delegate ran it, and not the runtime itself.
        subgraph: The subgraph that `index` counts in: 0 is the model, others are of loops and
            branches, whose ops have the figures of all turns together.
    """

    index: int
    op: str
    name: str
    macs: int | None = None
    instructions: int | None = None
    cycles: int | None = None
    share: float | None = None
    us: float | None = None
    us_p10: float | None = None
    us_p90: float | None = None
    covers: tuple[int, ...] = ()
    among: tuple[int, ...] = ()
    delegated: bool = False
    subgraph: int = 0


@dataclass(frozen=True)
class Latency:
    """Wall-clock latency of one inference, in microseconds; None where a tool does not tell."""

    n: int
    warmup: int
    first: float
    min: float
    mean: float
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float
    stdev: float

    @property
    def typical(self) -> float:
        """The median, or the mean where a tool tells no median."""
        return self.mean if self.p50 is None else self.p50


@dataclass(frozen=True)
class Memory:
    """Memory in bytes; None where the device cannot know. DESIGN: "What the numbers mean"."""

    arena: int | None = None
    static: int | None = None
    stack: int | None = None
    ram_total: int | None = None
    flash_code: int | None = None
    flash_const: int | None = None
    flash_total: int | None = None
    peak_rss: int | None = None


@dataclass(frozen=True)
class Measurement:
    """What one device found out about one model.

    Attributes:
        device: At least "address", "target", "cpu", "runtime", "runtime_version".
        output_sha256: Digest of all output bytes of the first call from the initial state, in order
            of the outputs.

    Raises:
        EdgeqError: It says that a call takes no time: no limit may be met by that.
    """

    device: Mapping[str, Any]
    latency_us: Latency | None = None
    instructions: int | None = None
    cycles: int | None = None
    cycles_estimated: bool = True
    memory_bytes: Memory = field(default_factory=Memory)
    ops: Sequence[OpProfile] = ()
    output_sha256: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    valid: bool = True
    warnings: Sequence[str] = ()
    samples_us: Sequence[float] = ()

    def __post_init__(self) -> None:
        still = self.latency_us is not None and not self.latency_us.typical > 0
        if still or (self.cycles == 0 and not self.cycles_estimated):
            raise EdgeqError(
                f"A call takes 0 {'us' if still else 'cycles'}, says the device.",
                str(self.device.get("address", "")),
                "its clock stands still, or is too coarse for this model",
            )


@dataclass(frozen=True, eq=False)
class Heard:
    """What became of one recording.

    Attributes:
        answers: One array per model output, shape (answers, *output_shape).
        events: What the decision made of them; none where there is no decision.
    """

    answers: list[Array]
    events: tuple[Event, ...] = ()


AnySession = TypeVar("AnySession", bound="Session")


class Session(ABC):
    """One model loaded on one device. Calls are made in order, so state is kept between them."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is known to be wrong with this device's arithmetic on this model, in sentences."""
        return ()

    def alone(self) -> AbstractContextManager[None]:
        """Keep other commands of this machine from measuring on the device in the block.

        Where a device cannot be kept from them, a measurement says what disturbed it.
        """
        return nullcontext()

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of N calls, made in order.

        Args:
            inputs: One array per model input, shape (N, *input_shape), of the input's dtype.

        Returns:
            One array per model output, shape (N, *output_shape), of the output's dtype.
        """

    def stream(self, samples: Array, chunk: int | None = None) -> list[Array]:
        """The answers to one recording from the initial state, through the model's front end.

        Args:
            samples: int16, shape (N,).
            chunk: Samples given at once; by default those from one answer to the next.

        Returns:
            One array per model output, shape (answers, *output_shape).

        Raises:
            EdgeqError: This device runs no front ends, or the model has none.
        """
        return self.hear(samples, chunk).answers

    def hear(self, samples: Array, chunk: int | None = None) -> Heard:
        """Answers and events of one recording; see `stream`."""
        del samples, chunk
        raise EdgeqError("Front ends run where generated C runs.", hint="--on c or --on sim:CPU")

    @abstractmethod
    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """The activation tensors of subgraph 0 after one call, by tensor index.

        Args:
            inputs: One array per model input, shape (*input_shape), without the sample axis.

        Raises:
            EdgeqError: This device cannot show intermediate tensors.
        """

    @abstractmethod
    def reset(self) -> None:
        """Set the model's state (variables) back to its initial value."""

    @abstractmethod
    def profile(self, options: ProfileOptions) -> Measurement:
        """Latency or instructions and cycles, memory, per-op figures."""

    @abstractmethod
    def close(self) -> None:
        """Free everything: processes, temporary files, connections."""

    def __enter__(self: AnySession) -> AnySession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Device(Protocol):
    """A place where models run."""

    address: str

    def open(self, model: Path, options: CompileOptions) -> Session:
        """A session with the .tflite file `model` loaded.

        Raises:
            EdgeqError: The device cannot be reached or cannot run this model.
        """
        ...
