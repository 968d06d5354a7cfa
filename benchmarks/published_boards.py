"""Cycle estimates against MLPerf Tiny firmware that submitters measured on their boards.

    git clone https://github.com/mlcommons/tiny_results_v1.2
    git clone https://github.com/mlcommons/tiny_results_v1.3
    python -m benchmarks.published_boards tiny_results_v1.2 tiny_results_v1.3

Robert Bosch GmbH and STMicroelectronics published, beside each latency, the very image that was
measured. It runs in the emulator here, and what edgeq's timing makes of its instructions stands
beside the latency: same code, same weights, same compiler. Results go to published_boards.json and,
from there, into docs/cycle-estimates.md (`--table` alone writes the table again).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.board_firmware import count_inference, image_of
from edgeq.boards.memory_timing import Cache, FlashTiming
from edgeq.boards.power import Power
from edgeq.boards.target import Target, load_target

RESULTS = Path(__file__).with_name("published_boards.json")
DOCS = Path(__file__).parents[1] / "docs" / "cycle-estimates.md"
ENERGY_DOCS = DOCS.with_name("energy.md")
_BEGIN, _END = "<!-- boards:begin -->", "<!-- boards:end -->"

# Boards that are no targets of edgeq. Sources: RM0455 (STM32H7A3): wait states at VOS0, 16 KB of
# each cache; RM0487 (STM32U3): wait states in range 1, 8 KB of cache. The bus cycles are those of
# the boards of the same family.
_H7A3 = FlashTiming(((280_000_000, 6),), Cache(32, 512, 2), Cache(32, 512, 4), bus_cycles=4)
_U385 = FlashTiming(((96_000_000, 2),), Cache(16, 512, 2), Cache(16, 512, 2), bus_cycles=3)

# STM32U385's data sheet, features: CoreMark at 96 MHz with the step-down converter.
_U385_POWER = Power(3.3, 16, 4.5, "Stop 2, all RAM kept", "SMPS")
# What ST's submissions say of the supply (closed/STMicroelectronics/systems, "Hardware Notes").
_ENERGY_SUPPLY_V = {"NUCLEO-L4R5ZI": 1.8, "NUCLEO-U575ZI-Q": 1.8, "NUCLEO-U385RG-Q": 1.8}


@dataclass(frozen=True)
class Board:
    """One board of the submissions: which chip it has and what its flash costs."""

    title: str
    target: str
    chip: str
    clock_hz: int
    flash: FlashTiming | None = None
    power: Power | None = None

    def as_target(self) -> Target:
        """The target at the board's clock, with its flash."""
        found = load_target(self.target)
        flash, power = self.flash or found.flash_timing, self.power or found.power
        return replace(found, flash_timing=flash, power=power, clock_hz=self.clock_hz, uart=None)


BOARDS = {
    "NUCLEO_G0B1RE": Board("NUCLEO-G0B1RE", "nucleo-g071rb", "stm32g0", 64_000_000),
    "NUCLEO_L4R5ZI": Board("NUCLEO-L4R5ZI", "nucleo-l4r5zi", "stm32l4", 120_000_000),
    "NUCLEO_U575ZI": Board("NUCLEO-U575ZI-Q", "nucleo-u575zi-q", "stm32u5", 160_000_000),
    "NUCLEO_U385RG": Board(
        "NUCLEO-U385RG-Q", "nucleo-u575zi-q", "stm32u3", 96_000_000, _U385, _U385_POWER
    ),
    "NUCLEO_H7A3ZI": Board("NUCLEO-H7A3ZI-Q", "nucleo-h743zi2", "stm32h7", 280_000_000, _H7A3),
    "DISCO_F746NG": Board("32F746GDISCOVERY", "stm32f746g-discovery", "stm32f7", 216_000_000),
}
_MODELS = {
    "ad": ("ad01", "anomaly_detection"),
    "ic": ("resnet", "image_classification"),
    "kws": ("kws", "keyword_spotting"),
    "vww": ("vww", "visual_wake_words"),
}
_SUBMITTERS = {"bosch": "Bosch", "STMicroelectronics": "ST"}


@dataclass(frozen=True)
class Submission:
    """One image and the latency that was published with it."""

    board: Board
    submitter: str
    model: str
    variant: str
    image: Path
    per_second: float
    source: str


def submissions(root: Path) -> Iterator[Submission]:
    """Every image of a clone of the results whose board is known here."""
    version = root.name.removeprefix("tiny_results_")
    for folder in sorted(root.glob("closed/*/code/*")):
        submitter = folder.parents[1].name
        name = next((n for n in BOARDS if folder.name.startswith(n)), None)
        if submitter not in _SUBMITTERS or name is None or "float" in folder.name:
            continue
        for short, (model, long) in _MODELS.items():
            images = [*folder.glob(f"{short}/*.bin"), *folder.glob(f"{long}/Binaries/*erform*")]
            result = folder.parents[1] / f"results/{folder.name}/{short}/performance/results.txt"
            if len(images) != 1 or not result.is_file():
                continue
            medians = re.findall(r"Median throughput is\s+([\d.]+)", result.read_text())
            variant = folder.name.partition("_int8")[2].strip("_").replace("_", " ")
            yield Submission(
                BOARDS[name],
                _SUBMITTERS[submitter],
                model,
                variant,
                images[0],
                float(medians[-1]),
                f"mlcommons/tiny_results_{version}: {result.relative_to(root)}",
            )


def measure(submission: Submission) -> dict[str, Any]:
    """A row of the results."""
    board = submission.board
    target = board.as_target()
    instructions, cycles = count_inference(submission.image, target, board.chip)
    content = image_of(submission.image)
    return {
        "board": board.title,
        "core": target.cpu,
        "clock_hz": board.clock_hz,
        "submitter": submission.submitter,
        "model": submission.model,
        "variant": submission.variant,
        "instructions": instructions,
        "published_cycles": round(board.clock_hz / submission.per_second),
        "estimated_cycles": cycles,
        "image_sha256": hashlib.sha256(content).hexdigest(),
        "source": submission.source,
    }


def add_energy(row: dict[str, Any], root: Path) -> None:
    """Put the energy that was published with a row, and its estimate, beside its cycles."""
    where = row["source"].partition(": ")[2].replace("/performance/", "/energy/")
    result, volts = root / where, _ENERGY_SUPPLY_V.get(row["board"])
    board = next((b for b in BOARDS.values() if b.title == row["board"]), None)
    power = board.as_target().power if board else None
    if root.name.rpartition("_")[2] not in row["source"] or not result.is_file() or not volts:
        return
    medians = re.findall(r"Median energy cost is\s+([\d.]+)", result.read_text())
    if medians and power is not None:
        # An LDO draws the same current at any voltage, a step-down converter the same power.
        share = volts / power.supply_v if power.regulator == "LDO" else 1.0
        row["published_uj"] = float(medians[-1])
        row["estimated_uj"] = round(row["estimated_cycles"] * power.cycle_uj * share, 1)
        row["supply_v"] = volts


def energy_table(rows: list[dict[str, Any]]) -> str:
    """Markdown: the rows that have an energy."""
    lines = ["| board | supply | code of | model | published | estimate | error |"]
    lines += ["|---|---:|---|---|---:|---:|---:|"]
    for row in rows:
        if "published_uj" in row:
            code = f"{row['submitter']}, {_version(row['source'])}"
            off = row["estimated_uj"] / row["published_uj"] - 1
            lines.append(
                f"| {row['board']} | {row['supply_v']:g} V | {code} | {row['model']} "
                f"| {row['published_uj']:,.0f} µJ | {row['estimated_uj']:,.0f} µJ | {off:+.0%} |"
            )
    return "\n".join(lines)


def error(row: dict[str, Any]) -> float:
    """Relative error of an estimate."""
    return float(row["estimated_cycles"] / row["published_cycles"] - 1)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: one line a core, then one a row."""
    lines = ["| core | boards | n | median error | worst |", "|---|---|---:|---:|---:|"]
    for core in dict.fromkeys(row["core"] for row in rows):
        own = [row for row in rows if row["core"] == core]
        errors = [error(row) for row in own]
        boards = ", ".join(dict.fromkeys(row["board"] for row in own))
        median = statistics.median(abs(e) for e in errors)
        worst = max(errors, key=abs)
        lines.append(f"| {core} | {boards} | {len(own)} | {median:.1%} | {worst:+.1%} |")
    lines += ["", "| board | clock | code of | model | published | estimate | error |"]
    lines += ["|---|---:|---|---|---:|---:|---:|"]
    for row in rows:
        model = f"{row['model']} {row['variant']}".strip()
        code = f"{row['submitter']}, {_version(row['source'])}".rstrip(", ")
        lines.append(
            f"| {row['board']} | {row['clock_hz'] / 1e6:g} MHz | {code} | {model} "
            f"| {row['published_cycles']:,} | {row['estimated_cycles']:,} | {error(row):+.1%} |"
        )
    return "\n".join(lines)


def _version(source: str) -> str:
    found = re.search(r"tiny_results_(v[\d.]+)", source)
    return found.group(1).rstrip(".") if found else ""


def write_docs(rows: list[dict[str, Any]]) -> None:
    """Put the tables between the marks of the documentation."""
    for path, content in ((DOCS, table(rows)), (ENERGY_DOCS, energy_table(rows))):
        before, rest = path.read_text().split(_BEGIN)
        after = rest.split(_END)[1]
        path.write_text(f"{before}{_BEGIN}\n{content}\n{_END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="*", help="clones of the results")
    parser.add_argument("--table", action="store_true", help="only write the tables again")
    parser.add_argument("--energy", action="store_true", help="only read the energies again")
    chosen = parser.parse_args()
    known = json.loads(RESULTS.read_text())
    rows = [row for row in known["rows"] if "image_sha256" not in row]
    found = known["rows"] if chosen.table or chosen.energy else []
    for root in () if found else chosen.results:
        for submission in submissions(root):
            try:
                found.append(measure(submission))
            except TimeoutError as problem:
                print(f"{submission.image}: does not start here: {problem}")
                continue
            print(f"{found[-1]['board']} {found[-1]['model']}: {error(found[-1]):+.1%}", flush=True)
    if not (chosen.table or chosen.energy):
        order = {board.title: number for number, board in enumerate(BOARDS.values())}
        found.sort(key=lambda row: (order[row["board"]], row["submitter"], row["source"]))
        known["rows"] = [*found, *rows]
    for root in chosen.results:
        for row in known["rows"]:
            add_energy(row, root)
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    write_docs(known["rows"])


if __name__ == "__main__":
    main()
