"""The account of a program on a target: what it takes, of which kind each figure is, and why.

Every command that says what a model takes on a board prints from here. Sizes are those of images
linked for the target's own core; what has to be seen at work (stack, instructions, cycles) comes
from the target itself, from an emulator of its core, or from the nearest core that there is, and
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgeq.analysis.energy.figures import Duty, energy_figures, energy_values
from edgeq.analysis.kinds import figures_of, stand_in
from edgeq.analysis.own import other_machine, runs_own_code
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import Target, load_target
from edgeq.compiler.build.compiler import DoesNotFit
from edgeq.compiler.build.toolchain import Toolchain, cross_toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import Measurement, Memory, ProfileOptions
from edgeq.devices.emulator import link
from edgeq.devices.generated import ARENA_SYMBOLS, NAME, compile_flags
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.firmware.account import TEMPLATE, ImageAccount, linked_project
from edgeq.firmware.golden import oracle_golden
from edgeq.firmware.layout import OPS_HEADER
from edgeq.firmware.model import firmware_model
from edgeq.support.figures import Figure, Kind, Provenance, beside, figure, weakest
from edgeq.support.resources import resource_dir
from edgeq.support.result import Result

# The emulated core that comes nearest to one that is not emulated, and whose code is as large.
_STAND_INS = {
    "cortex-m0": "cortex-m0plus",
    "cortex-m23": "cortex-m0plus",
    "cortex-m55": "cortex-m33",
    "cortex-m85": "cortex-m33",
    "rv32imafc": "rv32imc",
    "xtensa-lx6": "rv32imc",
    "xtensa-lx7": "rv32imc",
    PORTABLE: "cortex-m4",
}
_MEMORY = tuple(field.name for field in fields(Memory))


@dataclass(frozen=True)
class Part:
    """What one owner takes of a program that is not linked yet; None where it takes nothing."""

    owner: str
    flash: Figure | None
    ram: Figure | None

    def to_json(self) -> dict[str, Any]:
        """Sizes with their kinds."""
        return {
            "owner": self.owner,
            "flash_bytes": self.flash and self.flash.value,
            "ram_bytes": self.ram and self.ram.value,
            "kind": next((each.kind for each in (self.flash, self.ram) if each), "unknown"),
        }


@dataclass(frozen=True, repr=False)
class Account(Result):
    """What a program takes on a target.

    Attributes:
        target: Name of the target.
        on: The address where it was seen at work.
        figures: By their path in the JSON of `edgeq profile` ("memory_bytes.stack", "cycles"),
            "latency_ms", "energy_uj" and, with a duty, "average_power_uw" and "battery_life_h";
            memory is that of the model's program alone.
        image: The whole image of the bare-metal project, where the target has one and a compiler
            for it is here.
        parts: Of a program that another runtime runs: what each part takes, as far as it is known.
        fastest: Milliseconds at the chip's highest clock, where the project leaves it lower.
    """

    target: str
    on: str
    figures: Mapping[str, Figure]
    image: ImageAccount | None = None
    fastest: Figure | None = None
    parts: tuple[Part, ...] = ()

    @property
    def memory(self) -> Memory:
        """What the model's program takes, as plain numbers."""
        values = {name: self.figures[f"memory_bytes.{name}"].value for name in _MEMORY}
        return Memory(**{k: None if v is None else int(v) for k, v in values.items()})

    @property
    def latency_ms(self) -> Figure:
        """Of one inference."""
        return self.figures["latency_ms"]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values, with their kinds and provenance."""
        return {
            "target": self.target,
            "on": self.on,
            "memory_bytes": self.memory,
            "cycles": self.figures["cycles"].value,
            "latency_ms": self.latency_ms.value,
            "latency_ms_at_highest_clock": self.fastest and self.fastest.value,
            **energy_values(self.figures),
            "image": self.image and self.image.to_json(),
            "parts": [part.to_json() for part in self.parts],
            **beside(self.figures),
        }


def address_for(target: Target) -> str:
    """The device that stands for a target: its emulator, the nearest core's, or this machine."""
    if target.kind == "host":
        return "local"
    candidates = [f"sim:{_name(target)}", f"qemu:{_name(target)}"]
    if target.cpu in _STAND_INS:
        candidates.append(f"sim:{_STAND_INS[target.cpu]}")
    for address in candidates:
        try:
            open_device(address)
        except UsageError:
            continue
        return address
    return "c"


def account_for(
    model: str | Path, target: Target, options: CompileOptions, *, golden: bool | None = None
) -> Account:
    """The account of the generated C of a model on a target.

    Args:
        model: An integer .tflite file.
        target: The target.
        options: What the C is made for; the form is chosen, there are no budgets.
        golden: Whether the image has known answers for a self-test, as projects have by default;
            None leaves the image out.

    Raises:
        EdgeqError: There is no generated C for this model, or nothing here can compile it for
            the target or run it.
    """
    address = address_for(target)
    nearest = _STAND_INS.get(target.cpu)
    try:
        found = account_on(address, Path(model), target, options)
    except (MissingDependency, DoesNotFit):
        if nearest is None or address == f"sim:{nearest}":
            raise
        found = account_on(f"sim:{nearest}", Path(model), target, options)
    image = None if golden is None else image_account(model, target, options, golden=golden)
    return replace(found, image=image)


def account_on(address: str, model: Path, target: Target, options: CompileOptions) -> Account:
    """The account of a model's program alone, measured at an address."""
    source = (
        options
        if runs_own_code({"address": address}, target, model, options)
        else CompileOptions(options.optimize, frontend=options.frontend)
    )
    how = ProfileOptions(runs=1, warmup=0, seconds=0.0, ops=False)
    with open_device(address).open(model, source) as session:
        return account_of(session.profile(how), model, target, options)


def account_of(
    found: Measurement,
    model: Path,
    target: Target,
    options: CompileOptions,
    duty: Duty | None = None,
    *,
    measured: Mapping[str, Figure] | None = None,
) -> Account:
    """The account of a program that was measured already.

    Args:
        found: The measurement, of the target or of what stands in for it.
        model: The .tflite file.
        target: The target.
        options: What its C was made for.
        duty: How often it runs and out of which battery; None leaves power and life out.
        measured: What a meter found there, in place of estimates of its energy.
    """
    address = str(found.device["address"])
    figures = figures_of(found)
    wanted = target.cpu if target.kind != "host" else target.title
    own = runs_own_code(found.device, target, model, options)
    if not own:
        figures = stand_in(figures, wanted)
    if target.kind != "host" and not runs_own_code(found.device, target):
        figures |= _own_sizes(model, target, options)
        figures["memory_bytes.ram_total"] = _total(figures)
    other = "" if own else other_machine(found.device, target)
    figures["latency_ms"] = latency_of(figures, target, other)
    figures |= energy_figures(figures["latency_ms"], target, duty)
    if measured is not None:
        figures |= measured if own else stand_in(measured, wanted)
    return Account(target.name, address, figures, fastest=_fastest(figures, target))


def for_target(account: Account, target: Target) -> Account:
    """The account of another target with the same core: only its clock is another."""
    figures = {**account.figures}
    figures["latency_ms"] = latency_of(figures, target)
    figures |= energy_figures(figures["latency_ms"], target)
    fastest = _fastest(figures, target)
    return replace(account, target=target.name, figures=figures, fastest=fastest)


def image_account(
    model: str | Path, target: Target, options: CompileOptions, *, golden: bool
) -> ImageAccount | None:
    """The image of the bare-metal project around a model.

    None for a target without such a project, or without a compiler here.
    """
    if TEMPLATE not in target.templates:
        return None
    make = partial(generate, model, target=target, options=options, hook=OPS_HEADER)
    try:
        sources = make(known_answers=partial(oracle_golden, model) if golden else None)
    except EdgeqError:
        if not golden:
            raise
        sources = make()  # no oracle here runs this model; what is wrong with it is said elsewhere
    try:
        return linked_project([firmware_model(sources)], target)
    except MissingDependency:
        return None


def _name(target: Target) -> str:
    """What `load_target` takes for a target: its name, or the user's own file."""
    mine = target.file is not None and target.file.parent != resource_dir("targets")
    return str(target.file) if mine else target.name


def _own_sizes(model: Path, target: Target, options: CompileOptions) -> dict[str, Figure]:
    """What is exact although the core is not here: the plan, and the image if it can be linked."""
    sources = generate(model, name=NAME, target=target, options=options)
    manifest = sources.manifest
    plan = Provenance(core=target.cpu, arithmetic="generated C")
    arena = manifest["arena_bytes"] + manifest["state_bytes"]
    static: Figure = figure(manifest["static_bytes"], "measured", "bytes", plan)
    if target.constants_in_ram:
        held = manifest["static_bytes"] + manifest["constant_bytes"]
        note = f"constants lie in RAM on {target.cpu}; the code's own small ones come on top"
        static = figure(held, "estimated", "bytes", replace(plan, note=note))
    found = {
        "memory_bytes.arena": figure(arena, "measured", "bytes", plan),
        "memory_bytes.static": static,
    }
    toolchain = _toolchain(target)
    if toolchain is None:
        return found
    sizes = link(sources, toolchain).sizes(*ARENA_SYMBOLS)
    flags = (*toolchain.flags, *compile_flags(sources))
    linked = replace(plan, compiler=toolchain.version, flags=flags)
    kind: Kind = "measured"
    if target.cpu == PORTABLE:
        kind, core = "stand-in", _STAND_INS[PORTABLE]
        linked = replace(linked, core=core, note=f"{core} stands in for {target.cpu}")
    values = {
        "arena": sizes.arena,
        "static": sizes.static,
        "flash_code": sizes.flash_code,
        "flash_const": sizes.flash_const,
        "flash_total": sizes.flash_code + sizes.flash_const,
    }
    sized = {
        f"memory_bytes.{name}": figure(value, kind, "bytes", linked)
        for name, value in values.items()
    }
    return {**sized, **found} if target.cpu == PORTABLE else sized


def _toolchain(target: Target) -> Toolchain | None:
    """A compiler for a target; C for every core is compiled for a usual one."""
    try:
        return cross_toolchain(
            load_target(_STAND_INS[PORTABLE]) if target.cpu == PORTABLE else target
        )
    except EdgeqError:
        return None


def _total(figures: Mapping[str, Figure]) -> Figure:
    """All RAM, as good as the weakest of its parts."""
    parts = [figures[f"memory_bytes.{name}"] for name in ("arena", "static", "stack")]
    values = [part.value for part in parts]
    total = None if None in values else sum(value for value in values if value is not None)
    worst = max(parts, key=lambda part: part.kind == "stand-in")
    return figure(total, weakest(part.kind for part in parts), "bytes", worst.provenance)


def latency_of(figures: Mapping[str, Figure], target: Target, other: str = "") -> Figure:
    """Milliseconds of one inference: timed on the target, or its cycles at its clock.

    Args:
        figures: Of what was measured.
        target: The target.
        other: What another machine said of itself, that was measured in the target's place.
    """
    timed, cycles = figures["latency_us"], figures["cycles"]
    if target.kind == "host" and timed.kind != "measured":
        note = other or f"only the device itself can tell: {how_to_measure(target)}"
        return Figure(None, "unknown", "ms", Provenance(core=target.cpu, note=note))
    if timed.value is not None and timed.kind == "measured":
        return figure(timed.value / 1000, "measured", "ms", timed.provenance)
    found = _at(target.running_clock_hz, cycles, target.clock_note, cycles.provenance.note)
    if other and found.value is None:
        return replace(found, provenance=replace(found.provenance, note=other))
    return found


def _fastest(figures: Mapping[str, Figure], target: Target) -> Figure | None:
    """The same at the chip's highest clock, where the project leaves it lower."""
    running, highest = target.running_clock_hz, target.clock_hz
    if target.kind == "host" or not running or not highest or running >= highest:
        return None
    flash = target.flash_timing
    same = flash is not None and flash.waits_at(running) == flash.waits_at(highest)
    more = "" if same else "the flash's wait states there come on top"
    note = "the chip's highest clock, if you set it up"
    return _at(highest, figures["cycles"], note, more)


def _at(clock_hz: int | None, cycles: Figure, *notes: str) -> Figure:
    value = None if cycles.value is None or not clock_hz else cycles.value / clock_hz * 1000
    said = cycles.provenance.note
    doubt = said if "unchecked" in said else ""
    words = "; ".join(text for text in dict.fromkeys((*notes, doubt)) if text)
    source = replace(cycles.provenance, clock_hz=clock_hz, note=words)
    return figure(value, cycles.kind, "ms", source)


def how_to_measure(target: Target) -> str:
    """Which address would measure a target itself, in words."""
    if target.kind == "host":
        android = target.host.get("os") == "android"
        return "--on adb:SERIAL or ssh://USER@HOST" if android else "--on ssh://USER@HOST"
    return "--on serial:PORT, with the board flashed (edgeq compile --project, build, flash)"
