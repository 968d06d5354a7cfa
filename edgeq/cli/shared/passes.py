"""What graph passes did, and the graph they leave, as text."""

from __future__ import annotations

from pathlib import Path

from edgeq.analysis.float_graph import float_graph
from edgeq.cli.shared.common import print_json
from edgeq.cli.shared.tables import result_console, show_table
from edgeq.conversion.explain import FiredPass
from edgeq.support.terminal import say


def show_passes(passes: tuple[FiredPass, ...]) -> None:
    """Print which passes changed which layers, in order."""
    say("passes:" if passes else "passes: none changed anything")
    for fired in passes:
        say(f"  {fired.name}: {fired.purpose}")
        for change in fired.changes:
            say(f"    {change}")


def show_float_graph(model: Path, *, trust: bool, as_json: bool) -> None:
    """Print the float graph of a model, op by op, and what passes changed."""
    found = float_graph(model, trust=trust)
    if as_json:
        print_json(found.to_json())
        return
    say(f"{found.path}: {', '.join(found.inputs)} in, {', '.join(found.outputs)} out, float")
    rows = [
        (
            str(op.index),
            op.op,
            ", ".join(op.layers),
            ", ".join(op.inputs),
            " ".join("x".join(map(str, shape)) for shape in op.shapes),
        )
        for op in found.ops
    ]
    show_table(result_console(), ("#", "op", "layers", "reads", "shape"), rows, right=(0,))
    show_passes(found.passes)
