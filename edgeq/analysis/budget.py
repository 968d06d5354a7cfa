"""The search behind `--ram`, `--flash` and `--cycles`: the first form of a program that fits.

It lies above the compiler, which it calls: whoever compiles or runs a model under budgets asks
here first, and hands on options in which the form is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.analysis.account import account_on, address_for
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.compiler.compilation import isa_of, planned
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.host_c import host_target
from edgeq.errors import LimitError
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.figures import Figure, figure

MODES = ("balanced", "ram", "size", "speed")

_UNLIMITED: dict[str, Any] = {"ram_bytes": None, "flash_bytes": None, "cycles": None}

# Where each budget's figure stands in the JSON of `edgeq profile`.
_PATHS = {
    "ram": "memory_bytes.ram_total",
    "flash": "memory_bytes.flash_total",
    "cycles": "cycles",
}


def within_budgets(
    model: Path,
    target: Target,
    options: CompileOptions,
    *,
    graph: Graph | None = None,
    address: str = "",
) -> CompileOptions:
    """The options with the first form that keeps to every budget, the one asked for before others.

    Args:
        model: The .tflite file.
        target: What the program is for.
        options: What to optimise for, and budgets; given back as they are if there are none.
        graph: What was read from the file, if it was read already.
        address: Where to measure; by default where the target's own core is, or the nearest one.

    Raises:
        LimitError: No form does; names the one that comes nearest and what it misses by.
        EdgeqError: Nothing here can compile for this target or run it.
    """
    limits = options.budgets
    if not limits:
        return options
    if target.cpu == PORTABLE:  # of no core, so that figures of a usual one are all there can be
        options = replace(options, accept_stand_in=True)
    graph = graph or read_graph(model)
    address = address or address_for(target)
    order = (options.optimize, *(mode for mode in MODES if mode != options.optimize))
    tried: dict[str, dict[str, Figure]] = {}
    for mode in order:
        _, plan = planned(graph, isa_of(target), mode)
        least = plan.arena_bytes + plan.state_bytes
        if least > limits.get("ram", least):  # no need for a compiler to know that it is too much
            tried[mode] = {"ram": figure(least, "measured", "bytes")}
            continue
        found = account_on(
            address, model, target, replace(options, optimize=mode, **_UNLIMITED)
        ).figures
        tried[mode] = {name: found[_PATHS[name]] for name in limits}
        if not _misses(tried[mode], limits, options):
            kept = ", ".join(f"{name} {tried[mode][name].value:,.0f}" for name in limits)
            why = f"the first of {', '.join(order)} within budget: {kept}"
            return replace(options, optimize=mode, why=why, **_UNLIMITED)
    nearest = min(tried, key=lambda mode: _excess(tried[mode], limits))
    raise LimitError(
        f"no form of this program keeps to the budget; nearest is --optimize {nearest}: "
        f"{'; '.join(_misses(tried[nearest], limits, options))}.",
        f"{model}, target {target.name}",
        "a larger budget, a smaller model, or edgeq tune",
    )


def chosen_for(model: Path, address: str, options: CompileOptions) -> CompileOptions:
    """The options for an address, with the form chosen where it runs generated C from here."""
    if not options.budgets:
        return options
    where = parse_address(address)
    if where.scheme == "c":
        return within_budgets(model, host_target(), options, address=address)
    if where.scheme in ("sim", "qemu"):
        return within_budgets(model, load_target(where.rest), options, address=address)
    return options


def _misses(
    found: Mapping[str, Figure], limits: Mapping[str, int], options: CompileOptions
) -> list[str]:
    """In words, each budget that is not kept."""
    words = []
    for name, limit in limits.items():
        entry = found.get(name)
        if entry is None or entry.satisfies(limit, accept_stand_in=options.accept_stand_in):
            continue
        if entry.value is None:
            words.append(f"{name} is unknown for this target")
        elif entry.value > limit:
            words.append(f"{name} {entry.value:,.0f}, {entry.value - limit:,.0f} over {limit:,}")
        else:
            note = entry.provenance.note
            words.append(f"{name} {entry.value:,.0f} is a stand-in's ({note}): --accept-stand-in")
    return words


def _excess(found: Mapping[str, Figure], limits: Mapping[str, int]) -> float:
    """By how much a form misses, each budget relative to its size."""
    over = 0.0
    for name, entry in found.items():
        value, limit = entry.value, limits[name]
        over += 1.0 if value is None else max(value / limit - 1, 0) if limit else value
    return over
