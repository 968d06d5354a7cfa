"""One recording through front end, model and decision everywhere: are the detections the same?

    python -m benchmarks.replay [--minutes 30] [--cut 60] [--board qemu-riscv32-virt] [FOLDER]

Spoken keywords (examples/keyword.py) are heard by the C on this machine, by a host over SSH (an
sshd of its own on this machine), by firmware in QEMU to which the recording is replayed over its
serial port, and, the first seconds of it, by an emulated Cortex-M4. FOLDER keeps the trained model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import edgeq
from edgeq.analysis.evaluation.recordings import EventEvaluation
from examples import keyword
from tests.devices.ssh import openssh
from tests.firmware.boards import build, on_pty

EMULATED = "sim:cortex-m4"


@dataclass(frozen=True)
class Heard:
    """What one place made of the recordings.

    Attributes:
        on: The place.
        seconds: Of sound.
        detections: How many.
        equal: Whether they are those of the C on this machine: file, label, score and times.
        took_s: Time from the connection to the last answer.
    """

    on: str
    seconds: float
    detections: int
    equal: bool
    took_s: float


def everywhere(
    model: Path, recordings: Path, options: edgeq.CompileOptions, *, board: str, cut: float
) -> Iterator[Heard]:
    """What each place makes of a folder of recordings; the C on this machine comes first.

    Args:
        model: A .tflite file.
        recordings: As `edgeq.evaluate_recordings` takes them.
        options: With the front end and its decision.
        board: A target that QEMU has.
        cut: So many seconds for the emulator.
    """

    def hear(on: str, seconds: float | None = None) -> tuple[EventEvaluation, float]:
        begin = time.perf_counter()
        found = edgeq.evaluate_recordings(
            model, recordings=recordings, options=options, on=on, seconds=seconds
        )
        return found, time.perf_counter() - begin

    here, took = hear("c")
    yield Heard("c", here.seconds, len(here.detections), True, took)
    short, _ = hear("c", cut)

    def beside(name: str, on: str, wanted: EventEvaluation, seconds: float | None = None) -> Heard:
        found, took = hear(on, seconds)
        same = found.detections == wanted.detections
        return Heard(name, found.seconds, len(found.detections), same, took)

    yield beside(EMULATED, EMULATED, short, cut)
    with _host() as address:
        yield beside("ssh://", address, here)
    with tempfile.TemporaryDirectory() as work:
        elf = build([model], Path(work) / "firmware", board, name="listener", options=options)
        with on_pty(elf, board) as port:
            yield beside(f"serial: ({board})", f"serial:{port}", here)


@contextmanager
def _host() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as work:
        server = openssh.start(Path(work))
        try:
            yield server.address
        finally:
            server.stop()


def main(folder: Path, minutes: float, cut: float, board: str) -> int:
    """Train where nothing was trained yet, listen everywhere, print a table."""
    model = folder / "keyword.tflite"
    if not model.exists():
        keyword.prepare(folder)
    seconds = int(60 * minutes)
    recordings = folder / f"heard-{seconds}"
    keyword.record(recordings, count=1, seconds=seconds, seed=5)
    print("| on | seconds of sound | detections | those of `c` | took s |")
    print("|---|--:|--:|---|--:|")
    equal = True
    how = keyword.options(folder)
    for each in everywhere(model, recordings, how, board=board, cut=cut):
        equal = equal and each.equal
        print(
            f"| `{each.on}` | {each.seconds:,.0f} | {each.detections} "
            f"| {'yes' if each.equal else 'NO'} | {each.took_s:.1f} |",
            flush=True,
        )
    return 0 if equal else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/replay"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cut", type=float, default=60)
    parser.add_argument("--board", default="qemu-riscv32-virt")
    given = parser.parse_args()
    sys.exit(main(given.folder, given.minutes, given.cut, given.board))
