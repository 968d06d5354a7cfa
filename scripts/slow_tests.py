"""Write tests/slow_tests.txt: the tests that `make test-fast` leaves out, by what they took.

python scripts/slow_tests.py REPORT.xml [--above 0.6]

REPORT.xml is of a whole run on an idle machine: `make test PYTEST_ARGS=--junitxml=REPORT.xml`.
Of a file all of whose tests are slow the quickest stays, so that no subject is left out.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "tests" / "slow_tests.txt"


def durations(report: Path) -> dict[str, float]:
    """Seconds by test, with its set-up, out of pytest's JUnit report."""
    found: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).getroot().iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        found[f"{file}::{case.attrib['name']}"] += float(case.attrib["time"])
    return found


def slow(seconds: Mapping[str, float], above: float) -> list[str]:
    """The tests that are left out: a function where all its cases are slow, else its cases."""
    files: dict[str, list[str]] = defaultdict(list)
    for test in seconds:
        files[test.partition("::")[0]].append(test)
    left_out = {test for test, took in seconds.items() if took >= above}
    for tests in files.values():
        if left_out.issuperset(tests):
            left_out.discard(min(tests, key=lambda test: seconds[test]))
    cases: dict[str, list[str]] = defaultdict(list)
    for test in seconds:
        cases[test.partition("[")[0]].append(test)
    lines = []
    for function, tests in cases.items():
        mine = [test for test in tests if test in left_out]
        lines += [function] if len(mine) == len(tests) else mine
    return sorted(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--above", type=float, default=0.6, help="seconds")
    arguments = parser.parse_args()
    seconds = durations(arguments.report)
    lines = slow(seconds, arguments.above)
    FILE.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    kept = [took for test, took in seconds.items()
            if test not in lines and test.partition("[")[0] not in lines]  # fmt: skip
    print(f"{len(kept)} of {len(seconds)} tests are quick: {sum(kept):.0f} s in all")


if __name__ == "__main__":
    main()
