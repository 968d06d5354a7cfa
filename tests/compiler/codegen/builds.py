"""The C of every op, built with what users' build systems ask for: by every compiler, all options.

python -m tests.compiler.codegen.builds [PART OF A COMPILER'S NAME]    some 20 minutes for all
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.compiler.codegen.test_portability import COMPILERS, complete_command, op_sources
from tests.kernels.instrumented import OPTIONS
from tests.oracle.check import WARNINGS
from tests.oracle.fuzz import generators

_LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")
_SHOWN = 5


def builds() -> list[list[str]]:
    """Every level alone, every option at two levels, and link-time optimization."""
    instrumented = [[level, *given] for given in OPTIONS.values() for level in ("-O0", "-O2")]
    return [*([level] for level in _LEVELS), *instrumented, ["-O2", "-flto"]]


def main(part: str = "") -> int:
    """Build everything; returns how many builds failed."""
    failed = 0
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        models = []
        for number, (name, make) in enumerate(generators().items()):
            models.append(folder / f"{name.replace(' ', '_')}.tflite")
            models[-1].write_bytes(make(np.random.default_rng(number), 5).model)
        for name in COMPILERS:
            if part not in name:
                continue
            place = folder / name.replace(" ", "_")
            place.mkdir()
            command = complete_command(name, place)
            sources = op_sources(models, COMPILERS[name][1], place)
            for options in builds():
                done = subprocess.run(
                    [*command, "-std=c99", *WARNINGS, *options, "-c", *sources],
                    cwd=place, capture_output=True, text=True, check=False,
                )  # fmt: skip
                failed += done.returncode != 0
                print(f"{name} {' '.join(options)}: {'failed' if done.returncode else 'ok'}")
                errors = [line for line in done.stderr.splitlines() if "error" in line]
                print("".join(f"    {line}\n" for line in errors[:_SHOWN]), end="", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]) > 0)
