"""Programs that choose a level of the instruction set when they run.

One table of layer functions for each level, each in a file of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from edgeq.boards.levels import Level
from edgeq.compiler.codegen.guard import c_only_lines
from edgeq.compiler.codegen.names import Function
from edgeq.compiler.codegen.parallel import declaration


def _table(name: str, level: str) -> str:
    return f"{name}_layers_{level}"


def _by_cpu(levels: Sequence[Level]) -> list[tuple[str, list[Level]]]:
    """Levels of each CPU, with what its compilers define."""
    return [(condition, list(some)) for condition, some in groupby(levels, lambda e: e.condition)]


def target_lines(attribute: str) -> list[str]:
    """What functions ask the compiler for, where they ask for anything.

    Of Arm gcc takes an architecture with its features, or an FPU, and clang the features' names.
    """
    if not attribute:
        return []
    lines = [f'#define EQ_TARGET __attribute__((target("{attribute}")))']
    names = clang_attribute(attribute)
    if names != attribute:
        lines = [
            "#ifdef __clang__",
            f'#define EQ_TARGET __attribute__((target("{names}")))',
            "#else",
            *lines,
            "#endif",
        ]
    return ["#ifdef __arm__", *lines, "#endif"] if attribute.startswith("fpu=") else lines


def clang_attribute(attribute: str) -> str:
    """The same in the words of clang."""
    if attribute.startswith("arch="):
        return ",".join(attribute.split("+")[1:])
    return attribute.removeprefix("fpu=")


def layers_header(
    name: str, functions: Sequence[Function], levels: Sequence[Level], head: list[str]
) -> str:
    """NAME_layers.h: what the tables look like, and their names."""
    guard = f"{name.upper()}_LAYERS_H"
    lines = [*head, f"#ifndef {guard}", f"#define {guard}", *c_only_lines(f"{name}_*.c", name), ""]
    lines += ['#include "eq_base.h"', ""]
    if any(function.call.parts > 1 for function in functions):
        lines[-1:] = ['#include "eq_share_host.h"', "", f"{declaration(name)};", ""]
    lines += ["/* The layers' functions at one level. */", "typedef struct {"]
    for function in functions:
        arguments = ", ".join(kind.rstrip() for kind in function.argument_types)
        lines.append(f"    void (*{function.name})({arguments});")
    lines += [f"}} {name}_layers;", "", f"extern const {name}_layers {_table(name, 'portable')};"]
    for condition, some in _by_cpu(levels):
        lines += [f"#if {condition}"]
        lines += [f"extern const {name}_layers {_table(name, each.name)};" for each in some]
        lines += ["#endif"]
    return "\n".join([*lines, "", "#endif"]) + "\n"


def level_text(
    name: str,
    functions: Sequence[Function],
    levels: Sequence[Level],
    includes: Sequence[str],
    definitions: Sequence[str],
    head: list[str],
) -> str:
    """NAME_LEVEL.c: all layers at one level.

    Args:
        name: Prefix of the program.
        functions: The layers' functions.
        levels: What they are compiled for: a level of one CPU or of several; none for plain C.
        includes: The kernels' headers.
        definitions: The functions' text.
        head: The file's first comment.
    """
    lines = [*head]
    if levels:
        conditions = [f"({e.condition})" if len(levels) > 1 else e.condition for e in levels]
        lines += [f"#if {' || '.join(conditions)}", f"#define EQ_LEVEL_{levels[0].name.upper()} 1"]
        lines += target_lines(levels[0].attribute)
    lines += [f'#include "{name}_layers.h"', ""]
    lines += [f'#include "{file}"' for file in includes]
    lines += ["", *definitions]
    table = _table(name, levels[0].name if levels else "portable")
    lines.append(f"const {name}_layers {table} = {{")
    lines += [f"    .{function.name} = {function.name}," for function in functions]
    lines += ["};", *(["#else", "extern int eq_empty;", "#endif"] if levels else [])]
    return "\n".join(lines) + "\n"


def simd_header(levels: Sequence[Level]) -> str:
    """eq_simd.h: the primitives of the level that a file is for."""
    lines = ["/* The primitives of the level that a file is for. */"]
    for number, level in enumerate(dict.fromkeys(each.name for each in levels)):
        lines.append(f"#{'el' if number else ''}if defined(EQ_LEVEL_{level.upper()})")
        lines.append(f'#include "eq_simd_{level}.h"')
    return "\n".join([*lines, "#else", '#include "eq_simd_host.h"', "#endif"]) + "\n"


def chooser(name: str, levels: Sequence[Level]) -> list[str]:
    """For NAME.c: the table that this CPU can run, chosen once, the best first."""
    lines = [
        f"static const {name}_layers *{name}_level(void)",
        "{",
        f"    static const {name}_layers *chosen;",
        f"    const {name}_layers *best = EQ_CPU_LOAD(chosen);",
        "    if (best == 0) {",
        "        const uint32_t levels = eq_cpu_levels();",
        f"        best = &{_table(name, 'portable')};",
    ]
    for condition, some in _by_cpu(levels):
        lines.append(f"#if {condition}")
        for level in some:
            lines += [
                f"        if (levels & EQ_CPU_{level.name.upper()}) {{",
                f"            best = &{_table(name, level.name)};",
                "        }",
            ]
        lines.append("#endif")
    lines += ["        (void)levels;", "        EQ_CPU_STORE(chosen, best);"]
    return [*lines, "    }", "    return best;", "}", ""]
