"""Runs random ops and graphs against the oracle: `python -m tests.oracle.fuzz`."""

import argparse
import importlib
import pkgutil
import sys
import time
from collections import Counter

import numpy as np

import tests.oracle.generators
from tests.oracle.check import Case, check
from tests.oracle.shrink import Generator, smallest

SIZE = 9


def generators() -> dict[str, Generator]:
    """Every generator by name, out of all modules in tests/oracle/generators."""
    found: dict[str, Generator] = {}
    for module in pkgutil.iter_modules(tests.oracle.generators.__path__):
        loaded = importlib.import_module(f"tests.oracle.generators.{module.name}")
        found.update(getattr(loaded, "GENERATORS", {}))
    return dict(sorted(found.items()))


def random_cases(make: Generator, count: int, seed: int, size: int = SIZE) -> list[Case]:
    """`count` cases of one generator."""
    return [make(np.random.default_rng((seed, i)), 1 + i % size) for i in range(count)]


def main() -> int:
    """Report verdicts per generator; shrink what differs; 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20_000, help="models of one op, in all")
    parser.add_argument("--graphs", type=int, default=500, help="models of many ops, in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of a generator's name")
    arguments = parser.parse_args()
    chosen = {k: v for k, v in generators().items() if arguments.only in k}
    graphs = sum(name.startswith("graph") for name in chosen)
    each = {
        True: -(-arguments.graphs // max(graphs, 1)),
        False: -(-arguments.n // max(len(chosen) - graphs, 1)),
    }
    failed, total, start = 0, 0, time.monotonic()
    for name, make in chosen.items():
        count = each[name.startswith("graph")]
        results = list(check(random_cases(make, count, arguments.seed)))
        verdicts = Counter(result.verdict for result in results)
        total += len(results)
        print(f"{name}: {dict(verdicts)}", flush=True)
        for verdict in set(verdicts) - {"same", "both refuse"}:
            failed += verdicts[verdict]
            small = smallest(make, verdict, SIZE) if verdict in ("differs", "crash") else None
            example = next(result for result in results if result.verdict == verdict)
            print(f"  smallest {small or example}", flush=True)
    print(f"{total} cases in {time.monotonic() - start:.0f} s, {failed} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
