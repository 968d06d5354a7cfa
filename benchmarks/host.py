"""The generated C on this machine against LiteRT with XNNPACK, one thread.

    python -m benchmarks.host                     all models, the best level and AVX2; writes
                                                  benchmarks/hosts.json
    python -m benchmarks.host --only kws --isa avx2 --dry
    python -m benchmarks.host --as avx2           LiteRT sees a CPU with AVX2 at most

Both run in one process on one CPU, in turns of a few hundredths of a second, so that what disturbs
one disturbs the other. Each turn gives the median of its calls; compared are the least medians. A
turn of a model calls it as often as its length allows, ten times at least. Calls of a millisecond
and more are timed by the thread's time on the CPU: on a busy machine the clock would count what
others did meanwhile. docs/hosts.md has the table (`python scripts/doc_tables.py`).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import masked
from benchmarks.ledger import TINY, shared_models
from benchmarks.networks import HOST_FLOATS, HOST_NETWORKS, converted
from edgeq.boards.levels import LEVELS, best_here, runs_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import NAME, compile_flags
from edgeq.devices.host_c import host_target

FILE = Path(__file__).parent / "hosts.json"
TURN_S, LEAST_CALLS, LONG_NS = 0.03, 10, 1_000_000
_SCALES = {np.float32: 128}
Call = Callable[[], object]
Clock = Callable[[], int]


def models() -> Iterator[tuple[str, Path]]:
    folder = shared_models()
    if folder.is_dir():
        for name in TINY:
            yield name, folder / f"{name}_int8.tflite"
    for name in (*HOST_NETWORKS, *HOST_FLOATS):
        yield name, converted(name)


def ours(path: Path, isa: str, folder: Path) -> Call:
    """One call of the generated C, compiled for exactly one level."""
    level = next(each for each in LEVELS if each.name == isa)
    sources = generate(path, name=NAME, target=host_target(), options=CompileOptions(isa=isa))
    flags = ["-fPIC", *compile_flags(sources)]
    built = build(host_toolchain(level.flags or None), sources.files, flags, ["-shared"], "m.so")
    copy = folder / f"{path.stem}_{isa}.so"
    copy.write_bytes(built.read_bytes())
    invoke: Call = ctypes.CDLL(str(copy))[f"{NAME}_invoke"]
    return invoke


def theirs(path: Path) -> Call:
    """One call of LiteRT with XNNPACK on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    random = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        values = random.integers(-128, 128, detail["shape"]) / _SCALES.get(detail["dtype"], 1)
        interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
    invoke: Call = interpreter.invoke
    return invoke


def turn(call: Call, clock: Clock) -> float:
    """The median of one turn, in microseconds."""
    samples, end = [], time.perf_counter() + TURN_S
    while len(samples) < LEAST_CALLS or time.perf_counter() < end:
        begun = clock()
        call()
        samples.append((clock() - begun) / 1e3)
    return float(np.median(samples))


def compare(calls: dict[str, Call], turns: int) -> dict[str, float]:
    """The least median of each, in microseconds, taken in alternating turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    longest = max(turn(call, time.thread_time_ns) for call in calls.values())
    # To ask for a thread's time takes a third of a microsecond itself.
    clock = time.thread_time_ns if longest * 1e3 >= LONG_NS else time.perf_counter_ns
    for _ in range(turns):
        for name, call in calls.items():
            found[name].append(turn(call, clock))
    return {name: min(medians) for name, medians in found.items()}


def cpu_name() -> str:
    """What the CPU is called, with its best level."""
    return f"{cpu()}, {best_here().name}"


def cpu() -> str:
    """What the CPU is called."""
    names = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            names.setdefault(key.strip(), value.strip())
    family = [f"{key} {names[key]}" for key in ("cpu family", "model") if key in names]
    return f"{names.get('model name', platform.machine())} ({', '.join(family)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--isa", action="append", help="levels; avx2 and the best by default")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--as", dest="seen", choices=masked.LEVELS, help="what LiteRT sees")
    given = parser.parse_args()
    best = given.seen or best_here().name
    levels = given.isa or list(dict.fromkeys(("avx2", best)))
    levels = [each.name for each in LEVELS if each.name in levels and runs_here(each)]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    machine = f"{cpu()} masked, {given.seen}" if given.seen else cpu_name()
    rows = kept.setdefault(machine, {})
    with tempfile.TemporaryDirectory() as folder:
        told = masked.mask_litert(given.seen, Path(folder)) if given.seen else None
        for name, path in models():
            if given.only not in name:
                continue
            calls = {isa: ours(path, isa, Path(folder)) for isa in levels}
            found = compare({"litert": theirs(path), **calls}, given.turns)
            if told is not None and not told.value:
                raise SystemExit("LiteRT has not asked for the CPU's features: nothing is masked.")
            row = rows.setdefault(name, {})
            row |= {each: round(us, 2) for each, us in found.items()}
            ratios = ", ".join(
                f"{isa} {found[isa]:.1f} us, {found[isa] / found['litert']:.2f}x" for isa in levels
            )
            print(f"{name}: LiteRT {found['litert']:.1f} us; {ratios}", flush=True)
            if not given.dry:
                FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
