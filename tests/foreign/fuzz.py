"""Damaged input for every reader of foreign bytes: `python -m tests.foreign.fuzz -n 5000`.

Each input has a limit of time and of memory, in a process that is not this one: a crash of a
library is a finding too. An input is made again from its number: `input_number`. From -n 1000 on,
each value of a JSON text is also made one of another kind, in turn. For each twenty inputs there is
one of which a part is very long.
"""

import argparse
import mmap
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from edgeq.errors import EdgeqError
from tests.foreign.mutate import each_value_another, mutated, swollen
from tests.foreign.talks import READERS
from tests.foreign.words import pythons_words

SECONDS = 10
MEMORY_BYTES = 1 << 30
Change = Callable[[random.Random, bytes], bytes]
_MANY = 1000  # inputs from which on a run may be long
_RECORD = struct.Struct("<qqq")  # inputs done, read, refused


class TooSlow(BaseException):
    """An input took longer than SECONDS of processor time: others may have the machine, too."""


def outcome(name: str, data: bytes, folder: Path) -> str:
    """ "read", "refused", or what went wrong."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        READERS[name].read(data, folder)
    except EdgeqError as error:
        words = pythons_words(str(error))
        return f"refused in Python's words ({words}): {str(error)[:150]}" if words else "refused"
    except TooSlow:
        return f"more than {SECONDS} s"
    except BaseException as error:  # noqa: BLE001  (all others are findings)
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(frames) if "/edgeq/" in f.filename), frames[-1])
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__}: {str(error)[:150]} ({where})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def input_number(
    name: str, seed: int, number: int, seeds: list[bytes], change: Change = mutated
) -> bytes:
    """One input at random; the same for the same numbers."""
    chance = random.Random(f"{name} {seed} {number}")
    return change(chance, chance.choice(seeds))


def _work(name: str, seed: int, first: int, count: int, folder: Path, shared: mmap.mmap) -> None:
    """Read inputs from `first` on; findings go to files in the folder."""

    def late(_signum, _frame):
        raise TooSlow

    signal.signal(signal.SIGPROF, late)
    seeds = READERS[name].seeds()
    for data in seeds:
        good = outcome(name, data, folder)
        if good not in ("read", "refused"):
            (folder / "finding-good").write_text(good)
    own = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (own + MEMORY_BYTES, own + MEMORY_BYTES))
    # Behind those at random, in a long run: what chance would miss.
    others = [each for data in seeds for each in each_value_another(data)] if count >= _MANY else []
    long = count // 20
    for number in range(first, count + long + len(others)):
        _, read, refused = _RECORD.unpack_from(shared)
        _RECORD.pack_into(shared, 0, number, read, refused)
        if number < count + long:
            data = input_number(name, seed, number, seeds, mutated if number < count else swollen)
        else:
            data = others[number - count - long]
        verdict = outcome(name, data, folder)
        if verdict not in ("read", "refused"):
            (folder / f"finding-{number}").write_text(verdict)
        _RECORD.pack_into(
            shared, 0, number + 1, read + (verdict == "read"), refused + (verdict == "refused")
        )


def _wait(child: int, shared: mmap.mmap) -> int:
    """The status of a child, which is killed where one input hangs in a library's own code."""
    last, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        done = _RECORD.unpack_from(shared)[0]
        if done != last:
            last, since = done, time.monotonic()
        elif time.monotonic() - since > 3 * SECONDS + (60 if last <= 0 else 0):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


def fuzz(name: str, count: int, seed: int) -> tuple[Counter, dict[int, str]]:
    """Verdicts by number, and findings by number of the input."""
    findings: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as text, mmap.mmap(-1, _RECORD.size) as shared:
        folder = Path(text)
        first, status = 0, -1
        while status:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
                    _work(name, seed, first, count, folder, shared)
                    code = 0
                except BaseException:  # noqa: BLE001  (of the fuzz itself)
                    (folder / "finding-good").write_text(traceback.format_exc())
                finally:
                    os._exit(code)
            status = _wait(child, shared)
            done, read, refused = _RECORD.unpack_from(shared)
            if status:
                findings[done] = f"the process ended with {os.waitstatus_to_exitcode(status)}"
                if done < first:
                    break  # not over an input: it would never end
                first = done + 1
        for file in folder.glob("finding-*"):
            number = file.name.removeprefix("finding-")
            findings[-1 if number == "good" else int(number)] = file.read_text()
    return Counter(read=read, refused=refused), findings


def main() -> int:
    """Report per reader; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5000, help="inputs for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of a reader's name")
    parser.add_argument("--exactly", default="", help="a reader's name")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    failed = 0
    for name in READERS:
        if arguments.only not in name or arguments.exactly not in ("", name):
            continue
        start = time.monotonic()
        count = max(1, round(arguments.n * READERS[name].share))
        verdicts, findings = fuzz(name, count, arguments.seed)
        seconds = time.monotonic() - start
        print(f"{name}: {dict(verdicts)}, {len(findings)} findings, {seconds:.1f} s", flush=True)
        failed += len(findings)
        for what, many in Counter(findings.values()).most_common(8):
            number = next(key for key, value in findings.items() if value == what)
            print(f"  {many} times, first at input {number}: {what}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
