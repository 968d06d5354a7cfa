"""Many random layers in one program, so that an emulated core costs one compiler run for all.

    python -m tests.kernels.layers --only "LSTM int8" -n 2000 --on sim:cortex-m4

runs layers on a core and compares their bytes with TensorFlow Lite Micro's; `make fuzz` does so for
every form that a core has of its own.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.oracle.check import Case, Oracle
from tests.oracle.fuzz import SIZE, generators

PER_PROGRAM = 24
# Generators whose ops have forms for a core, and what those forms' functions are called.
FORMS = {
    "sim:cortex-m4": {
        "LSTM int8": "eq_lstm_dsp_s8",
        "LSTM int16": "eq_lstm_dsp_s16",
    },
}


def side_by_side(models: Sequence[bytes]) -> bytes:
    """One model of several that have nothing to do with each other; inputs and outputs in order."""
    parts = [schema.ModelT.InitFromObj(schema.Model.GetRootAs(model)) for model in models]
    whole, graph = parts[0], parts[0].subgraphs[0]
    for part in parts[1:]:
        added = part.subgraphs[0]
        tensors, codes, buffers = len(graph.tensors), len(whole.operatorCodes), len(whole.buffers)
        for tensor in added.tensors:
            tensor.buffer += buffers if tensor.buffer else 0
        for op in added.operators:
            op.opcodeIndex += codes
            op.inputs = [i + tensors if i >= 0 else i for i in op.inputs]
            op.outputs = [i + tensors for i in op.outputs]
        graph.tensors += added.tensors
        graph.operators += added.operators
        graph.inputs = [*graph.inputs, *(i + tensors for i in added.inputs)]
        graph.outputs = [*graph.outputs, *(i + tensors for i in added.outputs)]
        whole.operatorCodes += part.operatorCodes
        whole.buffers += part.buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def kernels(path: Path, address: str, optimize: str) -> list[str]:
    """The functions that the ops of a model take on a core."""
    target = address.partition(":")[2]
    sources = generate(path, target=target, options=CompileOptions(optimize))
    return [op["kernel"] for op in sources.manifest["ops"] if op["kernel"]]


def differences(
    address: str, cases: Sequence[Case], counts: Counter[str], optimize: str = "balanced"
) -> Iterator[str]:
    """What differs from the oracle's bytes; `counts` gets the kernels that were compared."""
    kept: list[Case] = []
    expected: list[list[list[np.ndarray]]] = []
    with tempfile.TemporaryDirectory() as folder, Oracle() as oracle:
        path = Path(folder) / "layers.tflite"
        for case in cases:
            outputs, _ = oracle.run(case)
            path.write_bytes(case.model)
            try:
                used = kernels(path, address, optimize)
            except EdgeqError:
                continue
            if outputs is not None and case.calls[0]:
                counts.update(used)
                kept.append(case)
                expected.append(outputs)
        if not kept:
            return
        path.write_bytes(side_by_side([case.model for case in kept]))
        calls = min(len(case.calls) for case in kept)
        inputs = [
            np.stack([np.asarray(case.calls[call][k]) for call in range(calls)])
            for case in kept
            for k in range(len(case.calls[0]))
        ]
        with open_device(address).open(path, CompileOptions(optimize)) as session:
            found = session.run(inputs)
        position = 0
        for case, outputs in zip(kept, expected, strict=True):
            for k in range(len(outputs[0])):
                ours, position = found[position], position + 1
                for call in range(calls):
                    if ours[call].tobytes() != np.asarray(outputs[call][k]).tobytes():
                        yield f"{case.name}, call {call}, output {k}"


def random_layers(name: str, count: int, seed: int = 0, size: int = SIZE) -> Iterator[list[Case]]:
    """Random cases of one generator, as many together as go into one program."""
    make = generators()[name]
    cases = []
    for i in range(count):
        case = make(np.random.default_rng((seed, i)), 1 + i % size)
        cases.append(Case(f"{name}, seed ({seed}, {i})", case.model, case.calls))
    for start in range(0, count, PER_PROGRAM):
        yield cases[start : start + PER_PROGRAM]


def main() -> int:
    """Report how many layers of each form were compared; 1 if any differs or none took the form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2_000, help="layers of each op")
    parser.add_argument("--on", default="", help="a core; all that have forms if not given")
    parser.add_argument("--only", default="", help="part of a generator's name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=3 * SIZE)
    arguments = parser.parse_args()
    failed = 0
    for address, forms in FORMS.items():
        if arguments.on not in ("", address):
            continue
        for name, form in forms.items():
            if arguments.only not in name:
                continue
            counts: Counter[str] = Counter()
            bad = [
                problem
                for cases in random_layers(name, arguments.n, arguments.seed, arguments.size)
                for problem in differences(address, cases, counts)
            ]
            failed += len(bad) + (counts[form] == 0)
            print(f"{address} {name}: {dict(counts)}, {len(bad)} differ", flush=True)
            for problem in bad[:5]:
                print(f"  {problem}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
