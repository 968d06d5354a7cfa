"""The search behind `--ram`, `--flash` and `--cycles`: the first form of a program that fits.

It lies above the compiler, which it calls: whoever compiles or runs a model under budgets asks
here first, and hands on options in which the form is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeq.analysis.account import account_on, address_for, how_to_measure
from edgeq.analysis.kinds import figures_of
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.compiler.compilation import isa_for, planned
from edgeq.compiler.options import MODES, CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import Measurement
from edgeq.devices.host_c import host_target
from edgeq.errors import LimitError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.figures import Figure, Provenance, figure, mark

# The part of RAM that a plan alone tells of; more than a budget, it needs no compiler.
_ALONE = Provenance(arithmetic="generated C", note="arena and state alone")
# What a device tells after a measurement that edgeq did not make the program of.
_TOLD = {"serial": ("cycles",)}
_RUNTIME = "a runtime interprets the model there, and nobody knows what a program of it takes"
_WHY_NOT = {
    "vela": "Vela knows the NPU's part alone, not the program around it",
    "local": _RUNTIME,
    "tflm": _RUNTIME,
    "wasm": "a WebAssembly engine gives memory by the page and counts no cycles",
    "ssh": "its memory belongs to the system there, which has no flash and counts no cycles",
    "adb": "its memory belongs to the system there, which has no flash and counts no cycles",
    "serial": "the board runs what was flashed, and does not tell (profile tells its cycles)",
}

# Schemes, and runtimes of hosts behind a link, that run no C of ours that could be chosen here.
_NO_C = ("local", "tflm", "vela", "serial", "litert", "installed", "wheel", "benchmark_model")

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
    modes: Sequence[str] = MODES,
) -> CompileOptions:
    """The options with the first form that keeps to every budget, the one asked for before others.

    Args:
        model: The .tflite file.
        target: What the program is for.
        options: What to optimise for, and budgets; given back as they are if there are none.
        graph: What was read from the file, if it was read already.
        address: Where to measure; by default where the target's own core is, or the nearest one.
        modes: The forms to choose from.

    Raises:
        LimitError: No form does; names the one that comes nearest and what it misses by.
        UsageError: The graph is that of a signature which is not the file's first.
        EdgeqError: Nothing here can compile for this target or run it.
    """
    limits = options.budgets
    if not limits:
        return options
    if target.cpu == PORTABLE:
        # Of no core: a usual one's figures are all there can be. They are marked as that.
        options = replace(options, accept_stand_in=True)
    graph = graph or read_graph(model)
    if graph.entry:
        raise UsageError(
            "Budgets are judged of subgraph 0, and this signature is another one.",
            where=str(model),
            hint="leave them out, or save the function of the signature as a model of its own",
        )
    address = address or address_for(target)
    order = (options.optimize, *(mode for mode in modes if mode != options.optimize))
    tried: dict[str, dict[str, Figure]] = {}
    for mode in order:
        _, plan = planned(graph, isa_for(target, options), mode)
        least = plan.arena_bytes + plan.state_bytes
        if least > limits.get("ram", least):  # no need for a compiler to know that it is too much
            tried[mode] = {"ram": figure(least, "measured", "bytes", _ALONE)}
            continue
        found = account_on(
            address, model, target, replace(options, optimize=mode, **_UNLIMITED)
        ).figures
        tried[mode] = {name: found[_PATHS[name]] for name in limits}
        if not _misses(tried[mode], limits, options):
            kept = ", ".join(f"{name} {_shown(tried[mode][name])}" for name in limits)
            why = f"the first of {', '.join(order)} within budget: {kept}"
            return replace(options, optimize=mode, why=why, **_UNLIMITED)
    nearest = min(tried, key=lambda mode: _excess(tried[mode], limits))
    raise LimitError(
        f"no form of this program keeps to the budget; nearest is --optimize {nearest}: "
        f"{'; '.join(_misses(tried[nearest], limits, options))}.",
        f"{model}, target {target.name}",
        _hint(tried[nearest], limits, target),
    )


def chosen_for(
    model: Path,
    address: str,
    options: CompileOptions,
    *,
    measures: bool = False,
    reference: bool = False,
) -> CompileOptions:
    """The options for an address, with the form chosen where it runs generated C from here.

    Args:
        model: The .tflite file.
        address: Device address.
        options: What was asked for.
        measures: Whether what the device tells will be held against the budgets
            (`check_measured`).
        reference: Whether the device only says what is right, and another keeps to the budgets.

    Raises:
        UsageError: A level is chosen, and no C is generated for it there.
        LimitError: No form keeps to the budgets, or nobody can know there what the program takes.
    """
    where = parse_address(address)
    if not reference and where.query.get("runtime", where.scheme) in _NO_C:
        for option, value in (("--isa", options.isa), ("--dispatch", options.dispatch)):
            if value:
                raise UsageError(
                    f"{option} is for generated C, and none is made on {address}.",
                    hint="--on c for the C on this machine",
                )
    if reference or not options.budgets:
        return replace(options, **_UNLIMITED)
    if where.scheme == "c":
        return within_budgets(model, host_target(), options, address=address)
    if where.scheme in ("sim", "qemu"):
        return within_budgets(model, load_target(where.rest), options, address=address)
    told = _TOLD.get(where.scheme, ()) if measures else ()
    unknown = [name for name in options.budgets if name not in told]
    if unknown:
        names = ", ".join(f"--{name}" for name in unknown)
        raise LimitError(
            f"{names} cannot be judged on {address}: {_WHY_NOT[where.scheme]}.",
            str(model),
            "--on c or sim:CPU for generated C, or edgeq inspect MODEL --target BOARD",
        )
    return options


def check_measured(found: Measurement, options: CompileOptions, model: Path) -> None:
    """Hold what a device told against the budgets that `chosen_for` left to it.

    Raises:
        LimitError: One is not kept, or not known after all.
    """
    limits = options.budgets
    address = str(found.device["address"])
    if not limits or parse_address(address).scheme not in _TOLD:
        return
    figures = figures_of(found)
    missed = _misses({name: figures[_PATHS[name]] for name in limits}, limits, options)
    if missed:
        raise LimitError(
            f"the program does not keep to the budget: {'; '.join(missed)}.",
            f"{model}, on {address}",
            "a larger budget, a smaller model, or edgeq tune",
        )


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
            words.append(f"{name} {_shown(entry)}, {entry.value - limit:,.0f} over {limit:,}")
        else:
            words.append(f"{name} {_shown(entry)} is within {limit:,}, but {entry.provenance.note}")
    return words


def _shown(entry: Figure) -> str:
    """A figure with its kind, as everywhere; a part of one says so."""
    if entry.provenance == _ALONE:
        return f"at least {entry.value:,.0f} (arena and state alone)"
    return f"{entry.value:,.0f}{mark(entry)}"


def _hint(found: Mapping[str, Figure], limits: Mapping[str, int], target: Target) -> str:
    """What to do about budgets that are missed: a stand-in's figures may be let count."""
    if any(entry.value is not None and entry.value > limits[n] for n, entry in found.items()):
        return "a larger budget, a smaller model, or edgeq tune"
    if any(entry.value is None for entry in found.values()):
        return f"{how_to_measure(target)} measures; or leave that budget out"
    return f"--accept-stand-in lets it count, {how_to_measure(target)} measures"


def _excess(found: Mapping[str, Figure], limits: Mapping[str, int]) -> float:
    """By how much a form misses, each budget relative to its size."""
    over = 0.0
    for name, entry in found.items():
        value, limit = entry.value, limits[name]
        over += 1.0 if value is None else max(value / limit - 1, 0) if limit else value
    return over
