"""Names of programs whose header would be found in place of the compiler's own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.compiler.codegen.reserved import is_reserved
from tests.tools import need

# What generated C and its firmware include, for hosts too.
_INCLUDED = """cpuid errno math pthread sched stdarg stdbool stddef stdint stdio stdlib string time
    unistd"""
_OF_X86 = "immintrin"


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_headers_that_the_compiler_reads(compiler):
    """With -I. a file NAME.h hides one of the same name, however deep it is included."""
    program = shutil.which(compiler)
    need(program, compiler)
    machine = subprocess.run([program, "-dumpmachine"], capture_output=True, text=True, check=True)
    x86 = "86" in machine.stdout.partition("-")[0]
    names = [*_INCLUDED.split(), _OF_X86] if x86 else _INCLUDED.split()[1:]
    text = "".join(f"#include <{name}.h>\n" for name in names)
    done = subprocess.run(
        [program, "-M", "-x", "c", "-"], input=text, capture_output=True, text=True, check=True
    )
    paths = [Path(name) for name in re.findall(r"\S+\.h\b", done.stdout)]
    roots = ("include", machine.stdout.strip())
    found = {path.stem for path in paths if path.parent.name in roots}
    assert len(found) > 20
    assert [name for name in sorted(found) if name.isidentifier() and not is_reserved(name)] == []


@pytest.mark.parametrize("name", ["aux", "CON", "nul", "PRN", "com1", "Lpt9"])
def test_names_that_windows_keeps_for_devices(name):
    """Windows has no files aux.c and nul.h: neither git nor unzip could make them."""
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["intrinsic", "kws", "cpuids", "trinity", "com", "lpt10", "cone"])
def test_names_that_are_nobodys(name):
    assert not is_reserved(name)
