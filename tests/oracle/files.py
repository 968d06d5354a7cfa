"""Compares model files with TensorFlow Lite Micro: `python -m tests.oracle.files MODEL...`."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeq.errors import EdgeqError
from tests.oracle.check import Case, check, random_case


def cases(paths: Sequence[Path], calls: int) -> Iterator[Case]:
    """A case for every file that can be read; the others are printed."""
    for path in paths:
        try:
            yield random_case(str(path), path.read_bytes(), calls)
        except EdgeqError as error:
            print(f"{path}: unreadable: {error}")


def main() -> int:
    """Print a verdict per file; 1 if edgeq differs, crashes, or refuses what TFLM runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("-n", type=int, default=3, help="random inputs, besides two extreme ones")
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    for result in check(cases(arguments.models, arguments.n)):
        verdicts[result.verdict] += 1
        print(result, flush=True)
    print(dict(verdicts))
    return 1 if set(verdicts) - {"same", "both refuse", "no oracle"} else 0


if __name__ == "__main__":
    sys.exit(main())
