"""Compiler options that put something of their own into functions, and what they call."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgeq.compiler.compilation import Sources
from scripts.check_c import lay_out

# By name: each is borne at every level of optimization, by gcc and clang.
OPTIONS = {
    "canary": ("-fstack-protector-all",),
    "calls": ("-finstrument-functions",),
    "pg": ("-pg",),
    "counters": ("--coverage",),
    "ubsan": ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),
    "pic": ("-fPIC",),
    "frames": ("-fno-omit-frame-pointer",),
}

# `__gnu_mcount_nc` finds its caller's return address on the stack and takes it off.
_HOOKS = """
#include <stdint.h>
#define HOOK __attribute__((no_instrument_function, used))
void __stack_chk_fail(void);
void __cyg_profile_func_enter(void *function, void *site);
void __cyg_profile_func_exit(void *function, void *site);
extern const uintptr_t __stack_chk_guard __attribute__((used));
const uintptr_t __stack_chk_guard = 0x5eed5eedu;
HOOK void __stack_chk_fail(void)
{
    __builtin_trap();
}
HOOK void __cyg_profile_func_enter(void *function, void *site)
{
    (void)function;
    (void)site;
}
HOOK void __cyg_profile_func_exit(void *function, void *site)
{
    (void)function;
    (void)site;
}
#if defined(__arm__)
__asm__(".syntax unified\\n.thumb\\n.text\\n.globl __gnu_mcount_nc\\n.thumb_func\\n"
        "__gnu_mcount_nc:\\npush {r0, r1}\\nldr r0, [sp, #8]\\nmov ip, lr\\nmov lr, r0\\n"
        "pop {r0, r1}\\nadd sp, #4\\nbx ip\\n");
#endif
"""
_NAKED = re.compile(r"EQ_NAKED void\s+(eq_\w+)\(|^EQ_\w+\((eq_\w+), EQ_\w+, ", re.MULTILINE)


def instrumented(sources: Sources, *options: str) -> Sources:
    """The program with other options for its compiler, and with the functions that those call."""
    files = {**sources.files, "hooks.c": _HOOKS}
    return replace(sources, files=files, manifest={**sources.manifest, "cflags": list(options)})


def assembly_functions(
    build: str, command: Sequence[str], options: Sequence[str], folder: Path
) -> dict[str, bytes]:
    """The machine code of every function that is assembly from end to end, by name.

    Args:
        build: A name of `scripts.check_c.BUILDS`.
        command: The compiler.
        options: Its options.
        folder: For the headers and the object.
    """
    headers, names = [], []
    for header in lay_out(build, folder):
        text = (folder / header).read_text()
        if "EQ_NAKED" in text:
            headers.append(f'#include "{header}"\n')
            names += ["".join(found) for found in _NAKED.findall(text)]
    table = ", ".join(f"(const void *){name}" for name in names)
    unit, made = folder / "unit.c", folder / "unit.o"
    declared = "extern const void *const eq_table[];\nconst void *const eq_table[] ="
    unit.write_text(f"{''.join(headers)}{declared} {{{table}}};\n")
    subprocess.run([*command, *options, "-c", str(unit), "-o", str(made)], check=True)
    code = _code(made)
    return {name: code[name] for name in names}


def _code(made: Path) -> dict[str, bytes]:
    from elftools.elf.elffile import ELFFile

    with made.open("rb") as file:
        elf = ELFFile(file)
        functions = [
            symbol
            for symbol in elf.get_section_by_name(".symtab").iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC" and isinstance(symbol["st_shndx"], int)
        ]
        code = {}
        for symbol in functions:
            start = symbol["st_value"] & ~1
            content = elf.get_section(symbol["st_shndx"]).data()
            code[symbol.name] = content[start : start + symbol["st_size"]]
        return code
