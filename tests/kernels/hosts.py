"""The kernels of hosts at every level of an instruction set, on random layers.

    python -m tests.kernels.hosts --only "CONV_2D int8" -n 2000 --isa avx2

compares bytes with TensorFlow Lite Micro's; `make fuzz` does so for all forms, at all levels that
this machine has.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace

from edgeq.boards.levels import LEVELS, runs_here
from tests.kernels.layers import Compared, by_program, differences, random_layers, report
from tests.oracle.check import Case

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


def first_calls(cases: list[Case]) -> list[Case]:
    """The layers with two calls each: nothing here has a state."""
    return [replace(case, calls=case.calls[:2]) for case in cases]


def main() -> int:
    """Compare layers of each form at each level; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=500, help="layers of each form at each level")
    parser.add_argument("--isa", choices=NAMES, help="a level; all of this machine if not given")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    def forms() -> Iterator[tuple[str, str, str]]:
        for level in LEVELS:
            if given.isa not in (None, level.name):
                continue
            if not runs_here(level):
                print(f"{level.name}: this machine's CPU does not have it", flush=True)
                continue
            for name, form in (*FORMS, *OWN_FORMS.get(level.name, ())):
                if given.only in name:
                    yield level.name, name, form

    def compare(isa: str, name: str, form: str) -> Compared:
        layers = random_layers("c", name, form, given.n, given.seed, SIZE, isa)
        return by_program(layers, lambda cases: differences("c", first_calls(cases), isa=isa))

    return report(forms(), compare)


if __name__ == "__main__":
    sys.exit(main())
