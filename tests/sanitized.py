"""Generated C as a program of its own: under sanitizers, or for another machine in an emulator."""

import subprocess

import numpy as np

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.devices.generated import compile_flags, tensor_specs
from edgeq.devices.host_c import batch_source

_MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "eq_sizes.h"
void eq_run(const uint8_t *const *inputs, uint8_t *const *outputs, size_t calls);
static const size_t in_bytes[] = EQ_IN, out_bytes[] = EQ_OUT;
int main(void)
{
    uint32_t calls = 0;
    const uint8_t *inputs[EQ_INS];
    uint8_t *outputs[EQ_OUTS];
    if (fread(&calls, sizeof(calls), 1, stdin) != 1) { return 9; }
    for (int k = 0; k < EQ_INS; k++) {
        uint8_t *data = malloc(calls * in_bytes[k] + 1);
        if (fread(data, in_bytes[k], calls, stdin) != calls) { return 9; }
        inputs[k] = data;
    }
    for (int k = 0; k < EQ_OUTS; k++) { outputs[k] = malloc(calls * out_bytes[k] + 1); }
    eq_run(inputs, outputs, calls);
    for (int k = 0; k < EQ_OUTS; k++) { fwrite(outputs[k], out_bytes[k], calls, stdout); }
    return 0;
}
"""
_SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def run_sanitized(sources, inputs):
    """The outputs of N calls, as Session.run gives them; fails on what a sanitizer reports.

    Args:
        sources: What `edgeq.compiler.compilation.generate` returns for a host target and the
            name "model".
        inputs: One array of shape (N, *input_shape) per input.
    """
    flags = [*_SANITIZE, "-O1", "-g", "-fno-omit-frame-pointer"]
    return run_program(sources, inputs, host_toolchain(), flags, _SANITIZE)


def run_program(sources, inputs, toolchain, flags=(), link=(), emulator=()):
    """The outputs of N calls, from a program that `toolchain` builds.

    Args:
        sources: Of the name "model".
        inputs: One array of shape (N, *input_shape) per input.
        flags: For the compiler, behind those of the sources.
        link: For the linker.
        emulator: The command that runs programs of the other machine.
    """
    ins, outs = tensor_specs(sources, "inputs"), tensor_specs(sources, "outputs")
    sizes = "\n".join(
        [
            f"#define EQ_INS {len(ins)}\n#define EQ_OUTS {len(outs)}",
            f"#define EQ_IN {{{', '.join(str(spec.bytes) for spec in ins)}}}",
            f"#define EQ_OUT {{{', '.join(str(spec.bytes) for spec in outs)}}}\n",
        ]
    )
    files = {
        **sources.files,
        "eq_batch.c": batch_source(ins, outs),
        "main.c": _MAIN,
        "eq_sizes.h": sizes,
    }
    program = build(toolchain, files, [*compile_flags(sources), *flags], [*link, "-lm"], "program")
    count = len(inputs[0])
    data = np.uint32(count).tobytes() + b"".join(array.tobytes() for array in inputs)
    done = subprocess.run(
        [*emulator, program],
        input=data,
        capture_output=True,
        check=False,
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:4000]
    results, start = [], 0
    for spec in outs:
        end = start + count * spec.bytes
        raw = np.frombuffer(done.stdout[start:end], spec.dtype)
        results.append(raw.reshape(count, *spec.shape))
        start = end
    return results
