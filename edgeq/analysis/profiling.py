"""Latency or cycles, memory, per-op figures of a model on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.account import latency_of
from edgeq.analysis.budget import check_measured, chosen_for
from edgeq.analysis.energy.figures import Duty, energy_figures, energy_values, with_measured
from edgeq.analysis.energy.metering import PowerReport, metered
from edgeq.analysis.kinds import figures_of
from edgeq.analysis.macs import model_macs, unknown_loops
from edgeq.analysis.models import as_tflite
from edgeq.analysis.recordings import as_fed, check_hears
from edgeq.analysis.remarks import remarks_of
from edgeq.boards.target import Target, load_target, target_called
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import Device, Measurement, OpProfile, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from edgeq.frontend.silent import silent_bands_of
from edgeq.model.graph import Graph
from edgeq.model.joining import joined
from edgeq.model.model_file import read_graph
from edgeq.support.figures import Figure, beside
from edgeq.support.result import Result


@dataclass(frozen=True, repr=False)
class Profile(Result):
    """A measurement and what it is of.

    Attributes:
        path: Model as given.
        sha256: Digest of the .tflite.
        macs: Multiply-accumulates of one inference.
        measurement: What the device found out.
        energy: Energy of an inference and what follows from it, by name, with their kinds.
        power: What a meter found; None without one.
        unknown_loops: How many loops count as one turn in `macs`, as nobody knows more.
    """

    path: str
    sha256: str
    macs: int
    measurement: Measurement
    energy: Mapping[str, Figure] = field(default_factory=dict)
    power: PowerReport | None = None
    unknown_loops: int = 0

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure by its path in the JSON."""
        return {**figures_of(self.measurement), **self.energy}

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq profile`; null where the device cannot know.

        Beside the numbers stand their kinds and where they come from.
        """
        found = self.measurement
        return {
            "edgeq": __version__,
            "model": {
                "path": self.path,
                "sha256": self.sha256,
                "macs": self.macs,
                **({"unknown_loops": self.unknown_loops} if self.unknown_loops else {}),
            },
            "device": dict(found.device),
            "latency_us": None if found.latency_us is None else asdict(found.latency_us),
            "instructions": found.instructions,
            "cycles": found.cycles,
            "cycles_estimated": found.cycles_estimated,
            "memory_bytes": asdict(found.memory_bytes),
            "ops": [asdict(op) for op in found.ops],
            "output_sha256": found.output_sha256,
            "environment": dict(found.environment),
            "valid": found.valid,
            "warnings": list(found.warnings),
            "samples_us": list(found.samples_us),
            "energy_uj": None,
            **energy_values(self.energy),
            "power": self.power and self.power.to_json(),
            **beside(self.figures),
        }


@dataclass(frozen=True)
class Measuring:
    """What is measured and how: the same on every device that is asked.

    Attributes:
        profile_options: How to measure.
        options: How C is generated, where an address runs generated C.
        duty: How often an inference is made, for the average power and a battery's life.
        power: A meter for the energy; see `profile`.
    """

    profile_options: ProfileOptions = field(default_factory=ProfileOptions)
    options: CompileOptions = field(default_factory=CompileOptions)
    duty: Duty | None = None
    power: str | None = None

    @classmethod
    def of(
        cls,
        profile_options: ProfileOptions | None,
        options: CompileOptions | None,
        duty: Duty | None,
        power: str | None,
    ) -> Measuring:
        """What was given, and the usual where nothing was."""
        return cls(profile_options or ProfileOptions(), options or CompileOptions(), duty, power)


def profile(
    model: str | Path,
    *,
    on: str = "local",
    profile_options: ProfileOptions | None = None,
    options: CompileOptions | None = None,
    duty: Duty | None = None,
    power: str | None = None,
) -> Profile:
    """Latency or instructions and cycles, memory and per-op figures on a device.

    Args:
        model: A .tflite file, or a model of Keras, TensorFlow, ONNX or PyTorch (as float).
        on: Device address.
        profile_options: How to measure.
        options: How C is generated, where the address runs generated C.
        duty: How often an inference is made, for the average power and a battery's life.
        power: A meter for the energy: "rapl", "hwmon", "pmic", "battery", "ppk2:PORT",
            "joulescope".

    Raises:
        EdgeqError: The device cannot be reached or cannot run this model.
    """
    return profile_on(open_device(on), model, Measuring.of(profile_options, options, duty, power))


def profile_on(device: Device, model: str | Path, how: Measuring) -> Profile:
    """As `profile`, on a device that has been opened already.

    Raises:
        UsageError: Options for hosts behind a link, on another kind of device.
    """
    profile_options, options = how.profile_options, how.options
    if profile_options.extra and parse_address(device.address).scheme not in ("ssh", "adb"):
        names = ", ".join(f"--{name.partition('_')[0]}" for name in profile_options.extra)
        raise UsageError(
            f"{names} has no meaning on {device.address}.", hint="it is for ssh: and adb: devices"
        )
    with as_tflite(model) as path:
        plain = read_graph(path)
        graph = as_fed(plain, options)
        check_hears(device.address, options)
        chosen = chosen_for(path, device.address, options, measures=True)
        with device.open(path, chosen) as session:
            found = session.profile(profile_options)
            known = (*session.warnings, *silent_bands_of(options), *remarks_of(plain))
            found = replace(found, warnings=[*found.warnings, *known])
            report = metered(session, device, how.power, profile_options) if how.power else None
            if report is not None:
                found = replace(
                    found,
                    valid=found.valid and report.valid,
                    warnings=[*found.warnings, *report.warnings],
                )
        check_measured(found, options, Path(model))
    macs = model_macs(_as_run(plain, found, options))
    # MACs are the model's, not the device's: every device's table gets the same ones.
    ops = [_completed(op, macs) for op in found.ops]
    found = replace(found, ops=ops)
    energy = energy_of(found, how.duty, report)
    unknown = unknown_loops(graph)
    return Profile(str(model), graph.sha256, sum(macs.values()), found, energy, report, unknown)


def energy_of(
    found: Measurement, duty: Duty | None, report: PowerReport | None = None
) -> dict[str, Figure]:
    """The energy of an inference: by a meter, or of a board whose currents are known."""
    figures = figures_of(found)
    target = _target_of(found)
    timed = figures["latency_us"]
    latency = replace(timed, value=timed.value and timed.value / 1000, unit="ms")
    if timed.value is None and target is not None:
        latency = latency_of(figures, target)
    estimated = energy_figures(latency, target, duty)
    if report is None:
        return estimated
    measured = report.figures(str(found.device["address"]))
    return with_measured(estimated, measured, latency, target, duty)


def _target_of(found: Measurement) -> Target | None:
    """The board that a device is or emulates; None if it does not say."""
    where = parse_address(str(found.device["address"]))
    emulated = where.scheme in ("sim", "qemu")
    if emulated:
        return load_target(where.rest)
    # None for a board of somebody's own that is not described here.
    return target_called(str(found.device.get("target") or ""))


def _as_run(model: Graph, found: Measurement, options: CompileOptions | None) -> Graph:
    """The graph whose ops were measured: behind a front end that with its stages."""
    if options is None or options.frontend is None:
        return model
    # A core without an FPU may have other stages.
    forms = [joined(options.frontend, model, fpu=fpu) for fpu in (True, False)]
    ops = [op for op in found.ops if op.index >= 0 and not op.subgraph]

    def fits(form: Graph) -> bool:
        known = dict(enumerate(op.name for op in form.main.ops))
        return all(known.get(op.index) == op.op for op in ops)

    return next((form for form in forms if fits(form)), forms[0])


def _completed(op: OpProfile, macs: Mapping[int, int]) -> OpProfile:
    if op.subgraph:
        return op  # the op that calls it has no row of its own
    covers = op.covers or ((op.index,) if op.index >= 0 else ())
    known = [macs[index] for index in covers if index in macs]
    return replace(op, covers=covers, macs=sum(known) if op.macs is None and known else op.macs)
