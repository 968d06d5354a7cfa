"""Instructions, flash and RAM of one frame of the built-in front ends, on emulated cores.

python benchmarks/frontends.py
"""

from __future__ import annotations

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import generate
from edgeq.devices.base import ProfileOptions
from edgeq.devices.emulator import EmulatorSession
from edgeq.frontend.build import front_end

CPUS = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "rv32imc")
KINDS = ("micro", "log-mel", "mfcc")


def main() -> None:
    for kind in KINDS:
        for cpu in CPUS:
            target = load_target(cpu)
            graph = front_end(kind).graph(fpu=False)
            sources = generate(graph, name="model", target=target)
            found = EmulatorSession(f"sim:{cpu}", target, sources).profile(ProfileOptions())
            memory = found.memory_bytes
            print(
                f"{kind:8} {cpu:14} {found.instructions:9,} instructions, flash "
                f"{memory.flash_total:6,}, RAM {(memory.arena or 0) + (memory.static or 0):6,}"
            )
            print("         ", ", ".join(f"{op.name} {op.instructions:,}" for op in found.ops))


if __name__ == "__main__":
    main()
