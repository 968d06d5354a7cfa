"""Where `int` has 16 bits the C gives the same bytes, and no warning: on an emulated ATmega2560.

Float ops are left out: avr-gcc's double has 32 bits.
"""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from edgeq.boards.cpu import PORTABLE
from edgeq.compiler.compilation import generate
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.compiler.codegen.avr import heard
from tests.oracle.check import run_c
from tests.oracle.fuzz import generators
from tests.tools import need

FEWEST_CALLED = 60


def call(case, sources, folder):
    """Outputs of the case's last call on the emulated chip; None if it does not fit there."""
    arrays, lines = [], []
    for number, (entry, value) in enumerate(
        zip(sources.manifest["inputs"], case.calls[-1], strict=True)
    ):
        content = np.ascontiguousarray(value).tobytes()
        accessor = "m_input" + (f"_{number}" if number else "")
        arrays.append(f"static const uint8_t in{number}[] = {{{', '.join(map(str, content))}}};")
        lines.append(f"    memcpy({accessor}(), in{number}, {entry['bytes']});")
    lines.append("    m_invoke();")
    for number, entry in enumerate(sources.manifest["outputs"]):
        accessor = "m_output" + (f"_{number}" if number else "")
        lines.append(f"    dump({accessor}(), {entry['bytes']});")
    return heard(sources, folder, "\n".join(arrays), "\n".join(lines))


@pytest.mark.slow
def test_integer_ops_give_the_same_bytes_where_int_has_16_bits(tmp_path):
    need(shutil.which("avr-gcc"), "avr-gcc")
    need(shutil.which("simavr"), "simavr")
    cases, found = [], []
    for number, make in enumerate(generators().values()):
        case = make(np.random.default_rng(number), 2)
        if any(tensor.dtype == "float32" for tensor in parse_graph(case.model).main.tensors):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.tflite").write_bytes(case.model)
        try:
            sources = generate(folder / "model.tflite", name="m", target=PORTABLE)
        except EdgeqError:
            continue
        outputs = call(case, sources, folder)
        if outputs is not None:
            cases.append(replace(case, calls=case.calls[-1:], target=PORTABLE))
            found.append(outputs)
    assert len(cases) > FEWEST_CALLED
    wrong = [
        case.name
        for case, outputs, (verdict, here) in zip(cases, found, run_c(cases), strict=True)
        if verdict != "ran" or outputs != list(here[0])
    ]
    assert not wrong


@pytest.mark.slow
def test_float_ops_are_nearly_right_or_refused(tmp_path):
    """The chip's double has 32 bits: what needs a longer one is refused, with its reason."""
    need(shutil.which("avr-gcc"), "avr-gcc")
    need(shutil.which("simavr"), "simavr")
    cases, found, refused = [], [], set()
    for number, (kind, make) in enumerate(generators().items()):
        case = make(np.random.default_rng(number), 2)
        # Its library reduces angles of 3e38 to others.
        if kind in ("COS float32", "SIN float32") or not any(
            tensor.dtype == "float32" for tensor in parse_graph(case.model).main.tensors
        ):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.tflite").write_bytes(case.model)
        try:
            sources = generate(folder / "model.tflite", name="m", target="arduino-mega-2560")
        except EdgeqError as error:
            refused |= {kind} if "which compilers for" in str(error) else set()
            continue
        outputs = call(case, sources, folder)
        if outputs is not None:
            cases.append(replace(case, calls=case.calls[-1:], target=PORTABLE))
            found.append(outputs)
    assert {"TFLite_Detection_PostProcess fast", "GELU"} & refused
    assert len(cases) > 20
    far = []
    for case, outputs, (verdict, here) in zip(cases, found, run_c(cases), strict=True):
        main = parse_graph(case.model).main
        kinds = [main.tensors[index].dtype for index in main.outputs]
        for kind, mine, theirs in zip(kinds, outputs, here[0], strict=True):
            a, b = (np.frombuffer(each, kind) for each in (mine, theirs))
            if verdict != "ran" or not np.allclose(a, b, 1e-4, 1e-5, equal_nan=True):
                far.append((case.name, a[:4], b[:4]))
    assert not far


@pytest.mark.parametrize(("kind", "lacked"), [("ELU", "expm1f"), ("GELU", "erfcf")])
def test_a_function_that_its_library_lacks_is_refused_by_the_compiler(kind, lacked, tmp_path):
    need(shutil.which("avr-gcc"), "avr-gcc")
    for seed in range(40):  # int8, and GELU by tanh, among them
        case = generators()[kind](np.random.default_rng(seed), 2)
        (tmp_path / "model.tflite").write_bytes(case.model)
        sources = generate(tmp_path / "model.tflite", name="m").files
        if f"eq_{kind.lower()}_f32(" in sources["m.c"]:
            break
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-c", "m.c"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"m.c needs {lacked}, for {kind} of float32" in done.stderr


def test_a_short_double_is_refused_by_the_compiler(tmp_path):
    """Where no target is named: C for every core. Where it is, nothing is generated."""
    need(shutil.which("avr-gcc"), "avr-gcc")
    kinds = (
        generators()["FLOOR_DIV, FLOOR_MOD float32"](np.random.default_rng(seed), 2)
        for seed in range(20)
    )
    model = next(kind.model for kind in kinds if "FLOOR_DIV" in names_of(kind.model))
    (tmp_path / "model.tflite").write_bytes(model)
    with pytest.raises(EdgeqError, match="FLOOR_DIV of float32 needs a double of 64 bits"):
        generate(tmp_path / "model.tflite", name="m", target="arduino-mega-2560")
    for name, text in generate(tmp_path / "model.tflite", name="m").files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-c", "m.c"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "m.c needs a double of 64 bits, for FLOOR_DIV of float32" in done.stderr


def names_of(model):
    return {op.name for op in parse_graph(model).main.ops}


def test_a_short_row_of_log_softmax_compiles(tmp_path):
    """Inlined into one function, its 64-bit products took more registers than there are."""
    need(shutil.which("avr-gcc"), "avr-gcc")
    need(shutil.which("simavr"), "simavr")
    case = generators()["LOG_SOFTMAX"](np.random.default_rng([1003, 66]), 3)
    (tmp_path / "model.tflite").write_bytes(case.model)
    sources = generate(tmp_path / "model.tflite", name="m", target=PORTABLE)
    outputs = call(case, sources, tmp_path)
    ((verdict, here),) = run_c([replace(case, calls=case.calls[-1:], target=PORTABLE)])
    assert verdict == "ran"
    assert outputs == list(here[0])
