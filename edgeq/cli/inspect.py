"""`edgeq inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console  # noqa: TID251  (its type)

from edgeq.analysis.delegation.take import DelegateTake
from edgeq.analysis.delegation.take import delegates as delegate_takes
from edgeq.analysis.fit import Fit, fit, fit_tflm
from edgeq.analysis.inspection import Inspection, TensorInfo
from edgeq.analysis.inspection import inspect as inspect_model
from edgeq.analysis.models import as_tflite
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.runtimes.check import check_runtime as runtime_warnings
from edgeq.cli.shared.common import (
    compile_options,
    import_option,
    json_option,
    names_of,
    print_json,
    refuse_budgets,
    takes_only,
    tflm_kernels_option,
    was_given,
)
from edgeq.cli.shared.tables import result_console, short_name, show_table
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.model.model_file import read_graph
from edgeq.report.account import (
    account_rows,
    fit_lines,
    image_lines,
    latency_lines,
    part_lines,
    provenance_lines,
)
from edgeq.report.delegates import delegate_lines
from edgeq.report.units import in_bytes, in_macs
from edgeq.support.terminal import say


@click.command(epilog="Example: edgeq inspect kws_int8.tflite --target nucleo-f446re")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--tensors", is_flag=True, help="Show every tensor with its quantization.")
@click.option("-t", "--target", help="What does the program take on this board, does it fit?")
@click.option(
    "--golden/--no-golden",
    default=True,
    show_default=True,
    help="Whether the board's image has known answers for a self-test, as projects have.",
)
@click.option(
    "--float",
    "as_float",
    is_flag=True,
    help="The float graph that convert quantizes: ops, their Keras layers, what passes changed.",
)
@click.option("--trust", is_flag=True, help="Run code inside a Keras file (Lambda layers).")
@import_option
@click.option(
    "--runtime",
    type=click.Choice(["c", "tflm"]),
    default="c",
    show_default=True,
    help="With --target: generated C, or TensorFlow Lite Micro, as compile takes it.",
)
@tflm_kernels_option
@click.option(
    "--check-runtime", metavar="NAME@VERSION", help="Can tflm@2024-05, litert@1.2.0, ... run it?"
)
@click.option(
    "--delegate",
    "named_delegates",
    multiple=True,
    metavar="NAME",
    help="What does this delegate or NPU take (xnnpack, gpu, nnapi, coreml, edgetpu, hexagon, qnn, "
    "ethos-u55, ethos-u85; all)? With a phone's, a host's or an NPU's --target: its own.",
)
@compile_options
@json_option
def inspect(
    model: Path,
    tensors: bool,
    target: str | None,
    golden: bool,
    as_float: bool,
    trust: bool,
    runtime: str,
    tflm_kernels: str,
    check_runtime: str | None,
    named_delegates: tuple[str, ...],
    options: CompileOptions,
    as_json: bool,
) -> None:
    """Show what is in MODEL: graph, shapes, MACs, parameters, quantization, memory."""
    if as_float:
        from edgeq.cli.shared.passes import show_float_graph

        taken = names_of(import_option, json_option)
        takes_only("--float", "model", "as_float", "trust", *taken)
        show_float_graph(model, trust=trust, as_json=as_json)
        return
    _refuse(options, target, runtime)
    found = inspect_model(model, trust=trust, target=target or PORTABLE, options=options)
    warnings, fitting = None, None
    with as_tflite(model, trust=trust) if check_runtime or target else nullcontext(model) as path:
        if check_runtime:
            warnings = runtime_warnings(read_graph(path), check_runtime)
        if target is not None and runtime == "tflm":
            fitting = fit_tflm(path, target, kernels=tflm_kernels)
        elif target is not None and not found.problems:
            # The form that was chosen for the budgets, so that nobody has to search again.
            form = CompileOptions(found.optimize, accept_stand_in=options.accept_stand_in)
            fitting = fit(path, target, form, golden=golden)
    takes = delegate_takes(model, target, names=named_delegates, trust=trust)
    if as_json:
        more = {
            "fit": fitting and fitting.to_json(),
            "runtime_warnings": warnings,
            "delegates": [take.to_json() for take in takes],
        }
        print_json({**found.to_json(), **more})
        return
    console = result_console()
    _show_summary(found, console)
    _show_ops(found, console)
    _show_forms(found, console)
    if tensors:
        _show_tensors(found.tensors, console)
    if fitting is not None:
        _show_fit(fitting, console)
    _show_delegates(takes, console)
    if warnings is not None:
        console.print(f"{check_runtime}: {len(warnings) or 'no'} problems known")
        _show_lines(warnings, console)
    _show_problems(found, console)


def _refuse(options: CompileOptions, target: str | None, runtime: str) -> None:
    """Refuse what would have no effect.

    Raises:
        UsageError: It is so.
    """
    for name in ("golden", "runtime", "tflm_kernels"):
        if target is None and was_given(name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is of a board's program.", hint="--target nucleo-f446re")
    if runtime == "tflm" and was_given("golden"):
        raise UsageError("--golden and --no-golden are for generated C.", hint="leave it out")
    if runtime != "tflm" and was_given("tflm_kernels"):
        raise UsageError("--tflm-kernels is for --runtime tflm.", hint="leave it out")
    if options.isa or options.dispatch:
        raise UsageError(
            "inspect looks at the usual form of a target's program.",
            hint="edgeq profile MODEL --on c --isa LEVEL measures one of a level",
        )
    refuse_budgets(options, runtime)


def _show_problems(found: Inspection, console: Console) -> None:
    for warning in found.warnings:
        say(f"Warning: {warning}", err=True)
    if found.problems:
        console.print("There is no generated C for this model:", style="yellow")
        _show_lines(found.problems, console)


def _show_delegates(takes: Sequence[DelegateTake], console: Console) -> None:
    for take in takes:
        for line in delegate_lines(take):
            console.print(line, markup=False, soft_wrap=True)


def _show_lines(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(f"  {line}")


def _show_summary(found: Inspection, console: Console) -> None:
    console.print(f"{found.path}: {in_bytes(found.file_bytes)}, sha256 {found.sha256[:16]}…")
    for position, tensor in enumerate(found.inputs):
        console.print(f"input {position}   {_tensor_words(tensor)}")
    for position, tensor in enumerate(found.outputs):
        console.print(f"output {position}  {_tensor_words(tensor)}")
    kind = "fully integer" if found.integer else "with floats"
    console.print(
        f"{len(found.ops)} ops, {in_macs(found.macs, found.unknown_loops)}, "
        f"{found.parameters:,} parameters ({in_bytes(found.constant_bytes)}), {kind}"
    )
    if found.peak_op is not None:
        op = found.ops[found.peak_op]
        what = f"C for {found.target}" if found.target != PORTABLE else "portable C"
        arena = ""
        if found.arena_bytes is not None:
            arena = f"arena {in_bytes(found.arena_bytes)} ({what}); "
        console.print(
            f"memory: {arena}the peak is at op {op.index} {op.op}, "
            f"which needs {in_bytes(found.peak_live_bytes)}"
        )


def _show_forms(found: Inspection, console: Console) -> None:
    """The layers that the target's core has no form for, and why."""
    for op in found.ops:
        if op.why_portable and op.macs:
            console.print(
                f"op {op.index} {op.op} takes the portable kernel: {op.why_portable}",
                markup=False,
                soft_wrap=True,
            )


def _show_fit(found: Fit, console: Console) -> None:
    account = found.account
    lines = list(fit_lines(found))
    if account is not None:
        rows = [f"{name}: {text}" for name, text in account_rows(account) if name != "latency"]
        lines = [*part_lines(account), *lines]
        lines = [f"the model's program on {found.target}: {', '.join(rows)}", *lines]
        lines += image_lines(account.image) if account.image is not None else ()
        lines += [*latency_lines(account), *provenance_lines(account.figures)]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _tensor_words(tensor: TensorInfo) -> str:
    words = f"{tensor.dtype} {list(tensor.shape)}"
    if tensor.scale:
        words += f", {_quantization(tensor)}"
    return f"{words}  {tensor.name}"


def _quantization(tensor: TensorInfo) -> str:
    if not tensor.scale:
        return ""
    if len(tensor.scale) == 1:
        return f"scale {tensor.scale[0]:.8g}, zero point {tensor.zero_point[0]}"
    low, high = min(tensor.scale), max(tensor.scale)
    axis = tensor.quantized_dimension
    return f"{len(tensor.scale)} scales along axis {axis}, {low:.3g} to {high:.3g}"


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return " ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)


def _show_ops(found: Inspection, console: Console) -> None:
    heads = ("#", "op", "in", "out", "MACs", "parameters", "live bytes", "name")
    rows = [
        (
            str(op.index),
            op.op,
            _shapes(op.input_shapes),
            _shapes(op.output_shapes),
            f"{op.macs:,}",
            f"{op.parameters:,}",
            f"{op.live_bytes:,}{' peak' if op.index == found.peak_op else ''}",
            short_name(op.name),
        )
        for op in found.ops
    ]
    show_table(console, heads, rows, right=(4, 5, 6))


def _show_tensors(tensors: tuple[TensorInfo, ...], console: Console) -> None:
    heads = ("#", "kind", "type", "shape", "bytes", "quantization", "name")
    rows = [
        (
            str(tensor.index),
            tensor.kind,
            tensor.dtype,
            _shapes((tensor.shape,)),
            f"{tensor.bytes:,}",
            _quantization(tensor),
            short_name(tensor.name),
        )
        for tensor in tensors
    ]
    show_table(console, heads, rows, right=(4,))
