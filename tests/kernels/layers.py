"""Many random layers in one program, so that an emulated core costs one compiler run for all.

    python -m tests.kernels.layers --only "LSTM int8" -n 2000 --on sim:cortex-m4

runs layers on a core and compares their bytes with TensorFlow Lite Micro's; `make fuzz` does so for
every form that a core has of its own.
"""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgeq.boards.target import load_target
from edgeq.compiler import compilation
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.arena import plan_arena
from edgeq.compiler.plan.program import lower_graph
from edgeq.devices.host_c import host_target
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.oracle.check import Case, Oracle, same_values
from tests.oracle.fuzz import SIZE, generators

# What differs, and how many layers were compared.
Compared = tuple[list[str], int]
Comparison = Callable[[list[Case]], Compared]
PER_PROGRAM = 24
# Core, generator, and the function of the form that the core has of its own.
FORMS = (
    ("sim:cortex-m4", "LSTM int8", "eq_lstm_dsp_s8"),
    ("sim:cortex-m4", "LSTM int16", "eq_lstm_dsp_s16"),
    ("sim:cortex-m4", "ADD", "eq_scaled_sum_dsp_s8"),
    ("sim:cortex-m4", "SUB", "eq_scaled_sum_dsp_s8"),
    ("sim:cortex-m4", "MUL", "eq_scaled_product_dsp_s8"),
    ("sim:cortex-m4", "rows of sums and products", "eq_scaled_sum_dsp_s8"),
    ("sim:cortex-m4", "rows of sums and products", "eq_scaled_product_dsp_s8"),
    ("sim:cortex-m4", "SOFTMAX int8", "eq_softmax_dsp_s8"),
    ("sim:cortex-m4", "CONV_2D int8", "eq_conv_2d_dsp_s8"),
    ("sim:cortex-m4", "DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_dsp_s8"),
    ("sim:cortex-m4", "DEPTHWISE_CONV_2D int8", "eq_depthwise_lanes_dsp_s8"),
    ("sim:cortex-m4", "FULLY_CONNECTED int8", "eq_fully_connected_dsp_s8"),
    ("sim:cortex-m4", "CONV_2D int8 1x1 of eight channels", "eq_conv_2d_eight_dsp_s8"),
    ("sim:cortex-m4", "TRANSPOSE_CONV int8", "eq_transpose_conv_dsp_s8"),
    ("sim:cortex-m4", "TRANSPOSE_CONV int16", "eq_transpose_conv_dsp_s16"),
    ("sim:cortex-m4", "BATCH_MATMUL", "eq_product_dsp_s8"),
    ("sim:cortex-m4", "FULLY_CONNECTED of inputs", "eq_product_bias_dsp_s8"),
    ("sim:cortex-m4", "CONV_2D int16", "eq_conv_2d_dsp_s16"),
    ("sim:cortex-m4", "CONV_2D int16", "eq_conv_2d_wide_dsp_s16"),
    ("sim:cortex-m4", "CONV_2D int16 bias32", "eq_conv_2d_wide_bias32_dsp_s16"),
    ("sim:cortex-m4", "DEPTHWISE_CONV_2D int16", "eq_depthwise_conv_2d_dsp_s16"),
    ("sim:cortex-m4", "FULLY_CONNECTED int16", "eq_fully_connected_dsp_s16"),
    ("sim:cortex-m4", "FULLY_CONNECTED int16", "eq_fully_connected_wide_dsp_s16"),
    ("sim:cortex-m4", "FULLY_CONNECTED int16 bias32", "eq_fully_connected_bias32_dsp_s16"),
    ("sim:cortex-m4f", "CONV_2D float32", "eq_conv_2d_fpu_f32"),
    ("sim:cortex-m4f", "DEPTHWISE_CONV_2D float32", "eq_depthwise_conv_2d_fpu_f32"),
    ("sim:cortex-m4f", "FULLY_CONNECTED float32", "eq_fully_connected_fpu_f32"),
    ("sim:cortex-m4f", "LSTM float32", "eq_lstm_fpu_f32"),
    ("qemu:cortex-m55", "FULLY_CONNECTED int8", "eq_fully_connected_mve_s8"),
    ("qemu:cortex-m55", "CONV_2D int8", "eq_conv_2d_mve_s8"),
    ("qemu:cortex-m55", "CONV_2D int8 3x3 of sixteen channels", "eq_conv_2d_3x3_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_3x3_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int8 of one line", "eq_depthwise_conv_1d_mve_s8"),
    ("qemu:cortex-m55", "CONV_2D int16", "eq_conv_2d_mve_s16"),
    ("qemu:cortex-m55", "ADD", "eq_add_factors_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int16", "eq_depthwise_conv_2d_mve_s16"),
    ("qemu:cortex-m55", "LSTM int8", "eq_lstm_mve_s8"),
    ("qemu:cortex-m55", "LSTM int16", "eq_lstm_mve_s16"),
    ("qemu:cortex-m55", "FULLY_CONNECTED int16", "eq_fully_connected_mve_s16"),
    ("qemu:cortex-m55", "MUL", "eq_scaled_product_mve_s8"),
    ("qemu:cortex-m55", "MUL", "eq_scaled_product_mve_s16"),
    ("qemu:cortex-m55", "BATCH_MATMUL", "eq_product_mve_s8"),
    ("qemu:cortex-m55", "FULLY_CONNECTED of inputs", "eq_product_bias_mve_s8"),
)

# Forms whose samples other tests take: tests/kernels/test_cores.py, tests/compiler/ops/test_mve.py.
OTHERS = (
    ("sim:cortex-m4", "steady channels", "eq_conv_2d_dsp_s8"),
    ("sim:cortex-m4", "steady channels", "eq_depthwise_conv_2d_dsp_s8"),
    *(
        (core, name, form)
        for core in ("sim:rv32imc", "sim:cortex-m0plus", "sim:cortex-m3")
        for name, form in (
            ("steady channels", "eq_conv_2d_columns_s8"),
            ("CONV_2D int8", "eq_conv_2d_columns_s8"),
            ("DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_lanes_s8"),
            ("FULLY_CONNECTED int8", "eq_fully_connected_rows_s8"),
        )
    ),
    ("qemu:cortex-m55", "CONV_2D int8", "eq_conv_2d_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int8", "eq_depthwise_conv_2d_mve_s8"),
    ("qemu:cortex-m55", "FULLY_CONNECTED int8", "eq_fully_connected_mve_s8"),
    ("qemu:cortex-m55", "ADD", "eq_add_mve_s8"),
    ("qemu:cortex-m55", "TRANSPOSE_CONV int8", "eq_transpose_conv_dsp_s8"),
    ("qemu:cortex-m55", "TRANSPOSE_CONV int16", "eq_transpose_conv_dsp_s16"),
    ("qemu:cortex-m55", "ADD", "eq_add_factors_mve_s8"),
    ("qemu:cortex-m55", "DEPTHWISE_CONV_2D int16", "eq_depthwise_conv_2d_dsp_s16"),
    ("qemu:cortex-m55", "FULLY_CONNECTED int16", "eq_fully_connected_wide_dsp_s16"),
    ("qemu:cortex-m55", "SOFTMAX int8", "eq_softmax_dsp_s8"),
)
# Cores that the same C is compiled for; they are tried where they are asked for.
ALIKE = {"sim:cortex-m7": "sim:cortex-m4", "sim:cortex-m33": "sim:cortex-m4"}

# Forms that call functions of the C library, whose last bits are its own and differ between its
# builds: those are compared with the portable kernel and the same library, within 1e-5.
LIBRARY = {"eq_lstm_fpu_f32"}
PLAIN = "sim:cortex-m3"
# Forms that few random layers take, with what share of the layers asked for is tried.
RARE = {"eq_add_mve_s8": 20}


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


def takes(case: Case, address: str, form: str, isa: str = "") -> bool:
    """Whether a case's op takes this form on a core, or on this machine's level `isa`."""
    target = address.partition(":")[2] or host_target()
    chosen = load_target(target) if isinstance(target, str) else target
    try:
        program = lower_graph(parse_graph(case.model), compilation.isa_of(chosen, isa))
    except EdgeqError:
        return False
    return any(step.call is not None and step.call.function == form for step in program.steps)


def random_layers(
    address: str,
    name: str,
    form: str,
    count: int,
    seed: int = 0,
    size: int = SIZE,
    isa: str = "",
) -> Iterator[Case]:
    """So many random cases of one generator that take a form on a core."""
    make, found = generators()[name], 0
    for i in range(100 * count * RARE.get(form, 1) + 200):
        case = make(np.random.default_rng((seed, i)), 1 + i % size)
        if case.calls[0] and takes(case, address, form, isa):
            found += 1
            yield Case(f"{name}, seed ({seed}, {i})", case.model, case.calls)
        if found == count:
            return
    raise AssertionError(f"only {found} of {name} take {form} on {address}")


def outputs_on(address: str, cases: Sequence[Case], calls: int, isa: str = "") -> list[np.ndarray]:
    """Every output of every case, over so many calls, from one program."""
    inputs = [
        np.stack([np.asarray(case.calls[call][k]) for call in range(calls)])
        for case in cases
        for k in range(len(case.calls[0]))
    ]
    # Of layers that have nothing to do with each other, any placement is good enough.
    quick = patch.object(compilation, "plan_arena", partial(plan_arena, tries=0))
    with tempfile.TemporaryDirectory() as folder, quick:
        path = Path(folder) / "layers.tflite"
        path.write_bytes(side_by_side([case.model for case in cases]))
        with open_device(address).open(path, CompileOptions(isa=isa)) as session:
            return list(session.run(inputs))


def differences(
    address: str, cases: Sequence[Case], form: str = "", isa: str = ""
) -> tuple[list[str], int]:
    """What differs from the oracle's bytes, and how many layers were compared.

    Args:
        form: The function that the layers take.
        isa: The level of a host's kernels.
    """
    return compared_with(
        cases, lambda some, calls: outputs_on(address, some, calls, isa), plain=form in LIBRARY
    )


def compared_with(
    cases: Sequence[Case],
    run: Callable[[Sequence[Case], int], list[np.ndarray]],
    *,
    plain: bool = False,
) -> tuple[list[str], int]:
    """What differs from the oracle's bytes, and how many layers were compared.

    Args:
        run: Gives every output of every case, over so many calls.
        plain: Whether the C library's functions are in it, and another core's results count.
    """
    with Oracle() as oracle:
        expected = [(case, oracle.run(case)[0]) for case in cases]
    kept = [(case, outputs) for case, outputs in expected if outputs is not None]
    if not kept:
        return [], 0
    models = [case for case, _ in kept]
    calls = min(len(case.calls) for case in models)
    found = iter(run(models, calls))
    same_library = iter(outputs_on(PLAIN, models, calls)) if plain else None
    bad = []
    for case, outputs in kept:
        for k in range(len(outputs[0])):
            ours = next(found)
            theirs = np.stack([np.asarray(outputs[call][k]) for call in range(calls)])
            if same_library is not None:
                theirs = next(same_library)
            same = same_values(ours.tobytes(), theirs, "litert" if plain else "tflm")
            bad += [] if same else [f"{case.name}, output {k}"]
    return bad, len(kept)


def batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    """As many cases together as go into one program."""
    waiting = iter(cases)
    while chunk := list(itertools.islice(waiting, PER_PROGRAM)):
        yield chunk


def by_program(layers: Iterable[Case], compare: Comparison) -> Compared:
    """What differs among layers, and how many were compared, a program after the other."""
    found = [compare(cases) for cases in batches(layers)]
    return [problem for problems, _ in found for problem in problems], sum(n for _, n in found)


def report(
    forms: Iterable[tuple[str, str, str]], compare: Callable[[str, str, str], Compared]
) -> int:
    """Print how many layers of each form were compared; 1 if any differs.

    Args:
        forms: Core or level, generator, and the function of its form.
        compare: Gives what differs of one of them, and how many were compared.
    """
    failed = 0
    for place, name, form in forms:
        problems, count = compare(place, name, form)
        failed += len(problems)
        print(f"{place} {name}: {count} layers by {form}, {len(problems)} differ", flush=True)
        for problem in problems[:5]:
            print(f"  {problem}", flush=True)
    return 1 if failed else 0


def main() -> int:
    """Compare layers of each form; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2_000, help="layers of each form")
    parser.add_argument("--on", default="", help="a core; all that have forms if not given")
    parser.add_argument("--only", default="", help="part of a generator's name, or of a form's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=3 * SIZE)
    given = parser.parse_args()

    def compare(address: str, name: str, form: str) -> Compared:
        count = max(given.n // RARE.get(form, 1), 1)
        layers = random_layers(address, name, form, count, given.seed, given.size)
        return by_program(layers, lambda cases: differences(address, cases, form))

    return report(
        (
            (given.on or address, name, form)
            for address, name, form in (*FORMS, *OTHERS)
            if ALIKE.get(given.on, given.on) in ("", address) and given.only in f"{name} {form}"
        ),
        compare,
    )


if __name__ == "__main__":
    sys.exit(main())
