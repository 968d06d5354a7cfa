"""Memory of a runtime with one model, measured in a process of its own.

A process that has run one model keeps its high-water mark, so every measurement starts a fresh
one: `python -m edgeq.devices.probe`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeq.devices.local import LiteRtOptions

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


def measure(model: Path, runtime: str, options: LiteRtOptions | None = None) -> ProbeResult:
    """The memory that one call of `model` takes; an empty result if the process fails.

    Args:
        model: A .tflite file.
        runtime: "litert" or "tflm".
        options: How LiteRT runs it.
    """
    settings = json.dumps(asdict(options)) if options is not None else "{}"
    command = [sys.executable, "-m", "edgeq.devices.probe", runtime, str(model), settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return ProbeResult({})
    arena = _ARENA.search(done.stderr)
    return ProbeResult(json.loads(done.stdout), int(arena[1]) if arena else None)


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


def _main(runtime: str, model: str, settings: str) -> None:
    stages = {"start": _high_water()}
    data = Path(model).read_bytes()
    if runtime == "litert":
        from edgeq.devices.local import LiteRtOptions, make_interpreter

        interpreter = make_interpreter(data, LiteRtOptions(**json.loads(settings)))
    else:
        from edgeq.devices.tflm import make_interpreter as make_micro

        interpreter = make_micro(data)
    stages["load"] = _high_water()
    interpreter.invoke()
    stages["invoke"] = _high_water()
    if runtime == "tflm":
        interpreter.print_allocations()
    sys.stdout.write(json.dumps({k: v for k, v in stages.items() if v is not None}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
