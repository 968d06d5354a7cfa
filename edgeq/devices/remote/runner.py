"""The agent in C: built for a device's architecture, with libLiteRt.so or with generated C."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq.boards.levels import best_of, lacking, level, stated
from edgeq.boards.target import load_target
from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import (
    ARMV7_WITHOUT_NEON,
    Toolchain,
    has_library,
    host_toolchain,
    version_of,
    zig_command,
)
from edgeq.compiler.options import CompileOptions
from edgeq.devices.generated import (
    NAME,
    address_functions,
    compile_flags,
    generate,
    level_of,
    op_entries,
    tensor_specs,
)  # fmt: skip
from edgeq.devices.remote.artifacts import Artifact, artifact
from edgeq.devices.remote.facts import HostFacts
from edgeq.devices.replay import HOST_BYTES, input_spec, output_spec, replay_files
from edgeq.devices.tensors import TensorSpec
from edgeq.errors import EdgeqError, MissingDependency

if TYPE_CHECKING:
    from edgeq.compiler.compilation import Sources

_RUNNER = Path(__file__).resolve().parent.parent / "far" / "runner"
_COMMON = ("eq_text.h", "eq_text.c", "eq_worker.h", "eq_worker.c", "eq_supervisor.c")
_LITERT_FILES = (*_COMMON, "eq_backend.h", "eq_litert.c")
_GENERATED_FILES = (*_COMMON, "eq_backend.h", "eq_marks.h", "eq_generated.c")
_FLAGS = ("-std=c99", "-O2")
_GLIBC_OF_LITERT = "2.34"

# architecture -> (edgeq's target, GNU triple, zig's architecture, zig's ABI suffix)
_ARCHITECTURES = {
    "x86_64": ("x86-64", "x86_64-linux-gnu", "x86_64", ""),
    "aarch64": ("aarch64", "aarch64-linux-gnu", "aarch64", ""),
    "armv7l": ("armv7", "arm-linux-gnueabihf", "arm", "eabihf"),
    "armv6l": ("armv6", "arm-linux-gnueabihf", "arm", "eabihf"),
}


def litert_runner(facts: HostFacts) -> Artifact:
    """The agent that loads libLiteRt.so, for a device whose Python cannot.

    Raises:
        MissingDependency: No compiler for the device is installed here.
        EdgeqError: The runner cannot be built for a C library as old as the device's.
    """
    files = {name: (_RUNNER / name).read_text() for name in _LITERT_FILES}
    glibc = facts.glibc or (0, 0)
    for toolchain in _toolchains(facts, static=False):
        built = build(toolchain, files, _FLAGS, ["-s", "-ldl", "-lm"], "edgeq-litert-runner")
        if _glibc_needed(built) <= glibc:
            return artifact(built, ".bin")
    raise EdgeqError(
        f"the compilers here make programs for a newer C library than {facts.libc}",
        hint="pip install ziglang",
    )


def generated_runner(
    facts: HostFacts, model: Path, options: CompileOptions
) -> tuple[Artifact, str]:
    """The agent with the model in it, as C that edgeq generated: one static program.

    Returns:
        The program, and the level that it runs at on the device (`edgeq.boards.levels`).

    Raises:
        MissingDependency: No compiler for the device is installed here.
        EdgeqError: edgeq cannot compile this model, or has no target for the device.
    """
    check_architecture(facts)
    target, *_ = _ARCHITECTURES[facts.architecture]
    sources = generate(model, load_target(target), for_its_cpu(facts, options))
    files = {name: (_RUNNER / name).read_text() for name in _GENERATED_FILES}
    files |= {**sources.files, "eq_model_table.h": model_table(sources)}
    if sources.stream is not None:
        files |= replay_files(NAME, sources.stream, tensor_specs(sources, "outputs"), HOST_BYTES)
    flags = [*compile_flags(sources), "-O3", "-include", "eq_marks.h"]
    toolchain = next(iter(_toolchains(facts, static=True)))
    built = build(toolchain, files, flags, ["-static", "-s", "-lm"], "edgeq-runner")
    least = stated(target, load_target(target).isa)
    best = best_of(target, {*facts.cpu_features, *least.features})
    return artifact(built, ".bin"), level_of(sources.manifest, best)


def for_its_cpu(facts: HostFacts, options: CompileOptions) -> CompileOptions:
    """The options with the best level that the device's CPU has, by what its system says.

    Raises:
        EdgeqError: A level is asked for that it does not have.
    """
    target, *_ = _ARCHITECTURES[facts.architecture]
    best = best_of(target, facts.cpu_features)
    if options.dispatch:
        return options
    if not options.isa:
        return replace(options, isa=best.name if best.cpu else "")
    wanted = level(options.isa, target)
    least = stated(target, load_target(target).isa)
    lacks = lacking(wanted, {*facts.cpu_features, *least.features})
    if wanted.cpu == target and lacks:
        raise EdgeqError(
            f"the device's CPU cannot run code of level {wanted.name}: it lacks {', '.join(lacks)}",
            hint=f"--isa {(best if best.cpu else least).name} is the best that it has",
        )
    return options


def model_table(sources: Sources) -> str:
    """eq_model_table.h: what eq_generated.c wants to know about the model.

    A model with a front end is called through what replays recordings.
    """
    inputs, outputs = tensor_specs(sources, "inputs"), tensor_specs(sources, "outputs")
    functions = [address_functions(sources, kind) for kind in ("inputs", "outputs")]
    stem, stream = NAME, sources.stream
    if stream is not None:
        stem = f"{NAME}_replay"
        inputs, outputs = [input_spec(stream, HOST_BYTES)], [output_spec(stream, outputs)]
        functions = [[f"{stem}_input"], [f"{stem}_output"]]
    ops = op_entries(sources)
    lines = [
        f'#include "{stem}.h"',
        f"#define EQ_MODEL_INPUTS {len(inputs)}",
        f"#define EQ_MODEL_OUTPUTS {len(outputs)}",
        f"#define EQ_MODEL_OPS {len(ops)}",
        *_tensor_table("eq_model_inputs", inputs),
        *_tensor_table("eq_model_outputs", outputs),
        f"static const int eq_model_op_indices[] = {{{', '.join(str(op.index) for op in ops)}}};",
        "static const char *const eq_model_op_names[] = {"
        + ", ".join(json.dumps(op.op) for op in ops)
        + "};",
        *_accessor("eq_model_input", "void", functions[0]),
        *_accessor("eq_model_output", "const void", functions[1]),
        "static void eq_model_invoke(void)",
        "{",
        f"    {stem}_invoke();",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _tensor_table(name: str, specs: Sequence[TensorSpec]) -> list[str]:
    rows = [
        f'    {{"{spec.dtype}", {len(spec.shape)}, '
        f"{{{', '.join(map(str, spec.shape)) or '0'}}}, {spec.bytes}u}},"
        for spec in specs
    ]
    return [f"static const struct eq_tensor {name}[] = {{", *rows, "};"]


def _accessor(name: str, kind: str, functions: Iterable[str]) -> list[str]:
    cases = [f"    case {k}: return {function}();" for k, function in enumerate(functions)]
    return [
        f"static {kind} *{name}(int k)", "{", "    switch (k) {", *cases,
        "    default: return NULL;", "    }", "}",
    ]  # fmt: skip


def check_architecture(facts: HostFacts) -> None:
    """Refuse a device that edgeq makes no programs for.

    Raises:
        EdgeqError: Its architecture is unknown here.
    """
    if facts.architecture not in _ARCHITECTURES:
        raise EdgeqError(
            f"edgeq makes no programs for {facts.architecture}; "
            f"it knows {', '.join(_ARCHITECTURES)}"
        )


def _toolchains(facts: HostFacts, *, static: bool) -> list[Toolchain]:
    """Compilers for a device, the best first.

    zig brings musl, whose static programs run on every Linux and Android; glibc's use system
    calls that Android forbids to apps. gcc is there at once, zig's first use takes a minute.
    """
    check_architecture(facts)
    _, triple, arch, abi = _ARCHITECTURES[facts.architecture]
    wanted = os.environ.get("EDGEQ_TOOLCHAIN") or "auto"
    found: list[Toolchain] = []
    gcc = shutil.which(f"{triple}-gcc")
    if wanted != "zig" and facts.architecture != "armv6l":
        if facts.architecture == platform.machine():
            host = host_toolchain()
            found.append(Toolchain(host.name, host.command, (), (), host.version))
        elif gcc and has_library(gcc):
            found.append(Toolchain(f"{triple}-gcc", (gcc,), (), (), version_of(gcc)))
    if wanted != "gcc" and importlib.util.find_spec("ziglang"):
        found.append(_zig(arch, abi, facts.architecture, static=static))
    if facts.system != "linux":
        found = [each for each in found if each.name == "zig"]
    if not found:
        raise MissingDependency(
            f"A compiler for Linux on {facts.architecture}",
            "a program for this device",
            f"pip install ziglang, or apt install gcc-{triple} with its C library",
        )
    return found


def _zig(arch: str, abi: str, architecture: str, *, static: bool) -> Toolchain:
    from importlib.metadata import version

    libc = f"musl{abi}" if static else f"gnu{abi}.{_GLIBC_OF_LITERT}"
    flags = ["-target", f"{arch}-linux-{libc}", "-fno-sanitize=undefined"]
    if architecture == "armv6l":
        flags.append("-mcpu=arm1176jzf_s")
    elif architecture == "armv7l":
        flags += ARMV7_WITHOUT_NEON
    return Toolchain("zig", zig_command(), tuple(flags), (), f"zig {version('ziglang')}")


def _glibc_needed(program: Path) -> tuple[int, ...]:
    """The newest version of glibc's symbols that a program uses."""
    found = re.findall(rb"GLIBC_(\d+)\.(\d+)", program.read_bytes())
    return max(((int(major), int(minor)) for major, minor in found), default=(0, 0))
