"""Which ops edgeq compiles, by type, beside what TensorFlow Lite Micro and LiteRT have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeq.analysis.runs_on import owner
from edgeq.boards.runtimes.check import highest_versions, runtime_data
from edgeq.compiler.ops import OPS
from edgeq.compiler.plan.flatten import CONTROL_FLOW

TYPES = (
    "int8",
    "int16",
    "int4",
    "uint8",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "bool",
    "float32",
)


@dataclass(frozen=True)
class OpRow:
    """One row of the table.

    Attributes:
        op: TFLite's name.
        edgeq: Types that have kernels here; empty for ops that only steer.
        compiled: Whether edgeq compiles the op at all.
        tflm: Types that TensorFlow Lite Micro has kernels for; None if it lacks the op.
        litert_version: The highest version that LiteRT takes; None if it lacks the op.
        owners: Who owns the arithmetic, by type: the address of the oracle that `verify` uses.
        custom: Whether it is a custom op, known by its name only.
    """

    op: str
    edgeq: tuple[str, ...]
    compiled: bool
    tflm: tuple[str, ...] | None
    litert_version: int | None
    custom: bool = False
    owners: Mapping[str, str] = field(default_factory=dict)


def op_table() -> list[OpRow]:
    """A row for every op that edgeq or TensorFlow Lite Micro has, in alphabetical order."""
    tflm = runtime_data("tflm")["ops"]
    litert = highest_versions("litert")
    rows = []
    for op in sorted({*OPS, *CONTROL_FLOW, *tflm}):
        here = OPS[op].types if op in OPS else ()
        there = tuple(t for t in TYPES if t in tflm[op]) if op in tflm else None
        ordered = tuple(t for t in TYPES if t in here)
        compiled = op in OPS or op in CONTROL_FLOW
        custom = op in OPS and OPS[op].custom
        known = tuple(dict.fromkeys((*ordered, *(there or ()))))
        owners = {dtype: by for dtype in known if (by := owner(op, dtype)) is not None}
        rows.append(OpRow(op, ordered, compiled, there, litert.get(op), custom, owners))
    return rows


def markdown(rows: Sequence[OpRow]) -> str:
    """The table for the documentation; a type that only one side has is spelled out by it."""
    lines = [
        "| op | edgeq | TensorFlow Lite Micro | LiteRT, up to version |",
        "|---|---|---|---|",
    ]
    for row in rows:
        here = ", ".join(row.edgeq) or ("yes" if row.compiled else "")
        there = "" if row.tflm is None else ", ".join(row.tflm) or "yes"
        version = "" if row.litert_version is None else str(row.litert_version)
        name = f"{row.op} (custom)" if row.custom else row.op
        lines.append(f"| {name} | {here} | {there} | {version} |")
    return "\n".join(lines) + "\n"
