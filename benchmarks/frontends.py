"""Instructions, flash and RAM of one frame of the built-in front ends, on emulated cores.

python -m benchmarks.frontends          measure, write benchmarks/frontends.json, print the tables
                                        of docs/frontends.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.devices.base import ProfileOptions, Session
from edgeq.devices.emulator import EmulatorSession
from edgeq.devices.qemu import QemuSession
from edgeq.frontend.build import front_end

ROWS = Path(__file__).parent / "frontends.json"
CPUS = {
    "cortex-m0plus": "Cortex-M0+",
    "cortex-m3": "Cortex-M3",
    "cortex-m4": "Cortex-M4",
    "cortex-m33": "Cortex-M33",
    "cortex-m55": "Cortex-M55",
    "rv32imc": "RV32IMC (ESP32-C3)",
}
# The emulator has no Helium; QEMU counts its instructions.
IN_QEMU = ("cortex-m55",)
WITH_FPU = {
    "cortex-m4": "cortex-m4f",
    "cortex-m33": "cortex-m33f",
    "cortex-m55": "qemu-mps3-an547",
}
KINDS = ("micro", "log-mel", "mfcc")
FORMS = {
    "mfcc": "`mfcc`, 13 coefficients, int16",
    "log-mel": "`log-mel`, int16",
    "micro": "`micro`",
    "mfcc-float32": "`mfcc`, 13 coefficients, float32",
    "log-mel-float32": "`log-mel`, float32",
}


def measure(kind: str, cpu: str, *, fpu: bool = False) -> dict[str, Any]:
    """One frame: instructions by stage, and what the front end takes.

    Args:
        kind: Of `KINDS`.
        cpu: Of `CPUS`.
        fpu: Whether it is the form for cores with an FPU.
    """
    target = load_target(WITH_FPU[cpu] if fpu else cpu)
    sources = generate(front_end(kind).graph(fpu=fpu), name="model", target=target)
    session: Session
    if cpu in IN_QEMU:
        session = QemuSession(f"qemu:{cpu}", target, sources)
    else:
        session = EmulatorSession(f"sim:{cpu}", target, sources)
    with session:
        found = session.profile(ProfileOptions())
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
    for kind in ("log-mel", "mfcc"):
        for cpu in WITH_FPU:
            rows[f"{kind}-float32/{cpu}"] = measure(kind, cpu, fpu=True)
    ROWS.write_text(json.dumps(rows, indent=1) + "\n")
    for figure in ("instructions", "flash", "ram"):
        print(f"{figure}:")
        print("\n".join(table(rows, figure)))


def table(rows: dict[str, dict[str, Any]], figure: str) -> list[str]:
    """One figure of all forms on all cores."""
    lines = ["| front end | " + " | ".join(CPUS.values()) + " |", "|---|" + "--:|" * len(CPUS)]
    for form, words in FORMS.items():
        values = [rows.get(f"{form}/{cpu}", {}).get(figure) for cpu in CPUS]
        cells = ["" if value is None else f"{value:,}" for value in values]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
