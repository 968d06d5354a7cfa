"""What runs where: which runtimes take a model, and who owns the arithmetic of an op.

The types that each side has kernels for are data: `OPS` for edgeq's C, boards/runtimes for
TensorFlow Lite Micro and LiteRT. convert says by them where a model runs, the op table shows them,
and the oracle that `verify` and `deploy` hold a model against follows the same rule, by trying.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.boards.runtimes.check import check_newest, lacking_in_litert, runtime_data
from edgeq.compiler.ops import OPS
from edgeq.compiler.ops.shared.base import Isa
from edgeq.compiler.plan.program import lower_graph
from edgeq.devices.oracle import ORACLE, SECOND_ORACLE
from edgeq.errors import EdgeqError
from edgeq.model.graph import Graph

EDGEQ_C, TFLM, LITERT = "edgeq's C", "TensorFlow Lite Micro", "LiteRT"
_NAMED = 3


@dataclass(frozen=True)
class RunsOn:
    """Where a model runs.

    Attributes:
        problems: By runtime, what it lacks: a sentence for each op; empty where it runs.
    """

    problems: dict[str, tuple[str, ...]]

    @property
    def able(self) -> tuple[str, ...]:
        """The runtimes that run it."""
        return tuple(name for name, problems in self.problems.items() if not problems)

    def __str__(self) -> str:
        return ", ".join(self.able)

    def warnings(self) -> tuple[str, ...]:
        """What to say of the runtimes that lack something."""
        return tuple(
            f"{name} cannot run this model: {'; '.join(problems[:_NAMED])}"
            + (f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else "")
            for name, problems in self.problems.items()
            if problems
        )


def runs_on(graph: Graph) -> RunsOn:
    """Where an integer model runs, of edgeq's C, TensorFlow Lite Micro and LiteRT."""
    return RunsOn(
        {
            EDGEQ_C: _c_problems(graph),
            TFLM: tuple(check_newest(graph, "tflm")),
            LITERT: tuple(lacking_in_litert(graph)),
        }
    )


def _c_problems(graph: Graph) -> tuple[str, ...]:
    try:
        lower_graph(graph, Isa(kernels=("portable",)))
    except EdgeqError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        return (" ".join(line for line in lines if line),)
    return ()


def owner(op: str, dtype: str) -> str | None:
    """The address of the oracle of an op with activations of a type; None where nobody has it."""
    known = runtime_data("tflm")["ops"].get(op)
    if known is not None and dtype in known:
        return ORACLE
    return SECOND_ORACLE if op in OPS and dtype in OPS[op].types else None
