"""The cycle estimate against a real board, where someone published cycles of code we can build.

    pip install bakenn && python -m benchmarks.cycle_check

bakenn's documentation gives cycles of a physical nRF52840 (Cortex-M4, 64 MHz) for a fully-connected
32-16-4 int8 network with its CMSIS-NN kernel. The package carries that kernel's sources; here they
are built with the same compiler as everything else and run in the emulator. The compiler options of
the published figure are not published; -Os is that project's default.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgeq.boards.target import load_target
from edgeq.compiler.build.image import link_image
from edgeq.compiler.build.toolchain import cross_toolchain
from edgeq.devices.sim.machine import CORES, MEMORY, Machine
from edgeq.devices.sim.watch import Watch

PUBLISHED_CYCLES = 3786
NETWORK = """
#include "arm_nnfunctions.h"
static int8_t in[32], mid[16], out[4];
static const int8_t w1[512] = {3, -4, 5, 6, -7}, w2[64] = {1, 2, -3};
static const int32_t b1[16] = {5}, b2[4] = {6};
static uint8_t model_arena[16];
void model_invoke(void)
{
    for (int i = 0; i < 32; i++) {
        in[i] = (int8_t)(i * 7 - 100 + model_arena[0]);
    }
}
static void fc(const int8_t *i, int n, const int8_t *w, const int32_t *b, int8_t *o, int m)
{
    const cmsis_nn_context c = {0, 0};
    const cmsis_nn_activation clamp = {-128, 127};
    const cmsis_nn_fc_params p = {.input_offset = 3, .output_offset = -5, .activation = clamp};
    const cmsis_nn_per_tensor_quant_params q = {1518500250, -8};
    const cmsis_nn_dims id = {1, 1, 1, n}, fd = {n, 1, 1, m}, bd = {1, 1, 1, m}, od = {1, 1, 1, m};
    arm_fully_connected_s8(&c, &p, &q, &id, i, &fd, w, &bd, b, &od, o);
}
void model_network(void)
{
    fc(in, 32, w1, b1, mid, 16);
    fc(mid, 16, w2, b2, out, 4);
}
"""


def kernel_sources() -> dict[str, str]:
    """The C files of bakenn's fully-connected CMSIS-NN kernel, by name."""
    from bakenn.backend.cmsis_nn import bundle

    folder = Path(bundle.__file__).parent / "vendor"
    headers = [name for name in bundle._COMMON_FILES if name.endswith(".h")]
    kernels = bundle._KERNEL_SOURCES["cmsis_nn.linear_s8.v4.0.0"]
    return {Path(name).name: (folder / name).read_text() for name in (*headers, *kernels)}


def estimate(files: dict[str, str], optimize: str) -> tuple[int, int]:
    """Instructions and estimated cycles of one warm call on a Cortex-M4."""
    target = load_target("cortex-m4")
    flags = ["-std=c11", optimize, "-ffunction-sections", "-fdata-sections"]
    image = link_image(
        cross_toolchain(target),
        {**files, "model.c": NETWORK},
        MEMORY,
        flags=flags,
        roots=["model_network"],
        entry="model_invoke",
    )
    machine = Machine(image, CORES["cortex-m4"])
    watch = Watch(machine, target, 0, always_aligned=False)
    machine.call("model_invoke")
    machine.call("model_network")
    watch.restart()
    machine.call("model_network")
    counts = watch.counts()
    return sum(c.instructions for c in counts), sum(c.cycles for c in counts)


def main() -> int:
    try:
        files = kernel_sources()
    except ImportError:
        print("bakenn is not installed: pip install bakenn")
        return 1
    print(f"nRF52840, published: {PUBLISHED_CYCLES:,} cycles")
    for optimize in ("-Os", "-O2", "-O3"):
        instructions, cycles = estimate(files, optimize)
        off = cycles / PUBLISHED_CYCLES - 1
        print(
            f"estimate at {optimize}: {cycles:,} cycles ({off:+.1%}), {instructions:,} instructions"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
