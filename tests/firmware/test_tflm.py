"""`--runtime tflm`: the arena against measured figures, the resolver, and a real build."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.errors import EdgeqError
from edgeq.firmware.create import create_project
from edgeq.firmware.tflm import _kinds
from edgeq.firmware.tflm_arena import KERNELS, _more_tensors, tflm_arena
from edgeq.model.graph import Graph, Op, Subgraph, Tensor
from edgeq.model.model_file import read_graph
from tests.conftest import MLPERF_TINY
from tests.firmware.boards import compile_project, need_tools, on_pty, say
from tests.oracle.fuzz import generators


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", MLPERF_TINY)
def test_arena_is_enough_and_not_much_more(name, kernels, models, shared):
    figures = json.loads((shared / "bench" / "tflm_cortex_m.json").read_text())["configs"]
    used = figures[f"cortex-m4/{kernels}"][f"{name}_int8"]["arena_bytes"]
    found = tflm_arena(models / f"{name}_int8.tflite", kernels).bytes
    assert used <= found <= max(used * 1.05, used + 512)


@pytest.mark.parametrize(
    ("generator", "head"), [("TRANSPOSE_CONV int8", 3456), ("graph of subgraphs", 352)]
)
def test_arena_has_room_for_scratch_and_for_branches(generator, head, tmp_path):
    """Beside the tensors of the main graph: the board stopped, its arena was too small."""
    path = tmp_path / "m.tflite"
    path.write_bytes(generators()[generator](np.random.default_rng((5, 8)), 9).model)
    assert [tflm_arena(path, kernels).activation_bytes for kernels in KERNELS] == [head, head]


def test_arena_has_room_for_the_structures_of_many_inputs():
    recorded = {
        "Persistent TfLiteTensor data": (640, 10),
        "Persistent TfLiteTensor quantization data": (320, 20),
    }
    assert _more_tensors(recorded) == 8 * 96


def test_the_resolver_has_exactly_the_models_ops(models, tmp_path):
    folder = tmp_path / "kws"
    create_project(
        [models / "kws_int8.tflite"],
        folder,
        target="nucleo-f446re",
        template="bare-metal",
        name="kws",
        runtime="tflm",
    )
    text = (folder / "model" / "kws.cc").read_text()
    added = [line.strip() for line in text.splitlines() if "ops->Add" in line]
    assert added == [
        "ops->AddAveragePool2D(tflite::Register_AVERAGE_POOL_2D_INT8());",
        "ops->AddConv2D(tflite::Register_CONV_2D_INT8());",
        "ops->AddDepthwiseConv2D(tflite::Register_DEPTHWISE_CONV_2D_INT8());",
        "ops->AddFullyConnected(tflite::Register_FULLY_CONNECTED_INT8());",
        "ops->AddReshape();",
        "ops->AddSoftmax(tflite::Register_SOFTMAX_INT8());",
    ]
    assert "MicroMutableOpResolver<6>" in text


# As much of TensorFlow Lite Micro's interface as the wrapper's grammar needs.
STUBS = {
    "micro_interpreter.h": """
#pragma once
#include <stddef.h>
#include <stdint.h>
#define TFLITE_SCHEMA_VERSION 3
#define TF_LITE_REMOVE_VIRTUAL_DELETE
enum TfLiteStatus { kTfLiteOk };
struct TfLiteEvalTensor { struct { uint8_t *uint8; } data; };
struct TfLiteTensor { struct { void *data; } data; };
struct TfLiteContext { TfLiteEvalTensor *(*GetEvalTensor)(const TfLiteContext *, int); };
namespace tflite {
struct TFLMRegistration {};
struct Model { unsigned version() const { return 3; } };
inline const Model *GetModel(const void *) { return nullptr; }
TFLMRegistration Register_FULLY_CONNECTED_INT8();
struct MicroProfilerInterface {
    virtual ~MicroProfilerInterface() {}
    virtual uint32_t BeginEvent(const char *) = 0;
    virtual void EndEvent(uint32_t) = 0;
};
template <unsigned N> struct MicroMutableOpResolver {
    TfLiteStatus AddFullyConnected(TFLMRegistration) { return kTfLiteOk; }
};
struct MicroInterpreter {
    template <class T>
    MicroInterpreter(const Model *, const T &, uint8_t *, size_t, void *, MicroProfilerInterface *);
    const TfLiteContext &context() const;
    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    TfLiteTensor *input(size_t);
    TfLiteTensor *output(size_t);
};
}
""",
    "micro_log.h": "inline void MicroPrintf(const char *, ...) {}",
}
for header in (
    "compatibility.h", "micro_mutable_op_resolver.h", "micro_profiler_interface.h",
    "kernels/fully_connected.h",
):  # fmt: skip
    STUBS[header] = '#include "tensorflow/lite/micro/micro_interpreter.h"'


@pytest.mark.parametrize("golden", [True, False])
def test_the_known_input_can_be_left_out(golden, models, tmp_path, cli):
    need_tools("g++")
    folder = tmp_path / "fw"
    words = ["--runtime", "tflm", "-n", "ad", "-o", folder, *["--no-golden"] * (not golden)]
    done = cli("compile", models / "ad01_int8.tflite", *words)
    assert done.code == 0, done.err
    texts = "".join(path.read_text() for path in (folder / "model").iterdir())
    assert ("ad_selftest" in texts) is ("input_0" in texts) is golden
    assert (
        f"return {int(golden)}U"
        in (folder / "src" / "eq_models.c")
        .read_text()
        .split("eq_model_has_selftest")[1]
        .split("}")[0]
    )
    micro = tmp_path / "tensorflow" / "lite" / "micro"
    (micro / "kernels").mkdir(parents=True)
    (tmp_path / "tensorflow" / "lite" / "schema").mkdir()
    (tmp_path / "tensorflow" / "lite" / "schema" / "schema_generated.h").touch()
    for name, text in STUBS.items():
        (micro / name).write_text(text + "\n")
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Wno-non-virtual-dtor", "-Werror"]
    subprocess.run(
        [*command, f"-I{tmp_path}", f"-I{folder / 'src'}", "-fsyntax-only", folder / "model/ad.cc"],
        check=True,
    )


@pytest.fixture
def tflm_root():
    root = os.environ.get("TFLM_ROOT", "")
    if not Path(root or "none").is_dir():
        # Not a tool that CI could install: the tree is the user's, and no part of this project.
        pytest.skip("TFLM_ROOT is not set to a tree of tensorflow/tflite-micro with its downloads")
    need_tools("arm-none-eabi-g++")
    return root


def build_with_tflm(root, name, models, folder):
    create_project(
        [models / f"{name}_int8.tflite"],
        folder,
        target="qemu-mps2-an386",
        template="bare-metal",
        name=name,
        runtime="tflm",
        tflm_kernels="reference",
    )
    compile_project(folder, f"-DTFLM_ROOT={root}", "-DCMAKE_C_FLAGS=")
    return folder / "build" / f"{name}.elf"


@pytest.mark.slow
@pytest.mark.parametrize("name", MLPERF_TINY)
def test_it_builds_with_a_tflm_tree_and_passes_in_qemu(name, models, tmp_path, tflm_root):
    elf = build_with_tflm(tflm_root, name, models, tmp_path / "fw")
    said = say(elf, "qemu-mps2-an386", "cycles|FAIL|small")
    assert f"edgeq {name}: self-test PASS" in said


@pytest.mark.slow
def test_ops_are_timed_and_a_wrong_one_is_named(models, tmp_path, tflm_root, cli):
    model, folder = models / "kws_int8.tflite", tmp_path / "fw"
    elf = build_with_tflm(tflm_root, "kws", models, folder)
    with on_pty(elf, "qemu-mps2-an386") as port:
        done = cli("profile", model, "--on", f"serial:{port}", "--json")
    assert done.code == 0, done.err
    ops = [op.name for op in read_graph(model).main.ops]
    assert [op["op"] for op in done.json["ops"]] == ops
    assert all(op["cycles"] > 0 for op in done.json["ops"] if op["op"] == "CONV_2D")
    source = folder / "model" / "kws.cc"
    text, count = re.subn(r"(\{ 3, \d+, \d+, 0x)\w{8}", r"\g<1>00000000", source.read_text())
    assert count == 1
    source.write_text(text)
    compile_project(folder)
    assert "FAIL at op 3" in say(elf, "qemu-mps2-an386", "PASS|FAIL at op \\d+")


@pytest.mark.parametrize(("root", "said"), [("", "is not set"), ("/tmp", "is not TensorFlow")])
def test_a_missing_or_wrong_tree_is_named(root, said, models, tmp_path, monkeypatch):
    import subprocess

    need_tools("arm-none-eabi-g++")
    monkeypatch.setenv("TFLM_ROOT", root)
    create_project(
        [models / "sww_int8.tflite"],
        tmp_path / "fw",
        target="qemu-mps2-an386",
        template="bare-metal",
        runtime="tflm",
    )
    done = subprocess.run(
        ["cmake", "-B", "build"], cwd=tmp_path / "fw", capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert said in done.stderr.replace("\n", " ")


def test_the_smallest_arena_of_a_small_model(tmp_path):
    """A few bytes too few, and the package writes beyond them: the process died without a word."""
    pytest.importorskip("tensorflow")
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    data = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    edgeq.convert(keras.Sequential(layers), data=data, output=tmp_path / "m.tflite")
    code = (
        "import sys; from pathlib import Path; from edgeq.firmware.tflm_arena import "
        "smallest_arena; print(smallest_arena(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, tmp_path / "m.tflite"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 500 < int(done.stdout) < 5000


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "--target", "nucleo-f446re", "--ram", "100"),
        ("targets", "--fits", "--cycles", "10"),
        ("compile", "--project", "bare-metal", "--target", "nucleo-f446re", "--cycles", "10"),
    ],
)
def test_budgets_that_nobody_would_look_at_are_refused(words, models, tmp_path, cli):
    model = models / "kws_int8.tflite"
    command, *options = words
    options = ["--fits", model, *options[1:]] if command == "targets" else [model, *options]
    more = ["-o", tmp_path / "p"] if command == "compile" else []
    done = cli(command, *options, *more, "--runtime", "tflm")
    assert done.code == 2, done.err
    assert not list(tmp_path.iterdir())


def test_inspect_knows_no_levels(models, cli):
    done = cli("inspect", models / "kws_int8.tflite", "--target", "x86-64", "--isa", "portable")
    assert (done.code, "usual form" in done.err) == (2, True)


def _made(name, folder, seed=3):
    """A file of an op's generator, and what `compile --runtime tflm` makes of it."""
    model = folder / "m.tflite"
    model.write_bytes(generators()[name](np.random.default_rng(seed), 5).model)
    fw = folder / "fw"
    create_project([model], fw, target="nucleo-f446re", template="bare-metal", runtime="tflm")
    text = (fw / "model" / "m.cc").read_text()
    return re.findall(r"ops->Add(\w+)\(", text), (fw / "tflm.cmake").read_text()


def test_ops_of_all_subgraphs_are_there(tmp_path):
    """TFLM prepares each of them: a loop's ops were missing, and the board stopped at start-up."""
    while_loop = Op(0, "WHILE", (0,), (1,), {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    tensors = (Tensor(0, "x", (1,), "int32"), Tensor(1, "y", (1,), "int32"))
    graphs = [
        Subgraph(number, "", tensors, ops, (0,), (1,))
        for number, ops in enumerate(
            [(while_loop,), (Op(0, "LESS", (0, 0), (1,), subgraph=1),),
             (Op(0, "BATCH_MATMUL", (0, 0), (1,), subgraph=2),)]
        )
    ]  # fmt: skip
    assert _kinds(Graph("m.tflite", "", 0, tuple(graphs))) == ["BATCH_MATMUL", "LESS", "WHILE"]


def test_names_of_the_resolvers_functions(tmp_path):
    assert _made("BATCH_MATMUL", tmp_path)[0] == ["BatchMatMul"]
    folder = tmp_path / "boxes"
    folder.mkdir()
    added, cmake = _made("TFLite_Detection_PostProcess regular", folder)
    assert added == ["DetectionPostprocess"]
    assert "decode_state detection_postprocess)" in cmake


@pytest.mark.parametrize("name", ["SignalRfft int16", "CIRCULAR_BUFFER", "graph of subgraphs"])
def test_what_the_wrapper_has_not_is_refused(name, tmp_path):
    """`AddCustom()` is no function of TFLM's, and variables had no memory."""
    with pytest.raises(EdgeqError, match="--runtime tflm wraps no"):
        _made(name, tmp_path)
    assert not (tmp_path / "fw").exists()
