"""The C of every op compiles without a warning, with gcc and clang, for every kind of processor."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.errors import EdgeqError
from tests.oracle.check import WARNINGS
from tests.oracle.fuzz import generators
from tests.tools import need

_NO_AVR_LIBRARY = ("-Wno-avr-rtlib-linking-quirks",)
# Name: compiler and flags, target whose kernels are generated.
COMPILERS = {
    "gcc x86-64": (["gcc"], "x86-64"),
    "clang x86-64": (["clang"], "x86-64"),
    "gcc cortex-m0plus": (["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb"], "cortex-m0plus"),
    "gcc cortex-m4": (
        [
            "arm-none-eabi-gcc",
            "-mcpu=cortex-m4",
            "-mthumb",
            "-mfloat-abi=hard",
            "-mfpu=fpv4-sp-d16",
        ],
        "cortex-m4",
    ),
    "gcc cortex-m55": (
        ["arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
        "cortex-m55",
    ),
    "clang cortex-m0plus": (
        ["clang", "--target=thumbv6m-none-eabi", "-mcpu=cortex-m0plus"],
        "cortex-m0plus",
    ),
    "clang cortex-m4": (["clang", "--target=thumbv7em-none-eabi", "-mcpu=cortex-m4"], "cortex-m4"),
    "clang cortex-m55": (
        ["clang", "--target=thumbv8.1m.main-none-eabihf", "-mcpu=cortex-m55", "-mfloat-abi=hard"],
        "cortex-m55",
    ),
    "clang rv32": (["clang", "--target=riscv32-unknown-elf", "-march=rv32imc"], "rv32imc"),
    "gcc rv32": (
        ["riscv64-unknown-elf-gcc", "-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"],
        "rv32imc",
    ),
    # 16-bit int: what is too wide for it shows as a warning.
    "clang avr": (
        ["clang", "--target=avr", "-mmcu=atmega2560", "-Qunused-arguments", *_NO_AVR_LIBRARY],
        "x86-64",
    ),
    "clang msp430": (["clang", "--target=msp430"], "x86-64"),
}
_FREESTANDING = {name for name in COMPILERS if name.startswith("clang ")} - {"clang x86-64"}
_SHIM = {
    "string.h": "#include <stddef.h>\n"
    "void *memcpy(void *, const void *, size_t);\n"
    "void *memmove(void *, const void *, size_t);\n"
    "void *memset(void *, int, size_t);\n",
    "math.h": "".join(
        f"float {name}f(float);\n"
        for name in (
            "exp expm1 log sqrt sin cos tanh fabs floor ceil round erf erfc trunc rint".split()  # noqa: SIM905
        )
    )
    + "double exp(double);\ndouble floor(double);\nfloat fmodf(float, float);\n"
    "float powf(float, float);\n#define signbit(x) __builtin_signbit(x)\n",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One model file of every generator."""
    folder = tmp_path_factory.mktemp("models")
    files = []
    for number, (name, make) in enumerate(generators().items()):
        file = folder / f"{name.replace(' ', '_')}.tflite"
        file.write_bytes(make(np.random.default_rng(number), 5).model)
        files.append(file)
    return files


def complete_command(name, folder):
    """The compiler with its options; where it lacks a C library, with headers written to folder."""
    command = COMPILERS[name][0]
    if name not in _FREESTANDING:
        return command
    include = folder / "include"
    include.mkdir()
    for file, text in _SHIM.items():
        (include / file).write_text(text)
    return [*command, "-ffreestanding", f"-isystem{include}"]


def op_sources(models, target, folder):
    """The C of models until every kernel is there, each model's in a folder of its own."""
    sources, covered = [], set()
    for number, model in enumerate(models):
        try:
            made = generate(model, name=f"m{number}", target=target)
        except EdgeqError:
            continue
        kernels = {op["kernel"] for op in made.manifest["ops"]}
        if kernels <= covered:
            continue
        covered |= kernels
        place = folder / f"m{number}"
        place.mkdir()
        for file, text in made.files.items():
            (place / file).write_text(text)
        sources += [str(place / file) for file in made.files if file.endswith(".c")]
    assert len(covered) > 50
    return sources


def refused_for_avr(model):
    """Whether a model needs more of float32 than there is on an AVR."""
    try:
        generate(model, name="m", target="arduino-mega-2560")
    except EdgeqError as error:
        return "which compilers for" in str(error)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILERS)
def test_every_op_compiles_without_a_warning(name, models, tmp_path):
    command, target = COMPILERS[name]
    need(shutil.which(command[0]), command[0])
    taken = [model for model in models if "avr" not in name or not refused_for_avr(model)]
    sources = op_sources(taken, target, tmp_path)
    command = complete_command(name, tmp_path)
    report = _compile([*command, "-std=c99", "-O1", *WARNINGS, "-fsyntax-only"], sources)
    assert not report, report[:4000]


def test_assembly_of_a_build_without_optimization(shared, tmp_path):
    """Where no compiler knows how long lines are, clang took no "strh.w" that writes back."""
    need(shutil.which("clang"), "clang")
    model = shared / "models" / "mlperf_tiny" / "kws_int8.tflite"
    for path, text in generate(model, name="kws", target="cortex-m4").files.items():
        (tmp_path / path).write_text(text)
    command = [*complete_command("clang cortex-m4", tmp_path), "-std=c99", "-O0", "-c"]
    report = _compile([*command, "-o", str(tmp_path / "kws.o")], [str(tmp_path / "kws.c")])
    assert not report, report[:4000]


@pytest.mark.slow
@pytest.mark.parametrize("memory", Memory)
@pytest.mark.parametrize(
    "name",
    ["gcc x86-64", "clang x86-64", "gcc cortex-m0plus", "gcc cortex-m4", "clang cortex-m4",
     "gcc cortex-m55", "gcc rv32"],
)  # fmt: skip
def test_several_models_compile_as_one_file(name, memory, shared, tmp_path):
    """Builds that include all C files in one: a model's macros were another's redefined."""
    command, target = COMPILERS[name]
    need(shutil.which(command[0]), command[0])
    lines = []
    models = {"one": "kws", "two": "ad01", "three": "sww", "four": "sww", "five": "resnet"}
    for prefix, model in models.items():
        file = shared / "models" / "mlperf_tiny" / f"{model}_int8.tflite"
        made = generate(file, name=prefix, target=target, memory=memory)
        for path, text in made.files.items():
            (tmp_path / path).write_text(text)
        lines += [f'#include "{path}"' for path in made.files if path.endswith(".c")]
    (tmp_path / "unity.c").write_text("\n".join(lines) + "\n")
    command = complete_command(name, tmp_path)
    report = _compile(
        [*command, "-std=c99", "-O1", *WARNINGS, "-fsyntax-only"], [str(tmp_path / "unity.c")]
    )
    assert not report, report[:4000]


def _compile(command, sources):
    done = subprocess.run([*command, *sources], capture_output=True, text=True, check=False)
    where = str(Path(sources[0]).parent.parent)
    return done.stderr.replace(where, "") if done.returncode else ""


def test_tables_lie_as_their_types_ask(models, tmp_path):
    """Those of int16 nets hold numbers of 64 bits; on 4-byte boundaries that is undefined in C."""
    need(shutil.which("gcc"), "gcc")
    wide = 0
    for target in ("portable", "cortex-m4", "x86-64"):
        for model in models:
            try:
                made = generate(model, name="m", target=target)
            except EdgeqError:
                continue
            for line in made.files["m_weights.h"].splitlines():
                found = re.fullmatch(r"extern const (\w+) \w+\[\d+\] EQ_ALIGN\((\d+)\);", line)
                if found:
                    wide += (of_64_bits := found[1] in ("int64_t", "uint64_t", "eq_requant_wide"))
                    assert int(found[2]) >= (8 if of_64_bits else 4), line
    assert wide > 10
