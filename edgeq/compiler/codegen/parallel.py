"""Layers in parts, and the threads of a program that share them."""

from __future__ import annotations

from collections.abc import Sequence

from edgeq.compiler.codegen.literals import initialiser
from edgeq.compiler.codegen.names import Function, Names
from edgeq.compiler.codegen.wrapping import wrapped

HEADER = "eq_parallel_host.h"


def in_parts(names: Names) -> bool:
    """Whether threads share the work of any layer."""
    return any(function.call.parts > 1 for function in names.functions)


def stop_header_lines(name: str) -> list[str]:
    """For NAME.h: what a user of the threads may want to know of them."""
    return [
        "/* End the threads that share the work of large layers; the next call begins them again.",
        " * They end by themselves with the program, or the library. In a child of fork() the",
        " * next call begins its own; while a call runs, fork() is only for exec(). */",
        f"void {name}_stop(void);",
        "",
    ]


def thread_lines(threads: int) -> list[str]:
    """For NAME.c, before it includes anything: how many threads there are at most."""
    return [
        "/* Threads that share the work, the caller's among them; with -DEQ_THREADS=1 there is",
        " * one, and no need of pthread. The bytes are the same. */",
        "#ifndef EQ_THREADS",
        f"#define EQ_THREADS {threads}",
        f"#elif EQ_THREADS > {threads}",
        f'#error "the working memory is for {threads} threads: edgeq compile --threads"',
        "#endif",
    ]


def declaration(name: str) -> str:
    """Of the function by which files of layers reach the threads of NAME.c."""
    return f"void {name}_parallel(int32_t parts, eq_task *task, const void *argument)"


def pool_lines(name: str, names: Names) -> list[str]:
    """The functions of NAME.c that stand for its threads."""
    lines = [f"void {name}_stop(void)", "{", "    eq_parallel_stop();", "}", ""]
    if names.parallel != "eq_parallel":
        call = "    eq_parallel(parts, task, argument);"
        lines = [declaration(name), "{", call, "}", "", *lines]
    return lines


def shared_function(function: Function, parallel: str, arguments: Sequence[str]) -> list[str]:
    """A layer's function that has its work done in parts, behind the one that does a part.

    Args:
        function: The layer.
        parallel: The C function that has work done in parts.
        arguments: Names of its arguments.
    """
    call, name = function.call, function.name
    typed = list(zip(function.argument_types, arguments, strict=True))
    stages = call.stages > 1
    stage = "a->stage" if stages else "0"
    lines = ["typedef struct {", *(f"    {kind}{argument};" for kind, argument in typed)]
    lines += ["    int32_t stage;"] * stages + [f"}} {name}_arguments;", ""]
    lines += [
        f"static EQ_LAYER void {name}_part(const void *argument, int32_t part, int32_t thread)",
        "{",
        f"    static const {call.params_type} params = {{",
        *initialiser(dict(call.params)),
        "    };",
        f"    const {name}_arguments *const a = argument;",
        f"    const eq_share share = {{{stage}, part, {call.parts}, thread}};",
    ]
    passed = ["&params", "share", *(f"a->{argument}" for argument in arguments)]
    lines += [*wrapped(f"    {call.function}_share(", passed, ");"), "}", ""]
    opening = f"static EQ_LAYER void {name}("
    lines += wrapped(opening, [f"{kind}{argument}" for kind, argument in typed], ")")
    members = [*arguments, *["0"] * stages]
    const = "" if stages else "const "
    lines += ["{", *wrapped(f"    {const}{name}_arguments arguments = {{", members, "};")]
    run = f"    {parallel}({call.parts}, {name}_part, &arguments);"
    lines.append(run)
    for number in range(1, call.stages):
        lines += [f"    arguments.stage = {number};", run]
    return [*lines, "}", ""]
