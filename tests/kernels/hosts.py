"""The kernels of hosts at every level of an instruction set, on random layers.

    python -m tests.kernels.hosts --only "CONV_2D int8" -n 2000 --isa avx2

compares bytes with TensorFlow Lite Micro's; `make fuzz` does so for all forms, at all levels that
this machine has.
"""

import argparse
import sys
from dataclasses import replace

from edgeq.boards.levels import LEVELS, runs_here
from tests.kernels.layers import batches, differences, random_layers

# Generator, and the function of the form that hosts have.
FORMS = (
    ("CONV_2D int8", "eq_conv_2d_host_s8"),
    ("CONV_2D int8", "eq_conv_2d_copied_host_s8"),
    ("CONV_2D int4", "eq_conv_2d_copied_host_s8"),
    ("DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_copied_host_s8"),
    ("FULLY_CONNECTED int8", "eq_fully_connected_host_s8"),
    ("FULLY_CONNECTED int8", "eq_fully_connected_copied_host_s8"),
    ("ADD", "eq_scaled_sum_host_s8"),
    ("ADD", "eq_add_host_s8"),
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


def compare(isa: str, name: str, form: str, count: int, seed: int = 0) -> tuple[list[str], int]:
    """What differs from the oracle's bytes at a level, and how many layers were compared."""
    bad, compared = [], 0
    layers = random_layers("c", name, form, count, seed, SIZE, isa)
    for cases in batches(layers):
        # Programs of one call are enough: nothing here has a state.
        found, kept = differences("c", [replace(c, calls=c.calls[:2]) for c in cases], isa=isa)
        bad += found
        compared += kept
    return bad, compared


def main() -> int:
    """Report how many layers of each form were compared; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=500, help="layers of each form at each level")
    parser.add_argument("--isa", choices=NAMES, help="a level; all of this machine if not given")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    failed = 0
    for level in LEVELS:
        if given.isa not in (None, level.name):
            continue
        if not runs_here(level):
            print(f"{level.name}: this machine's CPU does not have it", flush=True)
            continue
        for name, form in (*FORMS, *OWN_FORMS.get(level.name, ())):
            if given.only not in name:
                continue
            bad, compared = compare(level.name, name, form, given.n, given.seed)
            failed += len(bad)
            print(
                f"{level.name} {name}: {compared} layers by {form}, {len(bad)} differ", flush=True
            )
            for problem in bad[:5]:
                print(f"  {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
