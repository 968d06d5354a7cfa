"""From an integer .tflite to C in memory; `edgeq.workflow.compile` writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeq import __version__
from edgeq.boards.cpu import PORTABLE
from edgeq.boards.levels import LEVELS as ALL_LEVELS
from edgeq.boards.levels import Level, level, stated
from edgeq.boards.target import Target, load_target
from edgeq.compiler.codegen.dispatch import layers_header, level_text, simd_header
from edgeq.compiler.codegen.guard import check_library
from edgeq.compiler.codegen.header import banner, header_text
from edgeq.compiler.codegen.literals import check_identifier, identifier
from edgeq.compiler.codegen.loaded import large_tables, loaded_text
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.codegen.names import Names, assign_names
from edgeq.compiler.codegen.parallel import in_parts
from edgeq.compiler.codegen.selftest import Golden
from edgeq.compiler.codegen.source import (
    function_lines,
    kernel_includes,
    source_text,
    weights_text,
)
from edgeq.compiler.codegen.state import static_bytes
from edgeq.compiler.kernel_files import kernel_files
from edgeq.compiler.ops.shared.base import Call, Isa
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.plan.arena import Plan, plan_arena
from edgeq.compiler.plan.choose import least_memory
from edgeq.compiler.plan.program import Program, lower_graph
from edgeq.errors import UsageError
from edgeq.model.graph import Graph, Tensor, at_signature
from edgeq.model.joining import joined
from edgeq.model.model_file import read_graph
from edgeq.model.places import Bounds, input_bounds
from edgeq.model.stream import Stream
from edgeq.support.array import Array
from edgeq.support.result import Result

# Cores without SIMD whose inner products have code of their own, by CPU.
_CORES = {
    "cortex-m0": "armv6m",
    "cortex-m0plus": "armv6m",
    "cortex-m23": "armv6m",
    "cortex-m3": "armv7m",
    "cortex-m33": "armv7m",
    "rv32imc": "rv32",
    "rv32imac": "rv32",
    "rv32imafc": "rv32",
}

# What the C compiler is asked for; the hot loops are the same under all of them.
_CFLAGS = {"balanced": "-O2", "speed": "-O3", "ram": "-O2", "size": "-Os"}


@dataclass(frozen=True, eq=False, repr=False)
class Sources(Result):
    """The C program of a model, in memory.

    Attributes:
        files: Text by file name, all in one folder.
        manifest: Sizes, tensors and ops as plain data (what manifest.json holds).
        plan: Where everything lies in the arena.
        stream: How samples reach it, where it has a front end.
        loaded: Large tables by their C names, to be written into the loaded program.
    """

    files: Mapping[str, str]
    manifest: Mapping[str, Any]
    plan: Plan
    stream: Stream | None = None
    loaded: Mapping[str, Array] = field(default_factory=dict, repr=False)


def isa_of(target: Target, isa: str = "") -> Isa:
    """What the kernels may assume about a target's processor.

    Args:
        target: The target.
        isa: A level of a host's instruction set; "" for what the target is known to have.

    Raises:
        UsageError: There is no such level, it is one of another processor, or of a better one.
    """
    if isa:
        chosen = level(isa, target.cpu)
        if target.cpu not in (PORTABLE, chosen.cpu) and not (
            target.toolchain == "host" and not chosen.cpu
        ):
            raise UsageError(
                f"--isa {isa} is a level of {chosen.cpu or 'hosts'}, and {target.name} is none.",
                hint="leave out --isa",
            )
        known = stated(target.cpu, target.isa)
        lacking = [each for each in chosen.isa if each not in target.isa]
        # Of a chip with a name it is known; any host of a kind may have more than all of them.
        if lacking and target.cpu == chosen.cpu and "soc" in target.host:
            raise UsageError(
                f"{target.title} cannot run code of level {isa}: it lacks {', '.join(lacking)}.",
                hint=f"--isa {known.name} is the best that it has",
            )
        return Isa(chosen.kernels, chosen.attribute)
    if target.toolchain == "host":
        known = stated(target.cpu, target.isa)
        return Isa(known.kernels, known.attribute)
    kernels: list[str] = [name for name in ("mve", "dsp") if name in target.isa]
    if not kernels and target.cpu in _CORES:
        kernels = [_CORES[target.cpu]]
    if target.cpu == "wasm32":
        kernels = ["simd128", "host"]  # one program, compiled with vectors or without
    if target.toolchain == "arm-none-eabi" and "fpu" in target.isa:
        kernels.append("fpu")
    return Isa(kernels=(*kernels, "portable"))


def has_fpu(target: Target) -> bool:
    """Whether a target's processor computes float32 itself."""
    return target.toolchain == "host" or "fpu" in target.isa


def generate(
    model: str | Path | Graph,
    *,
    name: str | None = None,
    target: Target | str = PORTABLE,
    options: CompileOptions | None = None,
    memory: Memory = Memory.STATIC,
    known_answers: Callable[[Program], Golden] | None = None,
    hook: str = "",
    signature: str | None = None,
    loaded: bool = False,
) -> Sources:
    """The C sources of a model; writes nothing.

    Args:
        model: An integer .tflite file, or what was read from one.
        name: Prefix of all C symbols; from the file name if not given.
        target: A target, its name, or a CPU's name; by default C for every core.
        options: What to optimise for. Choosing it by budgets is the caller's task
            (`edgeq.analysis.budget`).
        memory: Who owns arena and state.
        known_answers: Gives a known input and the oracle's results for it; adds `NAME_selftest`.
        hook: A header of the user's program that defines EQ_OP(index), called before each op.
        signature: Which to compile; subgraph 0, as TensorFlow Lite Micro runs it, if not given.
        loaded: Whether the caller writes the large tables into the program when it is loaded.

    Raises:
        EdgeqError: The model cannot be read or has ops without a kernel.
        UsageError: No such target, a name that is no C identifier, or budgets by which nobody has
            chosen a form yet.
    """
    graph = model if isinstance(model, Graph) else read_graph(model)
    if signature is not None:
        graph = at_signature(graph, signature)
    options = options or CompileOptions()
    _check(graph, options, signature, golden=known_answers is not None)
    if not isinstance(target, Target):
        target = load_target(target)
    if options.frontend is not None:
        graph = joined(options.frontend, graph, fpu=has_fpu(target))
    prefix = check_identifier(name) if name else identifier(Path(graph.path).stem)
    isa = isa_for(target, options)
    program, plan = planned(graph, isa, options.optimize)
    names = assign_names(program, prefix, options.optimize)
    check_library(names.functions, target)
    levels = _dispatched(target) if options.dispatch and names.functions else []
    if levels:
        names = replace(names, through=f"{prefix}_level()->", parallel=f"{prefix}_parallel")
    constant_bytes = names.constant_bytes
    golden = known_answers(program) if known_answers is not None else None
    head = banner(program, plan, __version__, constant_bytes, isa.kernels)
    tables = large_tables(names) if loaded else {}
    weights_h, weights_c = weights_text(names, prefix, head, isa.kernels, golden, tables)
    files = {
        f"{prefix}.h": header_text(
            program,
            plan,
            prefix,
            head,
            memory=memory,
            golden=golden is not None,
            threaded=in_parts(names),
            info=graph.info,
        ),
        f"{prefix}.c": source_text(
            program,
            plan,
            names,
            prefix,
            head,
            memory=memory,
            golden=golden,
            hook=hook,
            attribute=isa.attribute,
            levels=levels,
            threads=options.threads,
        ),
        f"{prefix}_weights.h": weights_h,
        f"{prefix}_weights.c": weights_c,
    }
    manifest = _manifest(graph, program, plan, names, prefix, target, isa, constant_bytes, golden)
    cflags = [_CFLAGS[options.optimize]]
    chosen = {"optimize": options.optimize, "why": options.why, "cflags": cflags}
    files |= kernel_files(names, isa)
    if tables:
        files[f"{prefix}_loaded.c"] = loaded_text(tables, isa.kernels, head)
    if levels:
        files |= level_files(program, names, prefix, levels, head)
    return Sources(files, {**manifest, **chosen}, plan, graph.stream, tables)


def isa_for(target: Target, options: CompileOptions) -> Isa:
    """What the kernels may assume by all options; raises what those functions do."""
    isa = isa_dispatched(target, options) if options.dispatch else isa_of(target, options.isa)
    return _with_threads(isa, target, options.threads)


def _with_threads(isa: Isa, target: Target, threads: int) -> Isa:
    """What the kernels may assume, with threads that share the work.

    Raises:
        UsageError: There can be none.
    """
    if threads > 1 and (not isa.has("host") or target.cpu == "wasm32"):
        raise UsageError(
            f"--threads is for hosts, and {target.name} has no kernels for them.",
            hint="leave it out" if target.cpu != PORTABLE else "--target x86-64, or --dispatch",
        )
    return replace(isa, threads=threads)


def isa_dispatched(target: Target, options: CompileOptions) -> Isa:
    """What the kernels may assume where the program chooses its level when it runs.

    Raises:
        UsageError: The target is no host, or a level is given.
    """
    if options.isa or (target.toolchain != "host" and target.cpu != PORTABLE):
        other = f"--isa {options.isa}" if options.isa else f"--target {target.name}"
        raise UsageError(
            f"--dispatch chooses among the levels of hosts, and {other} says which it is.",
            hint="leave out one of them",
        )
    chosen = dict.fromkeys(each.name for each in _dispatched(target))
    return Isa(level("portable").kernels, levels=tuple(chosen))


def _dispatched(target: Target) -> list[Level]:
    """What a program chooses from when it runs: the levels of a host, or of all."""
    own = target.cpu if target.toolchain == "host" else ""
    return [each for each in ALL_LEVELS if each.cpu and own in ("", each.cpu)]


def level_files(
    program: Program, names: Names, prefix: str, levels: Sequence[Level], head: list[str]
) -> dict[str, str]:
    """The layers of a program at every level, by file name."""
    includes, definitions = kernel_includes(names), function_lines(program, names)
    files = {
        f"{prefix}_layers.h": layers_header(prefix, names.functions, levels, head),
        "eq_simd.h": simd_header(levels),
    }
    for stem in dict.fromkeys(("portable", *(each.name for each in levels))):
        same = [each for each in levels if each.name == stem]
        text = level_text(prefix, names.functions, same, includes, definitions, head)
        files[f"{prefix}_{stem}.c"] = text
    return files


def _check(graph: Graph, options: CompileOptions, signature: str | None, *, golden: bool) -> None:
    """Refuse what nobody can generate."""
    if golden and graph.entry:
        raise UsageError(
            "known outputs come from TensorFlow Lite Micro, which runs subgraph 0 only.",
            f"{graph.path}, signature {signature!r}",
            hint="compile it without --golden",
        )
    if options.budgets:
        raise UsageError(
            f"--{next(iter(options.budgets))} chooses between forms that are measured here, and "
            "what runs far away is not.",
            hint="--optimize balanced, speed, ram or size",
        )


def planned(graph: Graph, isa: Isa, optimize: str) -> tuple[Program, Plan]:
    """The program and where its data lies, for one of the ways to optimise."""
    program = lower_graph(graph, isa, optimize)
    if optimize == "ram":
        return least_memory(program, isa, optimize)
    return program, plan_arena(program)


def _tensor_entry(tensor: Tensor) -> dict[str, Any]:
    quantized = tensor.quantization is not None
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "bytes": tensor.bytes,
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
    }


def _input_entry(tensor: Tensor, bounds: Bounds | None) -> dict[str, Any]:
    """The same of an input, with the values that it may have where they count something."""
    return {**_tensor_entry(tensor), **({"values": bounds.entry()} if bounds else {})}


def _form_entry(call: Call | None, isa: Isa) -> dict[str, Any]:
    if call is None:
        return {"form": None}
    form, why = call.form(isa)
    return {"form": form, **({"why_portable": why} if why else {})}


def _blocks_entry(call: Call | None) -> dict[str, Any]:
    if call is None or call.blocks is None:
        return {}
    return {"weight_blocks": {"stored": call.blocks[0], "all": call.blocks[1]}}


def _manifest(
    graph: Graph,
    program: Program,
    plan: Plan,
    names: Names,
    prefix: str,
    target: Target,
    isa: Isa,
    constant_bytes: int,
    golden: Golden | None,
) -> dict[str, Any]:
    ops = []
    bounds = input_bounds(graph.main, graph.subgraphs)
    runs = program.runs
    for number, step in enumerate(program.steps):
        outputs = []
        for index in step.completes:
            root = program.root.get(index, index)
            entry = _tensor_entry(program.tensor(index))
            outputs.append({"tensor": index, "arena_offset": plan.offsets.get(root), **entry})
        call = step.call
        ops.append(
            {
                "index": step.op.index,
                **({"subgraph": step.op.subgraph} if step.op.subgraph else {}),
                "op": step.op.name,
                "name": program.tensor(step.op.outputs[0]).name if step.op.outputs else "",
                "macs": call.macs * runs[number] if call else 0,
                "packed": bool(call and call.packed),
                "kernel": call.function if call else None,
                **_form_entry(call, isa),
                "function": names.by_step[number].name if call else None,
                "outputs": outputs,
                **_blocks_entry(call),
            }
        )
    subgraph = program.subgraph
    return {
        "edgeq": __version__,
        "name": prefix,
        "model": {"sha256": graph.sha256, "bytes": graph.file_bytes},
        "target": target.name,
        "cpu": target.cpu,
        "kernels": list(isa.kernels),
        **({"threads": isa.threads} if in_parts(names) else {}),
        **({"dispatch": list(isa.levels)} if isa.levels else {}),
        "arena_bytes": plan.arena_bytes,
        "state_bytes": plan.state_bytes,
        "static_bytes": static_bytes(program),
        "arena_bound_bytes": plan.lower_bound_bytes,
        "arena": [
            {
                "name": program.tensor(p.block.key).name if p.block.key >= 0 else "scratch",
                "offset": p.offset,
                "bytes": p.block.size,
                "first": p.block.first,
                "last": p.block.last,
            }
            for p in plan.blocks
        ],
        "constant_bytes": constant_bytes,
        "golden_bytes": sum(map(len, golden.tables.values())) if golden is not None else 0,
        "macs": program.macs,
        **({"unknown_loops": program.unknown_loops} if program.unknown_loops else {}),
        **({} if graph.stream is None else {"stream": graph.stream.to_json()}),
        "inputs": [_input_entry(program.tensor(i), bounds.get(i)) for i in subgraph.inputs],
        "outputs": [_tensor_entry(program.tensor(i)) for i in subgraph.outputs],
        "ops": ops,
    }
