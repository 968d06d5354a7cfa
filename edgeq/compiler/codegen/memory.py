"""Who owns the memory that a program writes: the arena, and what lives from call to call."""

from __future__ import annotations

from enum import Enum

from edgeq.compiler.plan.arena import Plan
from edgeq.compiler.plan.program import Program


class Memory(Enum):
    """Where the arena and the state of a program are.

    Attributes:
        STATIC: In static arrays of NAME.c.
        EXTERNAL: The arena where the user's program says (`NAME_init`), the state in static arrays.
        REENTRANT: Both in a `NAME_state` that every function takes; nothing static is written.
    """

    STATIC = "static"
    EXTERNAL = "external"
    REENTRANT = "reentrant"

    def parameter(self, name: str) -> str:
        """The parameter list of a public function."""
        return f"{name}_state *state" if self is Memory.REENTRANT else "void"

    @property
    def argument(self) -> str:
        """What one public function passes on to another."""
        return "state" if self is Memory.REENTRANT else ""

    def owner(self, name: str) -> str:
        """What the names of the arrays in NAME.c begin with."""
        return "state->" if self is Memory.REENTRANT else f"{name}_"

    def unused(self, *lines: str) -> list[str]:
        """A line for a function that takes a state which `lines` do not read."""
        reads = any(word in line for line in lines for word in ("EQ_AT(", "EQ_STATE(", "state"))
        return [] if reads or self is not Memory.REENTRANT else ["    (void)state;"]

    def header_lines(self, program: Program, plan: Plan, name: str) -> list[str]:
        """What NAME.h says of it, before the functions."""
        upper = name.upper()
        if self is Memory.REENTRANT:
            return [*_state_struct(program, plan, name), *_reentrant_rules(program, name)]
        rules = [
            "/* One caller at a time: all functions of this model work on one arena. While one of",
            " * them runs, no other thread and no interrupt may call another, or touch inputs and",
            " * outputs; between calls an interrupt may read outputs and write inputs. In C made",
            " * with --reentrant each caller has memory of its own.",
        ]
        if self is Memory.STATIC:
            return [*_closed(rules), ""]
        return [
            f"/* Give the model {upper}_ARENA_BYTES of memory, aligned to 16 bytes, before any",
            " * other call. Models that do not run at the same time may share it: a call of one,",
            " * or a write to its input, destroys inputs and outputs of the others. */",
            f"void {name}_init(void *arena);",
            "",
            *_closed(rules),
            "",
        ]

    def source_lines(self, plan: Plan, name: str) -> list[str]:
        """The arena in NAME.c, and how it is accessed."""
        upper = name.upper()
        access = [
            "#undef EQ_AT /* another model's, in one file with this */",
            f"#define EQ_AT(type, offset) ((type *)(void *)({self.owner(name)}arena + (offset)))",
            "",
        ]
        if self is Memory.REENTRANT:
            return access if plan.arena_bytes else []
        if self is Memory.EXTERNAL:
            return [
                f"static uint8_t *{name}_arena;",
                *access,
                f"void {name}_init(void *arena)",
                "{",
                f"    {name}_arena = arena;",
                "}",
                "",
            ]
        if not plan.arena_bytes:
            return []
        return [
            f"/* Define {upper}_ARENA_ATTR to place the arena, e.g. in a section of its own. */",
            f"#ifndef {upper}_ARENA_ATTR",
            f"#define {upper}_ARENA_ATTR",
            "#endif",
            f"static uint8_t {name}_arena[{upper}_ARENA_BYTES] EQ_ALIGN(16) {upper}_ARENA_ATTR;",
            *access,
        ]


def _closed(comment: list[str]) -> list[str]:
    return [*comment[:-1], comment[-1] + " */"]


def _state_struct(program: Program, plan: Plan, name: str) -> list[str]:
    upper = name.upper()
    fields = [f"    uint8_t arena[{upper}_ARENA_BYTES] {upper}_ALIGNED;"]
    if program.fills:
        fields.append(f"    uint8_t state[{plan.state_bytes}] {upper}_ALIGNED;")
    if program.once_blocks:
        fields.append(f"    uint8_t done[{program.once_blocks}];")
    if program.graph.stream is not None:
        fields.append("    int32_t held; /* samples in the window */")
    return [
        "#if defined(__GNUC__)",
        f"#define {upper}_ALIGNED __attribute__((aligned(16)))",
        "#else",
        f"#define {upper}_ALIGNED /* place each state at a multiple of 16 bytes */",
        "#endif",
        "",
        "/* All that the model writes. */",
        "typedef struct {",
        *fields,
        f"}} {name}_state;",
        "",
    ]


def _reentrant_rules(program: Program, name: str) -> list[str]:
    rules = [
        "/* Each state is one caller's: functions may run at the same time, in threads and",
        " * interrupts, if no two of them have the same state. Nothing else is written.",
    ]
    if program.has_state:
        rules.append(f" * {name}_reset() comes before the first call with a state.")
    return [*_closed(rules), ""]
