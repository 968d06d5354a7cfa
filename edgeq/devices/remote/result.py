"""One measurement on a device behind a link, as the record that `profile` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq import __version__
from edgeq.devices.base import Measurement, Memory, OpProfile, ProfileOptions
from edgeq.devices.remote import record
from edgeq.devices.remote.agent import Agent
from edgeq.devices.remote.answers import Loaded, Measured, OpTime, split_outputs
from edgeq.devices.remote.samples import Samples
from edgeq.devices.tensors import TensorSpec, digest
from edgeq.devices.timing import summarize

_FAR = 0.1  # of the largest output: further from the plain kernels is no rounding


@dataclass(frozen=True)
class Run:
    """Everything that one measurement brought in.

    Attributes:
        samples: Latencies.
        snapshots: States of the device before, during and after.
        op_times: Of the per-op pass; empty without one.
        plain_outputs: Answers without the delegate; None if no delegate ran, or nobody looked.
        waited_s: For whoever else measured on the device.
    """

    address: str
    agent: Agent
    loaded: Loaded
    measured: Measured
    samples: Samples
    snapshots: list[record.Snapshot]
    threads: int
    options: ProfileOptions
    op_times: Sequence[OpTime]
    plain_outputs: bytes | None
    waited_s: float


def measurement(run: Run, outputs: Sequence[TensorSpec], ops: Sequence[OpProfile]) -> Measurement:
    """The record of a run, with the verdict whether it can be believed."""
    facts, plan, measured = run.agent.facts, run.agent.plan, run.measured
    verdict = record.judge(run.snapshots, run.samples.us, measured.cpu_s, facts, run.threads)
    warnings = [*verdict.reasons, *verdict.remarks]
    delegate = _delegate(run, outputs)
    warnings += _delegate_warnings(delegate)
    kept, step = run.samples.thinned()
    if step > 1:
        warnings.append(f"one in {step} raw samples is kept; the statistics are over all")
    return Measurement(
        device={
            "address": run.address,
            "target": facts.board or facts.architecture,
            "cpu": facts.cpu,
            "runtime": plan.runtime,
            "runtime_version": plan.version,
            "threads": run.threads,
            **({} if plan.isa is None else {"isa": plan.isa}),
            "delegate": "none" if delegate["ops"] == 0 else run.loaded.delegate,
            "architecture": facts.architecture,
            "system": facts.system,
            "soc": facts.soc,
            "os": facts.os_name,
            "kernel": facts.kernel,
            "libc": facts.libc,
        },
        latency_us=summarize(run.samples.us, warmup=1 + measured.warmup, first=measured.first_us),
        memory_bytes=Memory(peak_rss=measured.peak_rss_bytes),
        ops=ops,
        output_sha256=digest(split_outputs(measured.outputs, outputs, 1)),
        environment={**_environment(run), "delegate": delegate},
        valid=not verdict.reasons,
        warnings=warnings,
        samples_us=kept,
    )


def _delegate(run: Run, outputs: Sequence[TensorSpec]) -> dict[str, Any]:
    """Which delegate was asked for, and what is known of its work.

    "ops" of "of" rows of the per-op pass were run by it, and its answers are up to
    "max_difference" away from the plain ones, which reach "range"; None where nobody looked, or
    where answers are not "finite".
    """
    found: dict[str, Any] = {
        "asked": run.agent.options.delegate or run.agent.plan.usual_delegate,
        "ops": sum(time.delegated for time in run.op_times) if run.op_times else None,
        "of": len(run.op_times) or None,
        "max_difference": None,
        "range": None,
        "finite": None,
    }
    if run.plain_outputs is not None:
        plain = split_outputs(run.plain_outputs, outputs, 1)
        delegated = split_outputs(run.measured.outputs, outputs, 1)
        pairs = [
            (a.astype(np.float64), b.astype(np.float64))
            for a, b in zip(plain, delegated, strict=True)
        ]
        found["finite"] = all(np.isfinite(values).all() for pair in pairs for values in pair)
        if found["finite"]:
            found["max_difference"] = max(float(np.abs(a - b).max()) for a, b in pairs)
            found["range"] = max(float(np.abs(a).max()) for a, _ in pairs)
    return found


def _delegate_warnings(delegate: Mapping[str, Any]) -> list[str]:
    if delegate["asked"] in ("none", "reference") or delegate["ops"] is None:
        return []
    if delegate["ops"] == 0:
        return [f"{delegate['asked']} was asked for, but ran no op of this model"]
    if delegate["finite"] is False:
        return [f"answers with {delegate['asked']}, or the plain ones, hold NaN or infinity"]
    difference, span = delegate["max_difference"], delegate["range"]
    if difference is not None and difference > _FAR * max(span, 1e-6):
        text = (
            f"the answers with {delegate['asked']} differ from the plain ones by up to "
            f"{difference:g} (they reach {span:g})"
        )
        return [text]
    return []


def _environment(run: Run) -> dict[str, Any]:
    facts, plan = run.agent.facts, run.agent.plan
    python = facts.python.version if facts.python and plan.interpreted else ()
    return {
        "agent_version": __version__,
        "sha256": {
            "model": run.agent.model.sha256,
            "runtime": plan.library.sha256 if plan.library else None,
            "agent": plan.program.sha256,
        },
        "python": ".".join(map(str, python)) or None,
        "cpu_features": list(facts.cpu_features),
        "cores": facts.cores,
        "affinity": run.loaded.affinity,
        "cold_start": {"load_us": run.loaded.load_us, "first_us": run.measured.first_us},
        "p50_confidence_95_us": record.median_interval(run.samples.us),
        "paced_hz": run.options.extra.get("paced_hz"),
        "waited_s": run.waited_s,
        "elapsed_s": run.measured.elapsed_s,
        "pushed_bytes": run.agent.pushed_bytes,
        "seconds_since_connecting": dict(run.agent.timings),
        **record.environment_json(run.snapshots),
    }
