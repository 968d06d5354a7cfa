"""Instructions, flash and RAM of one frame of the built-in front ends, on emulated cores.

python -m benchmarks.frontends          measure and write benchmarks/frontends.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.devices.base import ProfileOptions
from edgeq.devices.emulator import EmulatorSession
from edgeq.frontend.build import front_end

ROWS = Path(__file__).parent / "frontends.json"
CPUS = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "rv32imc")
KINDS = ("micro", "log-mel", "mfcc")


def measure(kind: str, cpu: str) -> dict[str, Any]:
    """One frame in integers: instructions by stage, and what the front end takes."""
    target = load_target(cpu)
    sources = generate(front_end(kind).graph(fpu=False), name="model", target=target)
    found = EmulatorSession(f"sim:{cpu}", target, sources).profile(ProfileOptions())
    memory = found.memory_bytes
    return {
        "instructions": found.instructions,
        "flash": memory.flash_total,
        "ram": (memory.arena or 0) + (memory.static or 0),
        "stack": memory.stack,
        "stages": {op.name: op.instructions for op in found.ops},
    }


def main() -> None:
    rows = {f"{kind}/{cpu}": measure(kind, cpu) for kind in KINDS for cpu in CPUS}
    ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    for name, row in rows.items():
        print(f"{name:22} {row['instructions']:9,} instructions, flash {row['flash']:6,}, "
              f"RAM {row['ram']:6,}")  # fmt: skip


if __name__ == "__main__":
    main()
