"""What users should know of a model before they believe its figures."""

from __future__ import annotations

from edgeq.boards.runtimes.faults import misclamps
from edgeq.model.graph import Graph, of_one_signature


def remarks_of(graph: Graph) -> tuple[str, ...]:
    """In sentences: what figures are of, and where runtimes differ by more than rounding."""
    return (*of_one_signature(graph), *misclamps(graph))
