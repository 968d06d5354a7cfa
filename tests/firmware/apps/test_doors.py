"""What library projects ask for, and what they say when it is not there."""

import builtins
import keyword
import re
import shutil
import subprocess
import sys

import pytest

from edgeq.boards.target_schema import APP_TEMPLATES
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.firmware.create import read_project
from edgeq.firmware.names import class_title, project_name
from edgeq.support.resources import resource_dir
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.check import WARNINGS
from tests.tools import need


@pytest.fixture
def tiny(tmp_path):
    x = TensorSpec((1, 5), "int8", scale=0.5, zero_point=3)
    path = tmp_path / "tiny.tflite"
    path.write_bytes(single_op("RELU", [x], [TensorSpec((1, 5), "int8", scale=0.5, zero_point=3)]))
    return path


def compiled(cli, tiny, folder, template, *options):
    return cli("compile", tiny, "-o", folder, "--project", template, *options)


@pytest.mark.parametrize("template", APP_TEMPLATES)
def test_a_microcontroller_is_refused(cli, tiny, tmp_path, template):
    done = compiled(cli, tiny, tmp_path / "net", template, "--target", "cortex-m4")
    assert done.code == 2
    assert "for application processors" in done.err
    assert not (tmp_path / "net").exists()


def test_a_host_or_no_target(cli, tiny, tmp_path):
    done = compiled(cli, tiny, tmp_path / "net", "linux", "--target", "raspberry-pi-5")
    assert done.code == 0, done.err
    assert read_project(tmp_path / "net").target.name == "raspberry-pi-5"
    done = compiled(cli, tiny, tmp_path / "any", "linux", "--json")
    assert done.json["target"] == "portable"
    text = (tmp_path / "any" / "src" / "tiny.c").read_text()
    assert "for application processors, little-endian" in text


@pytest.mark.parametrize("template", ["web", "android"])
def test_without_a_compiler_nothing_is_written(cli, tiny, tmp_path, monkeypatch, template):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", "gcc")
    done = compiled(cli, tiny, tmp_path / "net", template)
    assert done.code == 1
    assert "ziglang package is not installed" in done.err
    assert "edgeq[firmware]" in done.err
    assert not (tmp_path / "net").exists()


def test_tflm_is_for_firmware(cli, tiny, tmp_path):
    done = compiled(cli, tiny, tmp_path / "net", "linux", "--runtime", "tflm")
    assert done.code == 2
    assert "holds generated C" in done.err


def test_two_classes_of_one_name(cli, tiny, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(tiny.read_bytes())
    names = ["--name", f"a_b={tiny}", "--name", f"aB={other}"]
    done = cli("compile", tiny, other, "-o", tmp_path / "n", "--project", "linux", *names)
    assert done.code == 2
    assert "class 'AB'" in done.err


@pytest.mark.parametrize(
    "name, title",
    [("kws", "Kws"), ("kws_int8", "KwsInt8"), ("vww96", "Vww96"), ("tensor", "ModelTensor"),
     ("_9", "Model9"), ("m_string", "MString")],
)  # fmt: skip
def test_the_name_of_a_class(name, title):
    assert class_title(name) == title


def test_classes_hide_no_type_of_their_language():
    for name in ("int8", "UInt8", "float", "unsafe_buffer_pointer", "array_like", "promise",
                 "NULL", "main_activity", "date", "type_error"):  # fmt: skip
        assert class_title(name).startswith("Model"), name
        assert len(class_title(name)) > len("Model")
    for name in dir(builtins):
        if name[0].isupper():
            assert class_title(name) == f"Model{name}"


def test_classes_hide_no_type_of_the_project_itself():
    types = (resource_dir("firmware_templates") / "web/index.d.ts").read_text()
    names = re.findall(r"^export (?:interface|type) (\w+)", types, re.MULTILINE)
    assert len(names) > 3
    assert [name for name in names if class_title(name) == name] == []


def test_wheels_shadow_no_package_of_python():
    for name in (*keyword.kwlist, "numpy", *sorted(sys.stdlib_module_names)):
        if not name.startswith("_") and name.lower() == name:
            assert project_name(name, "linux") == f"m_{name}"
            assert project_name(name, "android") == name


@pytest.mark.parametrize("name", ["std", "free", "index", "wchar_t", "numpy"])
def test_a_name_that_cpp_or_python_has_still_compiles(name, tiny, tmp_path, cli):
    need(shutil.which("g++"), "g++")
    made = cli(
        "compile", tiny, "-o", tmp_path / "x", "--project", "linux", "--name", name, "--no-golden"
    )  # fmt: skip
    assert made.code == 0, made.err
    header = tmp_path / "x" / "include" / f"m_{name}.hpp"
    assert f"namespace m_{name} {{" in header.read_text()
    assert (tmp_path / "x" / "python" / f"m_{name}" / "__init__.py").is_file()
    paths = [f"-I{tmp_path / 'x' / folder}" for folder in ("include", "src")]
    main = tmp_path / "main.cc"
    main.write_text(f"""
#include <cmath>
#include <cstring>
#include "m_{name}.hpp"
int main() {{ return m_{name}::{class_title(name)}().self_test(); }}
""")
    command = ["g++", "-std=gnu++20", "-Wall", "-Werror", "-fsyntax-only", *paths, main]
    subprocess.run(command, check=True)


def test_an_npm_package_is_no_module_of_node():
    assert project_name("fs", "web") == "m_fs"
    assert project_name("kws", "web") == "kws"


@pytest.mark.parametrize(
    ("template", "isa", "words"),
    [("web", "avx2", "built for WebAssembly"), ("android", "neon", "built for all of arm64-v8a")],
)
def test_a_level_of_one_cpu_is_refused_where_several_are_built_for(
    cli, tiny, tmp_path, template, isa, words
):
    done = compiled(cli, tiny, tmp_path / "net", template, "--isa", isa)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("template", "target", "said"),
    [
        ("web", "raspberry-pi-4", "is for WebAssembly"),
        ("web", "x86-64", "is for WebAssembly"),
        ("linux", "wasm32", "for application processors"),
        ("swift", "wasm32", "for application processors"),
    ],
)
def test_kernels_that_the_project_s_compiler_has_not_are_refused(
    cli, tiny, tmp_path, template, target, said
):
    done = compiled(cli, tiny, tmp_path / "net", template, "--target", target)
    assert done.code == 2
    assert said in done.err


def test_a_program_that_calls_no_layer_chooses_no_level(tmp_path):
    need(shutil.which("gcc"), "gcc")
    tensors = [TensorSpec((1, 8), "int8", 0.5), TensorSpec((2, 4), "int8", 0.5)]
    ops = [OpSpec("RESHAPE", [0], [1], {"new_shape": [2, 4]})]
    model = tmp_path / "shape.tflite"
    model.write_bytes(build([SubgraphSpec(tensors, ops, [0], [1])]))
    files = generate(model, name="net", options=CompileOptions(dispatch=True)).files
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    sources = sorted(tmp_path.glob("*.c"))
    command = ["gcc", "-std=c99", *WARNINGS, f"-I{tmp_path}", "-fsyntax-only", *sources]
    subprocess.run(command, check=True)
