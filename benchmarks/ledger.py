"""The size-and-speed ledger: what every benchmark model costs on every core.

    python -m benchmarks.ledger            measure, compare with the ledger, write it
    python -m benchmarks.ledger --cpu cortex-m4 --cpu cortex-m55      only those rows
    python -m benchmarks.ledger --only ds_cnn --only kws              only those models
    python -m benchmarks.ledger --check    measure the M4 rows; fail if one grew by more than 1 %

All figures are instruction counts in emulation and bytes in ELF files, so they do not depend on
the machine, only on the compiler, whose version stands in the ledger. The five MLPerf Tiny models
are read from ../shared/models/mlperf_tiny (or $EDGEQ_SHARED); the others are made by
benchmarks/networks.py. Peers: TensorFlow Lite Micro with CMSIS-NN, benchmarks/peers/.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import edgeq
from benchmarks.networks import NETWORKS, SCHEMES, converted
from edgeq.compiler.options import CompileOptions

HERE = Path(__file__).parent
LEDGER = HERE / "ledger.json"
PEERS = json.loads((HERE / "peers" / "tflm_cortex_m.json").read_text())["configs"]
NETWORK_PEERS = json.loads((HERE / "peers" / "tflm_networks.json").read_text())["configs"]
TINY = ("kws", "resnet", "vww", "sww", "ad01")
ADDRESSES = {
    "cortex-m4": "sim:cortex-m4",
    "cortex-m4f": "sim:cortex-m4f",
    "cortex-m3": "sim:cortex-m3",
    "cortex-m0plus": "sim:cortex-m0plus",
    "cortex-m33": "sim:cortex-m33",
    "cortex-m55": "qemu:cortex-m55",
    "rv32imc": "sim:rv32imc",
}
GROWTH = 0.01
Row = dict[str, Any]


def shared_models() -> Path:
    root = Path(os.environ.get("EDGEQ_SHARED", HERE.parent.parent / "shared"))
    return root / "models" / "mlperf_tiny"


def models() -> Iterator[tuple[str, Path]]:
    folder = shared_models()
    if folder.is_dir():
        for name in TINY:
            yield name, folder / f"{name}_int8.tflite"
    for name in NETWORKS:
        yield name, converted(name)


def suits(name: str, cpu: str) -> bool:
    """Float32 is measured where there is an FPU, integers where there need not be one."""
    return (SCHEMES.get(name) == "float32") == (cpu == "cortex-m4f")


def modes(name: str, cpu: str) -> list[str]:
    """What a model is optimised for on a core; RAM by stripes is the same on all."""
    ram = ["ram"] if cpu == "cortex-m4" else []
    size = ["size"] if name in TINY else []
    return ["balanced", *ram, *size]


def measure(path: Path, cpu: str, optimize: str) -> Row:
    result = edgeq.profile(path, on=ADDRESSES[cpu], options=CompileOptions(optimize)).to_json()
    memory = result["memory_bytes"]
    ops: dict[str, list[int]] = {}
    for op in result["ops"]:
        entry = ops.setdefault(op["op"], [0, 0])
        entry[0] += op["instructions"] or 0
        entry[1] += op["macs"] or 0
    return {
        "instructions": result["instructions"],
        "cycles_estimated": result["cycles"],
        "arena": memory["arena"],
        "static": memory["static"],
        "stack": memory["stack"],
        "code": memory["flash_code"],
        "constants": memory["flash_const"],
        "model_bytes": path.stat().st_size,
        "instructions_per_mac": {k: round(i / m, 3) for k, (i, m) in ops.items() if m},
    }


def ratio(row: Row, cpu: str, name: str, field: str) -> str:
    """The figure over TFLM's with CMSIS-NN: M4's for memory, the core's own for speed."""
    own = field == "instructions" or cpu == "cortex-m4f"
    config = f"{cpu if own else 'cortex-m4'}/cmsis-nn"
    entry = PEERS.get(config, {}).get(f"{name}_int8") or NETWORK_PEERS.get(config, {}).get(name, {})
    other = {"arena": "arena_bytes", "code": "code_bytes", "constants": "model_bytes"}
    figure = entry.get(other.get(field, field))
    if figure is None or row[field] is None:
        return ""
    return f"{row[field] / figure:.3f}"


def show(rows: dict[str, Row]) -> None:
    table = Table("row", "instructions", "ratio", "cycles (est.)", "arena", "ratio", "stack")
    for heading in ("code", "ratio", "constants", "ratio"):
        table.add_column(heading)
    for key, row in rows.items():
        name, cpu, _ = key.split("/")
        table.add_row(
            key,
            f"{row['instructions']:,}",
            ratio(row, cpu, name, "instructions"),
            "" if row["cycles_estimated"] is None else f"{row['cycles_estimated']:,}",
            f"{row['arena']:,}",
            ratio(row, cpu, name, "arena"),
            f"{row['stack'] or 0:,}",
            f"{row['code']:,}",
            ratio(row, cpu, name, "code"),
            f"{row['constants']:,}",
            ratio(row, cpu, name, "constants"),
        )
    Console(width=150).print(table)


def compiler() -> str:
    done = subprocess.run(
        ["arm-none-eabi-gcc", "-dumpfullversion"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def grown(old: Row, new: Row) -> list[str]:
    return [
        f"{field} {old[field]:,} -> {new[field]:,}"
        for field in ("instructions", "arena", "code", "constants", "stack")
        if old.get(field) and new[field] and new[field] > old[field] * (1 + GROWTH)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the M4 rows, write nothing")
    parser.add_argument("--cpu", action="append", choices=list(ADDRESSES), help="only these cores")
    parser.add_argument("--only", action="append", help="only these models")
    arguments = parser.parse_args()
    check, cores = arguments.check, arguments.cpu or list(ADDRESSES)
    ledger = json.loads(LEDGER.read_text()) if LEDGER.exists() else {"rows": {}}
    rows: dict[str, Row] = {}
    problems = []
    for name, path in models():
        for cpu in ["cortex-m4"] if check else cores:
            if not suits(name, cpu) or (arguments.only and name not in arguments.only):
                continue
            for optimize in modes(name, cpu):
                key = f"{name}/{cpu}/{optimize}"
                print(key, file=sys.stderr, flush=True)
                try:
                    rows[key] = measure(path, cpu, optimize)
                except edgeq.EdgeqError as error:
                    print(f"{key}: left out: {error.what.splitlines()[0]}", file=sys.stderr)
                    continue
                problems += [f"{key}: {g}" for g in grown(ledger["rows"].get(key, {}), rows[key])]
    show(rows)
    for problem in problems:
        print("grew:", problem)
    if check:
        same = ledger.get("compiler") == compiler()
        if not same:
            print(f"The ledger was made with gcc {ledger.get('compiler')}: no verdict.")
        return int(bool(problems) and same)
    ledger = {"compiler": compiler(), "rows": {**ledger["rows"], **rows}}
    LEDGER.write_text(json.dumps(ledger, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
