"""Write what is generated in README.md, CONTRIBUTING.md and the pages of docs.

python scripts/doc_tables.py            rewrite them
python scripts/doc_tables.py --check    fail if one is not up to date
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from edgeq.analysis.op_table import markdown, op_table
from edgeq.boards.target import all_targets
from scripts import doc_pages

ROOT = Path(__file__).parent.parent
MODELS = {
    "kws": "keyword spotting",
    "resnet": "image classification",
    "vww": "visual wake words",
    "sww": "streaming wake word",
    "ad01": "anomaly detection",
}


def bench_table() -> str:
    rows = json.loads((ROOT / "benchmarks" / "ledger.json").read_text())["rows"]
    peers_file = ROOT / "benchmarks" / "peers" / "tflm_cortex_m.json"
    peers = json.loads(peers_file.read_text())["configs"]["cortex-m4/cmsis-nn"]
    lines = [
        "| model | instructions | to TFLM | RAM (arena) | to TFLM | code | to TFLM | per MAC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, title in MODELS.items():
        row, peer = rows[f"{name}/cortex-m4/balanced"], peers[f"{name}_int8"]
        shares = [
            row["instructions"] / peer["instructions"],
            row["arena"] / peer["arena_bytes"],
            row["code"] / peer["code_bytes"],
        ]
        lines.append(
            f"| {title} | {row['instructions']:,} | {shares[0]:.2f}x | {row['arena']:,} | "
            f"{shares[1]:.2f}x | {row['code']:,} | {shares[2]:.2f}x | "
            f"{row['instructions'] / peer['macs']:.2f} |"
        )
    return "\n".join(lines)


def target_table() -> str:
    lines = ["| target | what it is | CPU |", "|---|---|---|"]
    lines += [f"| `{t.name}` | {t.title} | {t.cpu} |" for t in all_targets()]
    return "\n".join(lines)


def rooms() -> str:
    """The folders of edgeq in the order of import-linter's contract, with what each is for."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    order = [layer.split(".")[1] for layer in contracts["contracts"][0]["layers"]]
    lines = ["```"]
    for name in order:
        folder = ROOT / "edgeq" / name
        if folder.is_dir():
            lines += _room(folder, 0)
    return "\n".join([*lines, "```"])


def _room(folder: Path, depth: int) -> list[str]:
    purpose = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    name = "  " * depth + folder.name
    lines = [f"{name:<20}{purpose.splitlines()[0]}"]
    for inner in sorted(folder.iterdir()):
        if (inner / "__init__.py").exists():
            lines += _room(inner, depth + 1)
    return lines


def host_table() -> str:
    """LiteRT against the generated C, by CPU."""
    machines = json.loads((ROOT / "benchmarks" / "hosts.json").read_text())
    lines = ["| CPU | model | LiteRT | avx2 | to LiteRT | best level | to LiteRT |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for cpu, rows in machines.items():
        best = cpu.rpartition(", ")[2]
        for model, row in () if _masked(cpu) else rows.items():
            cells = [f"{row['litert']:,.1f}"]
            for level in ("avx2", best):
                cells += [f"{row[level]:,.1f}", f"{row[level] / row['litert']:.2f}x"]
            lines.append(f"| {cpu} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _masked(cpu: str) -> bool:
    """Whether LiteRT saw less than this CPU has; see benchmarks/masked.py."""
    return " masked, " in cpu


def masked_table() -> str:
    """The same where LiteRT sees a CPU of one level, and the generated C is for that."""
    machines = json.loads((ROOT / "benchmarks" / "hosts.json").read_text())
    lines = ["| CPU | as | model | LiteRT | generated C | to LiteRT |", "|---|---|---|--:|--:|--:|"]
    for cpu, rows in machines.items():
        name, _, level = cpu.partition(" masked, ")
        for model, row in rows.items() if _masked(cpu) else ():
            cells = f"{row['litert']:,.1f} | {row[level]:,.1f} | {row[level] / row['litert']:.2f}x"
            lines.append(f"| {name} | `{level}` | {model} | {cells} |")
    return "\n".join(lines)


def start_table() -> str:
    """Load and first call of LiteRT against the generated C, and a program's memory, by CPU."""
    machines = json.loads((ROOT / "benchmarks" / "hosts.json").read_text())
    head = (
        "| CPU | model | LiteRT: library + load + first call | C: start + first call "
        "| first call to load + first call | all to all | page faults | weights + arena "
        "| peak memory | above | own |"
    )
    lines = [head, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for cpu, rows in machines.items():
        for model, row in ((model, row["start"]) for model, row in rows.items() if "start" in row):
            theirs, ours = row["litert_us"], row["c_us"]
            needed = row["weights_bytes"] + row["arena_bytes"]
            cells = [
                " + ".join(f"{us:,.0f}" for us in theirs.values()),
                " + ".join(f"{us:,.0f}" for us in ours.values()),
                f"{ours['first'] / (theirs['load'] + theirs['first']):.2f}x",
                f"{sum(ours.values()) / sum(theirs.values()):.2f}x",
                *(f"{count:,}" for count in (row["page_faults"], needed, row["peak_bytes"])),
                *(f"{count:,}" for count in (row["peak_bytes"] - needed, row["own_bytes"])),
            ]
            lines.append(f"| {cpu} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines)


def arm64_table() -> str:
    """Instructions of LiteRT and of the generated C, by CPU."""
    kept = json.loads((ROOT / "benchmarks" / "arm64.json").read_text())
    lines = [
        "| CPU | level | model | LiteRT | generated C | to LiteRT |",
        "|---|---|---|--:|--:|--:|",
    ]
    for cpu, rows in kept["cpus"].items():
        for model, row in rows.items():
            counts = f"{row['litert']:,} | {row['edgeq']:,} | {row['edgeq'] / row['litert']:.2f}x"
            lines.append(f"| {cpu} | `{row['isa']}` | {model} | {counts} |")
    return "\n".join(lines)


def arm32_table() -> str:
    """Instructions of TensorFlow Lite and of the generated C on 32-bit Arm."""
    kept = json.loads((ROOT / "benchmarks" / "arm32.json").read_text())
    lines = ["| CPU | model | TensorFlow Lite | portable C | `neon` | to TensorFlow Lite |"]
    lines.append("|---|---|--:|--:|--:|--:|")
    for model, row in kept["models"].items():
        counts = " | ".join(f"{row[each]:,}" for each in ("tflite", "portable", "neon"))
        ratio = row["neon"] / row["tflite"]
        lines.append(f"| {kept['cpu']} | {model} | {counts} | {ratio:.2f}x |")
    return "\n".join(lines)


TABLES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"bench": bench_table},
    "CONTRIBUTING.md": {"rooms": rooms},
    "docs/ops.md": {"ops": lambda: markdown(op_table())},
    "docs/hosts.md": {
        "hosts": host_table,
        "masked": masked_table,
        "start": start_table,
        "arm64": arm64_table,
        "arm32": arm32_table,
    },
    "docs/targets.md": {"targets": target_table},
    "docs/guides/choosing-a-scheme.md": {"schemes": doc_pages.schemes},
    "docs/reference/architecture.md": {"rooms": rooms},
    "docs/reference/api.md": {"api": doc_pages.api},
    "docs/reference/serial-protocol.md": {
        "serial": doc_pages.serial_types,
        "status": doc_pages.serial_status,
    },
    "docs/decisions/index.md": {"decisions": doc_pages.decisions},
}


def render(file: str) -> str:
    """The text of a file with its tables as they are now."""
    text = (ROOT / file).read_text()
    for name, table in TABLES[file].items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n{table()}\n{end}{tail}"
    return text


def main() -> int:
    stale = [file for file in TABLES if render(file) != (ROOT / file).read_text()]
    if "--check" in sys.argv:
        print(*(f"{file} is not up to date" for file in stale), sep="\n", end="")
        return int(bool(stale))
    for file in stale:
        (ROOT / file).write_text(render(file))
    return 0


if __name__ == "__main__":
    sys.exit(main())
