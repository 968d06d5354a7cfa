"""The first call, and the memory of a whole program: the generated C against LiteRT.

    python -m benchmarks.start                    all models at this machine's best level; writes
                                                  benchmarks/hosts.json
    python -m benchmarks.start --only kws --dry

The generated C is linked with a main() into one static program, which is started again and again:
the first call finds no page of its weights and of its arena mapped. LiteRT's library is loaded,
opens the model, allocates and makes its first call on one thread, in a Python process of its own;
Python's start is left out. All is timed by the process's time on the CPU, which has the kernel's
work at page faults in it; both take turns, and compared are the medians. The files lie in the page
cache.

The program's memory is what Linux says of it at its end: the peak, and the part that is the
process's own. The rest is pages of its file, which processes of the same program share.
docs/hosts.md has the table (`python scripts/doc_tables.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.host import FILE, cpu_name, models
from edgeq.boards.levels import LEVELS, best_here
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import NAME, compile_flags
from edgeq.devices.host_c import host_target

# Prints the nanoseconds before and after the first call, its page faults, and what Linux says.
_MAIN = f"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "{NAME}.h"

static int64_t spent(void)
{{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}}

static int64_t faults(void)
{{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
}}

int main(void)
{{
    static char status[4096];
    int64_t found[3];
    found[2] = faults();
    found[0] = spent();
    {NAME}_invoke();
    found[1] = spent();
    found[2] = faults() - found[2];
    const int file = open("/proc/self/status", O_RDONLY);
    const ssize_t size = read(file, status, sizeof(status));
    return write(1, found, sizeof(found)) < 0 || write(1, status, (size_t)size) < 0;
}}
"""
# Prints the nanoseconds at which the library is loaded, the model is, and the answer is there.
_LITERT = """
import ctypes, os, sys, time
from importlib.util import find_spec
import numpy

folder = os.path.dirname(find_spec("ai_edge_litert").origin)
spent = [time.process_time_ns()]
ctypes.CDLL(os.path.join(folder, "libpywrap_litert_common.so"))
spent.append(time.process_time_ns())
from ai_edge_litert.interpreter import Interpreter

spent.append(time.process_time_ns())
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
spent.append(time.process_time_ns())
interpreter.invoke()
spent.append(time.process_time_ns())
print(spent[1] - spent[0], spent[3] - spent[2], spent[4] - spent[3])
"""
_KB = 1024


def program(path: Path, isa: str, link: tuple[str, ...]) -> tuple[Path, Mapping[str, Any]]:
    """A program of a model at one level, and the model's manifest."""
    level = next(each for each in LEVELS if each.name == isa)
    sources = generate(path, name=NAME, target=host_target(), options=CompileOptions(isa=isa))
    files = {**sources.files, "main.c": _MAIN}
    toolchain = host_toolchain(level.flags or None)
    return build(toolchain, files, compile_flags(sources), link, "first"), sources.manifest


def start(built: Path) -> dict[str, int]:
    """What one run of a program says: nanoseconds, faults, and bytes of memory by Linux's names."""
    said = subprocess.run([built], capture_output=True, check=True).stdout
    begun, ended, faults = (
        int.from_bytes(said[i : i + 8], sys.byteorder, signed=True) for i in (0, 8, 16)
    )
    found = {"before": begun, "first": ended - begun, "faults": faults}
    for line in said[24:].decode().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmHWM", "RssAnon", "RssFile"):
            found[name] = int(value.split()[0]) * _KB
    return found


def litert(path: Path) -> list[int]:
    """Nanoseconds of LiteRT's library, of the model's loading, and of the first call."""
    done = subprocess.run([sys.executable, "-c", _LITERT, path], capture_output=True, check=True)
    return [int(word) for word in done.stdout.split()]


def measured(path: Path, isa: str, turns: int, link: tuple[str, ...]) -> dict[str, Any]:
    """The figures of one model."""
    built, manifest = program(path, isa, link)
    start(built)  # brings the file into the page cache
    theirs, runs = [], []
    for _ in range(turns):
        theirs.append(litert(path))
        runs += [start(built) for _ in range(3)]
    library, load, call = (round(median(part) / 1e3, 1) for part in zip(*theirs, strict=True))
    return {
        "isa": isa,
        "litert_us": {"library": library, "load": load, "first": call},
        "c_us": {
            "start": round(median(run["before"] for run in runs) / 1e3, 1),
            "first": round(median(run["first"] for run in runs) / 1e3, 1),
        },
        "page_faults": max(run["faults"] for run in runs),
        "weights_bytes": manifest["constant_bytes"],
        "arena_bytes": manifest["arena_bytes"],
        "peak_bytes": max(run["VmHWM"] for run in runs),
        "own_bytes": max(run["RssAnon"] for run in runs),
    }


def described(row: dict[str, Any]) -> str:
    """The figures of one model in words."""
    theirs, ours = row["litert_us"], row["c_us"]
    loaded, whole = theirs["load"] + theirs["first"], sum(theirs.values())
    above = row["peak_bytes"] - row["weights_bytes"] - row["arena_bytes"]
    return (
        f"LiteRT {theirs['library']:,.0f} + {theirs['load']:,.0f} + {theirs['first']:,.0f} us; "
        f"{row['isa']} {ours['start']:,.0f} + {ours['first']:,.0f} us, {row['page_faults']} page "
        f"faults: first call {ours['first'] / loaded:.2f}x of load and first call, all "
        f"{sum(ours.values()) / whole:.2f}x; peak {row['peak_bytes']:,} bytes, {above:,} above "
        f"weights and arena, {row['own_bytes']:,} the process's own"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--isa", default=best_here().name)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--dynamic", action="store_true", help="with the C library's shared object")
    parser.add_argument("--dry", action="store_true", help="print only")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = kept.setdefault(cpu_name(), {})
    link = () if given.dynamic else ("-static",)
    for name, path in models():
        if given.only not in name or "float32" in name:
            continue
        row = measured(path, given.isa, given.turns, link)
        rows.setdefault(name, {})["start"] = row
        print(f"{name}: {described(row)}", flush=True)
        if not given.dry:
            FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
