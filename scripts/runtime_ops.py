"""Ask releases of LiteRT which op versions they take; write edgeq/boards/runtimes/NAME.toml.

python scripts/runtime_ops.py litert ai-edge-litert 2.3.0 2.2.0 ...
python scripts/runtime_ops.py tflite-runtime tflite-runtime 2.14.0 ... --python python3.9

Every release is installed into an environment of its own and is given one model per op and version
that says no more than that it needs this op. A Python that the releases have wheels for is needed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from edgeq.model.tflite.schema import BUILTIN_OPERATORS

FOLDER = Path(__file__).parent.parent / "edgeq" / "boards" / "runtimes"
MOST_VERSIONS = 20
# The builtin codes that are no ops.
NOT_OPS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")
# Runs with the release's own Python, which may be an old one.
ASK = """
import json, sys
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter
taken = {}
for name, models in json.load(sys.stdin).items():
    for version, model in enumerate(models, 1):
        try:
            Interpreter(model_content=bytes.fromhex(model))
        except (ValueError, RuntimeError):
            continue
        taken[name] = version
json.dump(taken, sys.stdout)
"""


def needs(code: int, version: int) -> bytes:
    """A model that needs one op and does nothing."""
    model = schema.ModelT()
    model.version = 3
    op = schema.OperatorCodeT()
    op.builtinCode, op.deprecatedBuiltinCode, op.version = code, min(code, 127), version
    model.operatorCodes, model.buffers = [op], [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [], [], [], []
    model.subgraphs = [graph]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def ask(package: str, release: str, python: str) -> dict[str, int]:
    """The highest version of each op that a release takes."""
    models = {
        name: [needs(code, version).hex() for version in range(1, MOST_VERSIONS + 1)]
        for code, name in BUILTIN_OPERATORS.items()
        if name not in NOT_OPS
    }
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        there = f"{folder}/bin/python"
        wanted = [f"{package}=={release}", "numpy<2"]
        subprocess.run([there, "-m", "pip", "-q", "install", *wanted], check=True)
        done = subprocess.run(
            [there, "-c", ASK], input=json.dumps(models), capture_output=True, text=True, check=True
        )
    taken: dict[str, int] = json.loads(done.stdout)
    return taken


def document(name: str, package: str, found: dict[str, dict[str, int]]) -> str:
    """The data file's text: for each op the versions it came to, by release."""
    releases = list(found)
    source = f"measured with releases of the PyPI package {package}: the highest op version that "
    source += "each resolver finds (scripts/runtime_ops.py)"
    lines = [
        "# The highest version of each builtin op, by the release from which on it holds; 0: gone.",
        f'name = "{name}"',
        f'source = "{source}"',
        "releases = [" + ", ".join(f'"{release}"' for release in releases) + "]",
        "",
        "[ops]",
    ]
    for op in sorted({op for taken in found.values() for op in taken}):
        steps, last = [], 0
        for release in releases:
            now = found[release].get(op, 0)
            if now != last:
                steps.append(f'"{release}" = {now}')
            last = now
        lines.append(f"{op} = {{ {', '.join(steps)} }}")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", choices=["litert", "tflite-runtime"])
    parser.add_argument("package")
    parser.add_argument("releases", nargs="+")
    parser.add_argument("--python", default="python3.10")
    given = parser.parse_args()
    ordered = sorted(given.releases, key=lambda text: [int(part) for part in text.split(".")])
    found = {}
    for release in ordered:
        found[release] = ask(given.package, release, given.python)
        print(f"{release}: {len(found[release])} ops", flush=True)
    (FOLDER / f"{given.name}.toml").write_text(document(given.name, given.package, found))


if __name__ == "__main__":
    main()
