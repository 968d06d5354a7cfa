"""Which kernel each layer of the models at hand takes on a core, and why not a better one.

    python -m benchmarks.forms [MODEL ...] [--target cortex-m4]

Without models: those of the ledger (benchmarks/ledger.py). For each op and form the share of the
instructions and what one multiply-accumulate takes, or one output value where there are none; then
each layer that takes a portable kernel, with the condition that it misses. The table stands in
docs/kernels.md.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import edgeq
from benchmarks.ledger import ADDRESSES, models
from edgeq.compiler.compilation import generate
from edgeq.model.model_file import read_graph


def rows(path: Path, target: str) -> list[dict[str, object]]:
    """Per layer: op, form, reason, instructions, multiply-accumulates and output values."""
    manifest = generate(path, target=target).manifest["ops"]
    measured = edgeq.profile(path, on=ADDRESSES[target]).to_json()["ops"]
    whole = read_graph(path).main
    found = []
    for op, cost in zip(manifest, measured, strict=True):
        # A layer that leaves channels out is told in values of the model, as its MACs are.
        own = () if op.get("subgraph") else whole.ops[op["index"]].outputs
        values = sum(whole.tensors[index].elements for index in own)
        found.append(
            {
                "name": op["name"],
                "op": op["op"],
                "form": op["form"] or "none",
                "why": op.get("why_portable", ""),
                "instructions": cost["instructions"] or 0,
                "macs": cost["macs"] or 0,
                "values": values,
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="*", type=Path)
    parser.add_argument("--target", default="cortex-m4", choices=list(ADDRESSES))
    arguments = parser.parse_args()
    chosen = [(path.stem, path) for path in arguments.model] or list(models())
    costs: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    portable, reasons = [], Counter()
    for name, path in chosen:
        for row in rows(path, arguments.target):
            entry = costs[row["op"], row["form"]]
            for k, field in enumerate(("instructions", "macs", "values")):
                entry[k] += row[field]
            entry[3] += 1
            if row["why"] and row["macs"]:
                portable.append(f"{name}: {row['op']} {row['name']}: {row['why']}")
                reasons[row["op"]] += 1
    total = sum(entry[0] for entry in costs.values())
    print(
        "| op | kernel | layers | share | instructions a MAC | a value |\n|---|---|--:|--:|--:|--:|"
    )
    for (op, form), (spent, macs, values, count) in sorted(costs.items(), key=lambda x: -x[1][0]):
        each = f"{spent / macs:.2f}" if macs else ""
        value = f"{spent / values:.1f}" if values else ""
        print(f"| {op} | {form} | {count} | {spent / total:.2%} | {each} | {value} |")
    print(f"\n{len(portable)} layers with weights take a portable kernel {dict(reasons) or ''}")
    for line in portable:
        print(f"- {line}")


if __name__ == "__main__":
    main()
