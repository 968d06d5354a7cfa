"""Damages small models at random and compiles them: `python -m tests.oracle.mutate -n 200000`.

Whatever the bytes, `generate` ends within 5 s and 1 GB, with C or with one EdgeqError; and a share
of the C that comes out is run under sanitizers.
"""

import argparse
import random
import resource
import signal
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgeq.analysis.verification import random_inputs
from edgeq.compiler.compilation import generate
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.oracle.check import Case, run_c
from tests.oracle.fuzz import generators

SECONDS = 5
MEMORY_BYTES = 1 << 30
_INTERESTING = (0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 32767, 65535, -1, -2, -128)
_INTERESTING += (1 << 20, (1 << 31) - 1, -(1 << 31), 1 << 28, 0x7F800000, 0x7FC00000)


class TooSlow(Exception):
    """A model took longer than SECONDS."""


def seeds() -> list[bytes]:
    """One small model of every generator, and one with control flow and variables."""
    from tests.compiler.plan.test_flatten import branches, counter, loop

    models = [
        make(np.random.default_rng(number), 3).model
        for number, make in enumerate(generators().values())
    ]
    return [*models, branches(), counter(once=[1, 2, 3, 4]), loop([], [2, 1])]


def mutated(chance: random.Random, models: list[bytes]) -> bytes:
    """One of the models with a few bytes changed, copied, or cut off."""
    data = bytearray(chance.choice(models))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        position = chance.randrange(len(data))
        kind = chance.randrange(8)
        if kind < 3:
            data[position] = chance.choice((chance.randrange(256), data[position] ^ 1, 0, 255))
        elif kind < 6:
            position &= ~3
            value = chance.choice((*_INTERESTING, chance.randrange(-64, 64)))
            data[position : position + 4] = struct.pack("<i", value)
        elif kind == 6:
            size = chance.randrange(1, 33)
            source = chance.randrange(len(data))
            data[position : position + size] = data[source : source + size]
        else:
            del data[max(position, 8) :]
        if len(data) < 9:
            return bytes(data)
    return bytes(data)


def outcome(data: bytes, file: Path) -> str:
    """ "compiled", "refused", or a traceback's last lines."""
    file.write_bytes(data)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        generate(file, name="m", target="x86-64")
    except EdgeqError:
        return "refused"
    except (Exception, MemoryError) as error:  # noqa: BLE001  (any other exception is a find)
        lines = traceback.format_exc().strip().splitlines()
        return f"{type(error).__name__}: {' | '.join(line.strip() for line in lines[-5:])}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "compiled"


def limit_resources() -> None:
    """Make a slow model raise TooSlow, and a large one MemoryError."""

    def too_slow(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, too_slow)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))


@contextmanager
def limited() -> Iterator[None]:
    """`limit_resources` for as long as the block lasts."""
    handler, limits = signal.getsignal(signal.SIGALRM), resource.getrlimit(resource.RLIMIT_AS)
    limit_resources()
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def run_problems(models: list[bytes]) -> list[tuple[bytes, str]]:
    """Models whose C a compiler or a sanitizer complains about."""
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    cases = []
    for number, model in enumerate(models):
        arrays = random_inputs(parse_graph(model).main, 1, number)
        calls = [[array[i] for array in arrays] for i in range(len(arrays[0]) if arrays else 1)]
        cases.append(Case(str(number), model, calls))
    results = run_c(cases, SECONDS)
    limit_resources()
    found = []
    for case, (verdict, detail) in zip(cases, results, strict=True):
        # Loops that a damaged condition never leaves are what the model asks for.
        if verdict == "crash" and "did not end" not in str(detail):
            found.append((case.model, str(detail)))
    return found


def hunt(count: int, seed: int, share: float) -> tuple[Counter[str], dict[str, bytes]]:
    """Verdicts of `count` damaged models, and one example of every kind of failure.

    Args:
        share: Of the compiled models to run as well.
    """
    chance = random.Random(seed)
    models, file = seeds(), Path(f"/tmp/edgeq-mutated-{seed}.tflite")
    counts: Counter[str] = Counter()
    problems: dict[str, bytes] = {}
    to_run: list[bytes] = []
    for number in range(count):
        data = mutated(chance, models)
        result = outcome(data, file)
        if result not in ("compiled", "refused"):
            problems.setdefault(result, data)
            result = "failed"
        counts[result] += 1
        if result == "compiled" and chance.random() < share:
            to_run.append(data)
        if len(to_run) == 24 or number == count - 1:
            found = run_problems(to_run)
            problems |= {detail: model for model, detail in found}
            counts["C failed"] += len(found)
            counts["run"] += len(to_run)
            to_run = []
        if number % 5000 == 4999:
            print(number + 1, dict(counts), flush=True)
    file.unlink(missing_ok=True)
    return counts, problems


def main() -> int:
    """Report what went wrong, one example of each kind; 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=float, default=0.02, help="share of compiled models to run")
    parser.add_argument("--save", type=Path, help="folder for the models that fail")
    arguments = parser.parse_args()
    start = time.monotonic()
    limit_resources()
    counts, problems = hunt(arguments.n, arguments.seed, arguments.run)
    for number, (text, data) in enumerate(problems.items()):
        print(f"--- {text}")
        if arguments.save:
            arguments.save.mkdir(parents=True, exist_ok=True)
            (arguments.save / f"{arguments.seed}_{number}.tflite").write_bytes(data)
    print(f"{arguments.n} models in {time.monotonic() - start:.0f} s: {dict(counts)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
