"""From a model to a folder of C: one way down, each thing read once."""

from functools import partial

import pytest

import edgeq
from edgeq.compiler import compilation
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.firmware.golden import oracle_golden
from edgeq.model import model_file
from edgeq.model.model_file import read_graph


@pytest.fixture
def reads(monkeypatch):
    """The files that were parsed, in order."""
    seen = []
    parse = model_file.parse_graph

    def counted(data, path="model"):
        seen.append(str(path))
        return parse(data, path)

    monkeypatch.setattr(model_file, "parse_graph", counted)
    return seen


def test_a_model_is_read_once(models, tmp_path, reads):
    edgeq.compile(models / "sww_int8.tflite", tmp_path / "c", target="cortex-m4")
    assert reads == [str(models / "sww_int8.tflite")]


def test_what_was_read_is_as_good_as_the_file(models):
    """A graph handed on gives the same files as the path, self-test included."""
    pytest.importorskip("tflite_micro")
    model = models / "sww_int8.tflite"
    known = partial(oracle_golden, model)
    by_path = generate(model, target="cortex-m4", known_answers=known)
    by_graph = generate(read_graph(model), target="cortex-m4", known_answers=known)
    assert by_path.files == by_graph.files
    assert by_path.manifest == by_graph.manifest


def test_the_compiler_knows_nothing_of_devices():
    """Choosing by a budget measures, so it lies above: what compiles imports no device."""
    import subprocess
    import sys

    program = (
        "import sys, edgeq.compiler.compilation\n"
        "print([name for name in sys.modules if name.startswith('edgeq.devices')\n"
        "       or name.startswith('edgeq.analysis') or name.startswith('edgeq.workflow')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
    assert compilation.generate is generate


def test_the_manifest_says_why(models, tmp_path):
    options = CompileOptions("size")
    found = edgeq.compile(models / "sww_int8.tflite", tmp_path / "c", options=options).manifest
    assert (found["optimize"], found["why"]) == ("size", "asked for")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--project sources --arena external", "--arena is for plain sources"),
        ("--runtime tflm --arena external", "--arena is for plain sources"),
        ("--runtime tflm --optimize size", "--optimize is for generated C"),
        ("--runtime tflm --isa avx2", "--isa is for generated C"),
        ("--tflm-kernels reference", "--tflm-kernels is for --runtime tflm"),
    ],
)
def test_options_that_would_be_ignored_are_refused(cli, models, tmp_path, words, said):
    done = cli("compile", models / "ad01_int8.tflite", "-o", tmp_path / "c", *words.split())
    assert (done.code, said in done.err) == (2, True), done.err
