"""C says which core it is for, and a compiler for another core says so too, in one line."""

import platform
import re
import shutil
import subprocess

import pytest

from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.errors import UsageError
from edgeq.workflow.compile import compile as compile_model
from tests.compiler.codegen.test_golden import small_model
from tests.compiler.codegen.test_portability import COMPILERS, complete_command
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.check import WARNINGS
from tests.tools import need

M0 = ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb"]
M3 = ["arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"]
M4 = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"]
M7 = ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb"]
A9 = ["arm-none-eabi-gcc", "-mcpu=cortex-a9"]
RV32 = ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"]
# Made for, compiled for, what the error ends with; "" where it compiles.
PAIRS = [
    ("cortex-m4", M4, ""),
    ("cortex-m4", M7, ""),
    ("cortex-m4", M3, "--target cortex-m3"),
    ("cortex-m4", M0, "--target cortex-m0plus"),
    ("cortex-m4", RV32, "--target rv32imc"),
    ("cortex-m4", ["gcc"], "without --target"),
    ("cortex-m4", A9, "without --target"),
    ("cortex-m3", M4, ""),
    ("cortex-m3", M0, "--target cortex-m0plus"),
    ("cortex-m0plus", M4, ""),
    ("cortex-m0plus", ["gcc"], "without --target"),
    ("cortex-m55", M4, "--target cortex-m4"),
    ("rv32imc", ["gcc"], ""),
]


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "small.tflite"
    file.write_bytes(small_model())
    return file


def written(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(name for name in files if name.endswith(".c"))


def compiled(command, folder, sources, *flags):
    return subprocess.run(
        [*command, *flags, "-c", *sources], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("target", "command", "said"), PAIRS, ids=[f"{t} {c[0]} {c[1:2]}" for t, c, _ in PAIRS]
)
def test_another_core_is_told_what_fits_it(target, command, said, model, tmp_path):
    need(shutil.which(command[0]), command[0])
    files = generate(model, name="small", target=target).files
    sources = written(tmp_path, files)
    done = compiled(command, tmp_path, ["small.c"], "-std=c99", *WARNINGS)
    assert (done.returncode == 0) == (not said), done.stderr
    first = next((line for line in done.stderr.splitlines() if "error:" in line), "")
    assert said in first
    assert len(sources) == 2


@pytest.mark.parametrize("name", [name for name in COMPILERS if "x86" not in name])
def test_without_a_target_it_is_c_for_every_core(name, model, tmp_path):
    command = complete_command(name, tmp_path)
    need(shutil.which(command[0]), command[0])
    sources = written(tmp_path, generate(model, name="small").files)
    done = compiled(command, tmp_path, sources, "-std=c99", "-O1", *WARNINGS)
    assert done.returncode == 0, done.stderr


def test_big_endian_is_refused(model, tmp_path):
    need(shutil.which("arm-none-eabi-gcc"), "arm-none-eabi-gcc")
    sources = written(tmp_path, generate(model, name="small").files)
    done = compiled([*M3, "-mbig-endian"], tmp_path, sources)
    assert "#error" in done.stderr and "little-endian" in done.stderr


def test_the_banner_names_core_and_byte_order(model):
    for target, words in (
        ("cortex-m4", "Cortex-M4"),
        ("cortex-m55", "Helium"),
        ("nucleo-f103rb", "Cortex-M3"),
        ("portable", "every core"),
    ):
        files = generate(model, name="small", target=target).files
        for name in ("small.h", "small.c", "small_weights.h", "small_weights.c"):
            second = files[name].splitlines()[1]
            assert words in second and "little-endian" in second


def test_the_c_file_says_that_it_is_c_and_the_header_is_both(model, tmp_path):
    need(shutil.which("g++"), "g++")
    written(tmp_path, generate(model, name="small").files)
    done = compiled(["g++", "-x", "c++"], tmp_path, ["small.c"], "-std=c++17")
    first = next(line for line in done.stderr.splitlines() if "error:" in line)
    assert "is C and not C++" in first
    (tmp_path / "use.cpp").write_text('#include "small.h"\nvoid f() { small_invoke(); }\n')
    done = compiled(["g++"], tmp_path, ["use.cpp"], "-std=c++17", "-Wall", "-Wextra", "-Werror")
    assert done.returncode == 0, done.stderr


def test_the_files_of_levels_say_that_they_are_c(model, tmp_path):
    need(shutil.which("g++"), "g++")
    files = generate(model, name="small", options=CompileOptions(dispatch=True)).files
    written(tmp_path, files)
    levels = [name for name in files if re.fullmatch(r"small_\w+\.c", name)]
    told = {}
    for name in set(levels) - {"small_weights.c"}:
        done = compiled(["g++", "-x", "c++"], tmp_path, [name], "-std=c++17")
        told[name] = next((line for line in done.stderr.splitlines() if "error:" in line), "")
        # Those of other CPUs are empty here.
        assert "is C and not C++" in told[name] or (done.returncode == 0 and not told[name])
    assert told["small_portable.c"]
    assert sum(map(bool, told.values())) > 1


NAMES = [
    "what???/",
    "??????",
    "a???/\\",
    "caf\u00e9 \u2211",
    "\u202ex\u202d",
    "*/",
    "/*/",
    "\\",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
def test_tensor_names_are_no_trouble_in_comments(name, tmp_path):
    """Trigraphs, text that turns around, ends of comments, lines that go on."""
    need(shutil.which("gcc"), "gcc")
    tensors = [
        TensorSpec((1, 4), "int8", 0.1, 0, name=name),
        TensorSpec((1, 4), "int8", 0.1, 0, name=f"{name}{name}"),
    ]
    model = tmp_path / "small.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, [OpSpec("RELU", [0], [1])], [0], [1])]))
    files = generate(model, name="small").files
    sources = written(tmp_path, files)
    for command in (["gcc", "-trigraphs"], ["clang"]):
        done = compiled(command, tmp_path, sources, "-std=c99", *WARNINGS, "-Wtrigraphs")
        assert done.returncode == 0, done.stderr
    assert not any("??" in text for text in files.values())
    assert not any("\u202e" in text for text in files.values())
    assert ("caf\u00e9" in files["small.h"]) == ("caf\u00e9" in name)


RESERVED = (
    "string",
    "stdint",
    "Math",
    "eq_base",
    "eq_app",
    "eq",
    "register",
    "_Bool",
    "a__b",
    "test",
)


@pytest.mark.parametrize("name", RESERVED)
def test_names_of_others_are_refused_or_get_another(name, tmp_path):
    model = tmp_path / f"{name}.tflite"
    model.write_bytes(small_model())
    with pytest.raises(UsageError, match="cannot be the name"):
        compile_model(model, tmp_path / "c", name=name)
    assert not (tmp_path / "c").exists()
    sources = compile_model(model, tmp_path / "c")
    prefix = sources.manifest["name"]
    assert prefix.lower() != name.lower()
    # The folder comes first on the include path: no header of the C library may hide behind one.
    done = compiled(["gcc", "-I."], tmp_path / "c", sorted(
        file for file in sources.files if file.endswith(".c")
    ), "-std=c99", *WARNINGS)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_fast_math_is_refused_where_there_are_floats(tmp_path, compiler, dtype):
    need(shutil.which(compiler), compiler)
    scale = 0.5 if dtype == "int8" else None
    raw = single_op("RELU", [TensorSpec((1, 8), dtype, scale)], [TensorSpec((1, 8), dtype, scale)])
    model = tmp_path / "net.tflite"
    model.write_bytes(raw)
    sources = written(tmp_path, generate(model, name="net").files)
    assert compiled([compiler], tmp_path, sources, "-std=c99").returncode == 0
    done = compiled([compiler], tmp_path, sources, "-std=c99", "-ffast-math")
    assert (done.returncode == 0) == (dtype == "int8"), done.stderr
    assert ("-fno-fast-math" in done.stderr) == (dtype == "float32")


PARTS = {
    "-funsafe-math-optimizations": "-fno-fast-math",
    "-fassociative-math -fno-signed-zeros -fno-trapping-math": "-fno-fast-math",
    "-freciprocal-math": "-fno-fast-math",
    "-fno-signed-zeros": "-fno-fast-math",
    "-mfpmath=387": "and not wider",
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_parts_of_fast_math_are_refused_too(tmp_path, part, dtype):
    """They compiled without a word, and self-tests of several ops failed."""
    need("x86" in platform.machine() and shutil.which("gcc"), "gcc for x86")
    scale = 0.5 if dtype == "int8" else None
    raw = single_op("RELU", [TensorSpec((1, 8), dtype, scale)], [TensorSpec((1, 8), dtype, scale)])
    model = tmp_path / "net.tflite"
    model.write_bytes(raw)
    sources = written(tmp_path, generate(model, name="net").files)
    done = compiled(["gcc"], tmp_path, sources, "-std=c99", "-O2", *part.split())
    assert (done.returncode == 0) == (dtype == "int8"), done.stderr
    assert (PARTS[part] in done.stderr) == (dtype == "float32")
    old = compiled(["gcc"], tmp_path, sources, "-std=gnu89")
    assert old.returncode != 0 and "net.c is C99" in old.stderr
