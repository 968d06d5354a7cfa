"""What TensorFlow Lite's `benchmark_model` prints, as numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeq.devices.numbers import real, whole
from edgeq.support.text import lines_of

CPU_DELEGATE = "xnnpack"
_MOST_OPS = 100_000
# What Android's log and TensorFlow's put in front of a line.
_PREFIX = re.compile(r"^(?:\d\d-\d\d [\d:.]+\s+\d+\s+\d+ \w \w+\s*: )?(?:INFO: |VERBOSE: )?")


@dataclass(frozen=True)
class OpRow:
    """One line of its per-op table, in the order of execution.

    Attributes:
        index: Position of the op in the model, or in a delegate's part of it; None without one.
    """

    op: str
    name: str
    us: float
    index: int | None = None

    @property
    def delegated(self) -> bool:
        """Whether it is a delegate's: a whole part of the model, or an op inside one."""
        return "delegate" in self.op.lower()


@dataclass(frozen=True)
class BenchmarkOutput:
    """One run of the tool; None and empty where it was silent.

    Attributes:
        warmup: "count", "first", "min", "max", "avg", "std" of the warm-up, in microseconds.
        timed: The same of the timed part; newer versions add "p5", "median" and "p95".
        init_us: Time to load the model and to prepare it.
        memory_bytes: "init" and "overall" memory footprint, both approximate, says the tool.
        nodes: (delegated, all) nodes of the model, if its log counts them.
        parts: Into how many parts a delegate took the model; 1 is all of it, 0 is nothing.
        created: The delegates that its log says were created.
    """

    warmup: Mapping[str, float]
    timed: Mapping[str, float]
    init_us: float | None
    memory_bytes: Mapping[str, int]
    ops: Sequence[OpRow]
    nodes: tuple[int, int] | None
    parts: int | None
    created: tuple[str, ...]


def read_output(text: str, asked: str = CPU_DELEGATE) -> BenchmarkOutput:
    """The figures in the tool's output (stdout and stderr, or Android's log).

    Args:
        text: What it printed.
        asked: The delegate that was asked for; nodes of the CPU's own, which takes what another
            leaves, are not its.
    """
    lines = [_PREFIX.sub("", line) for line in lines_of(text)]
    counts = [_statistics(line) for line in lines if line.startswith("count=")]
    whole = "\n".join(lines)
    init = re.search(r"\bInit: (\d+)", whole)
    memory = re.search(
        r"(?:footprint delta from the start of the tool|Peak memory footprint) \(MB\): "
        r"init=([\d.]+) overall=([\d.]+)", whole,
    )  # fmt: skip
    footprint = zip(("init", "overall"), memory.groups(), strict=True) if memory else ()
    return BenchmarkOutput(
        warmup=counts[0] if len(counts) > 1 else {},
        timed=counts[-1] if counts else {},
        init_us=real(init[1]) if init else None,
        memory_bytes={
            name: round(value * (1 << 20))
            for name, words in footprint
            if (value := real(words)) is not None
        },
        ops=_last_run_order(lines),
        nodes=_nodes(whole, asked),
        parts=_parts(whole),
        created=tuple(
            dict.fromkeys(re.findall(r"[Cc]reated TensorFlow Lite (?:delegate for )?(\w+)", whole))
        ),
    )


def _statistics(line: str) -> dict[str, float]:
    found = {
        name: value
        for name, words in re.findall(r"\b(\w+)=(\d[\d.]*(?:e[+-]?\d+)?)", line)
        if (value := real(words)) is not None
    }
    # Of a single run it prints nothing but that.
    only = found.get("curr", 0.0)
    return {"first": only, "min": only, "max": only, "avg": only, "std": 0.0, **found}


def _nodes(text: str, asked: str) -> tuple[int, int] | None:
    found = [
        (int(some), int(total))
        for some, total, name in re.findall(
            r"Replacing (\d{1,9}) out of (\d{1,9}) node\(s\) with delegate(?: \((\w*)\))?", text
        )
        if asked == CPU_DELEGATE or CPU_DELEGATE not in name.lower()
    ]
    if not found:
        return None
    return sum(some for some, _ in found), max(total for _, total in found)


def _parts(text: str) -> int | None:
    if "will be completely executed by the delegate" in text:
        return 1
    if "will not be executed by the delegate" in text:
        return 0
    found = re.search(r"partially executed by the delegate w/ (\d+) delegate kernels", text)
    return whole(found[1]) if found else None


def _last_run_order(lines: Sequence[str]) -> list[OpRow]:
    """The rows of the last table of that name: an earlier one is about the initialization."""
    starts = [number for number, line in enumerate(lines) if " Run Order " in line]
    if not starts:
        return []
    head = _cells(lines[starts[-1] + 1]) if starts[-1] + 1 < len(lines) else []
    if "[avg ms]" not in head:
        return []
    at = head.index("[avg ms]")
    rows: list[OpRow] = []
    for line in lines[starts[-1] + 2 : starts[-1] + 2 + _MOST_OPS]:
        cells = _cells(line)
        took = real(cells[at]) if len(cells) >= len(head) else None
        if took is None or took < 0:
            break
        name = re.sub(r"^\[|\](:\d+)?$", "", cells[-1])
        number = re.search(r"\]:(\d{1,9})$", cells[-1])
        rows.append(OpRow(cells[0], name, took * 1e3, int(number[1]) if number else None))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().split("\t")]
