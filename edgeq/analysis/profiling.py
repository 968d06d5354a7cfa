"""Latency or cycles, memory, per-op figures of a model on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.analysis.budget import check_measured, chosen_for
from edgeq.analysis.kinds import figures_of
from edgeq.analysis.macs import model_macs
from edgeq.analysis.models import as_tflite
from edgeq.analysis.recordings import as_fed, check_hears
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import Device, Measurement, OpProfile, ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import UsageError
from edgeq.model.model_file import read_graph
from edgeq.support.figures import beside
from edgeq.support.result import Result


@dataclass(frozen=True, repr=False)
class Profile(Result):
    """A measurement and what it is of.

    Attributes:
        path: Model as given.
        sha256: Digest of the .tflite.
        macs: Multiply-accumulates of one inference.
        measurement: What the device found out.
    """

    path: str
    sha256: str
    macs: int
    measurement: Measurement

    def to_json(self) -> dict[str, Any]:
        """The JSON of `edgeq profile`; null where the device cannot know.

        Beside the numbers stand their kinds and where they come from.
        """
        found = self.measurement
        return {
            "edgeq": __version__,
            "model": {"path": self.path, "sha256": self.sha256, "macs": self.macs},
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
            **beside(figures_of(found)),
        }


def profile(
    model: str | Path,
    *,
    on: str = "local",
    profile_options: ProfileOptions | None = None,
    options: CompileOptions | None = None,
) -> Profile:
    """Latency or instructions and cycles, memory and per-op figures on a device.

    Args:
        model: A .tflite file, or a Keras file or SavedModel (run as float).
        on: Device address.
        profile_options: How to measure.
        options: How C is generated, where the address runs generated C.

    Raises:
        EdgeqError: The device cannot be reached or cannot run this model.
    """
    return profile_on(
        open_device(on), model, profile_options or ProfileOptions(), options or CompileOptions()
    )


def profile_on(
    device: Device, model: str | Path, profile_options: ProfileOptions, options: CompileOptions
) -> Profile:
    """As `profile`, on a device that has been opened already.

    Raises:
        UsageError: Options for hosts behind a link, on another kind of device.
    """
    if profile_options.extra and parse_address(device.address).scheme not in ("ssh", "adb"):
        names = ", ".join(f"--{name.partition('_')[0]}" for name in profile_options.extra)
        raise UsageError(
            f"{names} has no meaning on {device.address}.", hint="it is for ssh: and adb: devices"
        )
    with as_tflite(model) as path:
        graph = as_fed(read_graph(path), options)
        check_hears(device.address, options)
        chosen = chosen_for(path, device.address, options, measures=True)
        with device.open(path, chosen) as session:
            found = session.profile(profile_options)
        check_measured(found, options, Path(model))
    macs = model_macs(graph.main)
    # MACs are the model's, not the device's: every device's table gets the same ones.
    ops = [_completed(op, macs) for op in found.ops]
    return Profile(str(model), graph.sha256, sum(macs.values()), replace(found, ops=ops))


def _completed(op: OpProfile, macs: Mapping[int, int]) -> OpProfile:
    covers = op.covers or ((op.index,) if op.index >= 0 else ())
    known = [macs[index] for index in covers if index in macs]
    return replace(op, covers=covers, macs=sum(known) if op.macs is None and known else op.macs)
