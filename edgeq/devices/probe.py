"""Memory of a runtime with one model, and its times per op, each in a process of its own.

A process that has run one model keeps its high-water mark, and one that profiles its ops is
slower, so every measurement starts a fresh one: `python -m edgeq.devices.probe`.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeq.devices.interpreters import LiteRtOptions, litert_interpreter, micro_interpreter
from edgeq.support.children import module_command

if TYPE_CHECKING:
    from edgeq.support.array import Array

_ARENA = re.compile(r"Arena allocation total (\d+) bytes")


@dataclass(frozen=True)
class ProbeResult:
    """What a fresh process found.

    Attributes:
        stages: Resident high-water mark in bytes after "start" (Python alone), "load", "invoke".
        arena: Bytes that TensorFlow Lite Micro took from its arena; None for LiteRT.
    """

    stages: Mapping[str, int]
    arena: int | None = None

    @property
    def peak_rss(self) -> int | None:
        """The high-water mark after everything; None where the system does not tell."""
        return self.stages.get("invoke")


def memory(model: Path, runtime: str, options: LiteRtOptions | None = None) -> ProbeResult:
    """The memory that one call of `model` takes; an empty result if the process fails.

    Args:
        model: A .tflite file.
        runtime: "litert" or "tflm".
        options: How LiteRT runs it.
    """
    done = _start(runtime, model, options)
    if done.returncode:
        return ProbeResult({})
    arena = _ARENA.search(done.stderr)
    return ProbeResult(json.loads(done.stdout), int(arena[1]) if arena else None)


def op_times(
    model: Path, options: LiteRtOptions, inputs: Sequence[Array], runs: int
) -> Mapping[str, Any] | None:
    """LiteRT's times per op: columns "index", "op", "us", "delegated"; None if it gives none.

    Args:
        model: A .tflite file.
        options: How LiteRT runs it.
        inputs: One call's, in the order of the model.
        runs: Calls that are timed.
    """
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        file = Path(folder) / "inputs"
        file.write_bytes(b"".join(each.tobytes() for each in inputs))
        done = _start("litert-ops", model, options, str(file), str(runs))
    if done.returncode:
        return None
    columns: Mapping[str, Any] = json.loads(done.stdout)
    return columns


def _start(
    what: str, model: Path, options: LiteRtOptions | None, *more: str
) -> subprocess.CompletedProcess[str]:
    settings = json.dumps(asdict(options)) if options is not None else "{}"
    command = module_command("edgeq.devices.probe", what, str(model), settings, *more)
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _high_water() -> int | None:
    """The resident high-water mark of this process in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(found[1]) * 1024 if found else None
    if sys.platform == "win32":
        return None
    import resource

    # macOS gives bytes here, where Linux gives kibibytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _measure_memory(runtime: str, model: str, settings: str) -> dict[str, int]:
    stages = {"start": _high_water()}
    data = Path(model).read_bytes()
    if runtime == "litert":
        interpreter = litert_interpreter(data, LiteRtOptions(**json.loads(settings)))
    else:
        interpreter = micro_interpreter(data)
    stages["load"] = _high_water()
    interpreter.invoke()
    stages["invoke"] = _high_water()
    if runtime == "tflm":
        interpreter.print_allocations()
    return {stage: value for stage, value in stages.items() if value is not None}


def _measure_ops(model: str, settings: str, inputs: str, runs: str) -> dict[str, list[Any]]:
    from edgeq.devices.far.litert import Model

    options = json.loads(settings)
    package = importlib.util.find_spec("ai_edge_litert")
    if package is None or package.origin is None:
        raise ImportError("ai_edge_litert")
    library = next(Path(package.origin).parent.glob("libLiteRt.*"))
    runner = Model(
        {
            "library": str(library),
            "model": model,
            "threads": options["threads"],
            "delegate": "reference" if options["kernels"] == "reference" else options["delegate"],
            "profiling": True,
        }
    )
    data = Path(inputs).read_bytes()
    start = 0
    for tensor in runner.inputs:
        runner.write(tensor, data[start : start + tensor.size_bytes])
        start += tensor.size_bytes
    for _ in range(3):
        runner.invoke()
    columns = zip(*runner.op_times(int(runs)), strict=True)
    return dict(zip(("index", "op", "delegated", "us"), map(list, columns), strict=True))


if __name__ == "__main__":
    if sys.argv[1] == "litert-ops":
        sys.stdout.write(json.dumps(_measure_ops(*sys.argv[2:])))
    else:
        sys.stdout.write(json.dumps(_measure_memory(*sys.argv[1:])))
