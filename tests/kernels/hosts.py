"""The kernels of hosts at every level of an instruction set, on random layers and graphs.

    python -m tests.kernels.hosts --only "CONV_2D int8" -n 2000 --isa avx2

compares bytes with TensorFlow Lite Micro's at all levels that this machine has; `make fuzz` does so
for 20,000 layers and graphs. Many make up one program, which the compiler makes at its fastest;
some programs are built thrice: with sanitizers, and with all that the compiler and this machine do.
"""

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgeq.boards.levels import LEVELS, runs_here
from edgeq.devices.host_c import host_target
from tests.oracle.check import BUILDS, CHUNK, Case, Oracle, Result, check_together
from tests.oracle.fuzz import generators

# Generator, and the function of the form that hosts have.
FORMS = (
    ("CONV_2D int8", "eq_conv_2d_host_s8"),
    ("CONV_2D int8", "eq_conv_2d_copied_host_s8"),
    ("CONV_2D int4", "eq_conv_2d_copied_host_s8"),
    ("DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_copied_host_s8"),
    ("FULLY_CONNECTED int8", "eq_fully_connected_host_s8"),
    ("FULLY_CONNECTED int8", "eq_fully_connected_copied_host_s8"),
    ("ADD", "eq_scaled_sum_host_s8"),
    ("sums with ties", "eq_add_host_s8"),
    ("SUB", "eq_scaled_sum_host_s8"),
    ("MUL", "eq_scaled_product_host_s8"),
    ("LOGISTIC", "eq_lookup_host_s8"),
    ("AVERAGE_POOL_2D int8", "eq_average_pool_2d_host_s8"),
    ("MEAN", "eq_reduce_sum_host_s8"),
)
# What one level has beside them.
OWN_FORMS = {"avx2": (("CONV_2D int8 3x3 of sixteen channels", "eq_conv_2d_winograd_avx2_s8"),)}
NAMES = [level.name for level in LEVELS]
SIZE = 40
# What is compared besides the layers of FORMS: graphs of them, and layers that forms are near to.
OTHERS = (
    "graph int8",
    "graph of a tall image",
    "rows of sums and products",
    "CONV_2D int8 1x1 of eight channels",
    "CONV_2D int8 3x3 of sixteen channels",
    "DEPTHWISE_CONV_2D int4",
    "FULLY_CONNECTED int4",
    "TANH",
)
GENERATORS = tuple(dict.fromkeys([*(name for name, _ in FORMS), *OTHERS]))
QUICK = {"quick": ["-O1"]}
PER_PROGRAM = 96


def first_calls(cases: list[Case]) -> list[Case]:
    """The layers with two calls each: nothing here has a state."""
    return [replace(case, calls=case.calls[:2]) for case in cases]


def compared(
    name: str, levels: Sequence[str], count: int, seed: int, checked: int
) -> Iterator[Result]:
    """The results of random cases of one generator at each level.

    Args:
        checked: One of so many programs is built with sanitizers, too; it is a small one.
    """
    make, target = generators()[name], host_target().name
    cases = (
        replace(make(np.random.default_rng((seed, i)), 1 + i % SIZE), target=target)
        for i in range(count)
    )
    with Oracle() as oracle:
        for number in itertools.count():
            thorough = number % checked == (seed + len(name)) % checked
            chunk = list(itertools.islice(cases, CHUNK if thorough else PER_PROGRAM))
            if not chunk:
                return
            builds = BUILDS if thorough else QUICK
            yield from check_together(first_calls(chunk), oracle, levels, builds)


def in_turns(
    turns: Mapping[str, Iterator[Result]], size: int
) -> Iterator[tuple[str, list[Result]]]:
    """So many results of each in turn, so that a run that is cut short has some of all."""
    waiting = dict(turns)
    while waiting:
        for name in list(waiting):
            if found := list(itertools.islice(waiting[name], size)):
                yield name, found
            else:
                del waiting[name]


def main() -> int:
    """Compare random layers and graphs at each level; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20_000, help="layers and graphs in all")
    parser.add_argument("--isa", choices=NAMES, action="append", help="all that there are if none")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checked", type=int, default=16, help="one program of so many")
    given = parser.parse_args()
    levels = [e.name for e in LEVELS if e.name in (given.isa or NAMES) and runs_here(e)]
    chosen = [name for name in GENERATORS if given.only in name]
    each = -(-given.n // max(1, len(chosen)))
    turns = {name: compared(name, levels, each, given.seed, given.checked) for name in chosen}
    begun, failed = time.monotonic(), 0
    taken: Counter[tuple[str, str]] = Counter()
    verdicts: Counter[tuple[str, str]] = Counter()
    for name, results in in_turns(turns, PER_PROGRAM * len(levels)):
        for result in results:
            isa = result.case.isa
            verdicts[isa, result.verdict] += 1
            if result.verdict == "same":
                taken.update((isa, kernel) for kernel in set(result.kernels))
            elif result.verdict in ("differs", "crash"):
                failed += 1
                print(f"{isa} {result}, seed {given.seed}", flush=True)
        told = (f"{isa} {count} {verdict}" for (isa, verdict), count in sorted(verdicts.items()))
        print(f"{time.monotonic() - begun:.0f} s, {name}: {', '.join(told)} so far", flush=True)
    for (isa, kernel), count in sorted(taken.items()):
        if "host" in kernel or "avx" in kernel:
            print(f"{isa} {kernel}: {count}", flush=True)
    return 1 if failed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
