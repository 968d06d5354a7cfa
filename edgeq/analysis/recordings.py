"""Models with a front end, so that every command that feeds a model can feed recordings."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import Measurement, ProfileOptions, Session
from edgeq.devices.tensors import TensorSpec, call_in_order, graph_specs
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.recording import heard
from edgeq.support.array import Array

# Where the generated C runs with a front end before it.
_HEARING = ("c", "wasm", "sim")


def as_fed(graph: Graph, options: CompileOptions | None) -> Graph:
    """The graph with the input that its data is for: recordings where there is a front end."""
    if options is None or options.frontend is None:
        return graph
    return heard(options.frontend, graph)


def check_hears(address: str, options: CompileOptions) -> None:
    """Refuse a front end where none runs.

    Raises:
        UsageError: The address runs no generated C that is given samples from here.
    """
    if options.frontend is not None and parse_address(address).scheme not in _HEARING:
        raise UsageError(
            f"No front ends run on {address}.", hint="--on c, --on wasm: or --on sim:CPU"
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

    def stream(self, samples: Array, chunk: int | None = None) -> list[Array]:
        """All answers to one recording."""
        return self._inner.stream(samples, chunk)

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
