"""The generated C on several threads against itself on one.

    python -m benchmarks.threads                  two threads, the best level and AVX2
    python -m benchmarks.threads --only kws --isa avx2 -n 4

Programs run in turns of a dozen calls in one process; compared are the least medians. Each
thread is kept on a CPU of its own. Where other processes wait for the CPUs a gain is only seen with
a higher priority: `nice -n -20`, and where the system groups sessions, `echo -20 >
/proc/self/autogroup` in a session of its own.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.host import Call, cpu_name, models
from edgeq.boards.levels import LEVELS, best_here, runs_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import NAME, compile_flags, thread_flags
from edgeq.devices.host_c import host_target

TASKS = Path("/proc/self/task")
CALLS = 12
_ALL = sorted(os.sched_getaffinity(0))


def program(path: Path, isa: str, threads: int, folder: Path) -> Call:
    """One call of a program of so many threads, each on its own CPU."""
    level = next(each for each in LEVELS if each.name == isa)
    options = CompileOptions(isa=isa, threads=threads)
    sources = generate(path, name=NAME, target=host_target(), options=options)
    flags = ["-fPIC", *compile_flags(sources)]
    link = ["-shared", *thread_flags(sources)]
    built = build(host_toolchain(level.flags or None), sources.files, flags, link, "m.so")
    copy = folder / f"{path.stem}_{isa}_{threads}.so"
    copy.write_bytes(built.read_bytes())
    invoke: Call = ctypes.CDLL(str(copy))[f"{NAME}_invoke"]
    before = {task.name for task in TASKS.iterdir()}
    invoke()
    for place, task in enumerate(sorted({t.name for t in TASKS.iterdir()} - before, key=int)):
        os.sched_setaffinity(int(task), {_ALL[(place + 1) % len(_ALL)]})
    return invoke


def turn(call: Call) -> float:
    """The median of one turn, in microseconds."""
    samples = []
    for _ in range(CALLS):
        begun = time.perf_counter_ns()
        call()
        samples.append((time.perf_counter_ns() - begun) / 1e3)
    return float(np.median(samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="efficientnet", help="part of a model's name")
    parser.add_argument("--isa", action="append", help="levels; avx2 and the best by default")
    parser.add_argument("-n", type=int, default=2, help="threads")
    parser.add_argument("--turns", type=int, default=12)
    given = parser.parse_args()
    levels = given.isa or list(dict.fromkeys(("avx2", best_here().name)))
    levels = [each.name for each in LEVELS if each.name in levels and runs_here(each)]
    os.sched_setaffinity(0, _ALL[:1])
    print(cpu_name(), f"load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, path in models():
            for isa in levels if given.only in name else ():
                calls = {n: program(path, isa, n, Path(folder)) for n in (1, given.n)}
                medians: dict[int, list[float]] = {n: [] for n in calls}
                for _ in range(given.turns):
                    for n, call in calls.items():
                        medians[n].append(turn(call))
                one, many = (min(medians[n]) for n in calls)
                print(
                    f"{name}, {isa}: {one:.0f} us on one thread, {many:.0f} us on {given.n}, "
                    f"{one / many:.2f} times as fast",
                    flush=True,
                )


if __name__ == "__main__":
    main()
