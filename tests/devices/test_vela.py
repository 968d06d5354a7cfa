"""`vela:`: Arm's compiler takes what the table says, and its report is passed on."""

import importlib.util
import json
import re

import pytest

from edgeq.analysis.delegation.take import take
from edgeq.boards.delegates.facts import delegate
from edgeq.compiler.build.vela import compile_for_npu
from edgeq.model.model_file import read_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need

NPU = "ethos-u55-128"


@pytest.fixture(autouse=True)
def _vela():
    need(importlib.util.find_spec("ethosu"), "ethos-u-vela")


def in_two_parts():
    """SPACE_TO_DEPTH is none of an Ethos-U's ops, and stands between two that are."""
    shapes = ((1, 4, 4, 4), (1, 4, 4, 4), (1, 2, 2, 16), (1, 2, 2, 16))
    tensors = [TensorSpec(shape, "int8", 0.05, 0, name=f"t{i}") for i, shape in enumerate(shapes)]
    ops = (("RELU", {}), ("SPACE_TO_DEPTH", {"block_size": 2}), ("RELU", {}))
    made = [OpSpec(name, [i], [i + 1], options) for i, (name, options) in enumerate(ops)]
    return build([SubgraphSpec(tensors, made, [0], [3])])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("kws", NPU), ("resnet", NPU), ("vww", NPU), ("two parts", NPU),
        ("kws", "ethos-u85-256"), ("two parts", "ethos-u85-256"),
    ],
)  # fmt: skip
def test_vela_takes_the_parts_that_the_table_says(name, config, models, tmp_path):
    file = tmp_path / "m.tflite"
    parts = name == "two parts"
    file.write_bytes(in_two_parts() if parts else (models / f"{name}_int8.tflite").read_bytes())
    said = take(read_graph(file), delegate(config))
    program = compile_for_npu(file, config, tmp_path / "out")
    assert (program.parts, list(program.left)) == (said.partitions, [op.op for op in said.refused])
    assert said.partitions == (2 if parts else 1)


def test_profile_passes_the_report_on(cli, models):
    found = cli("profile", models / "kws_int8.tflite", "--on", f"vela:{NPU}", "--json")
    assert found.code == 0, found.err
    said = found.json
    assert said["device"]["runtime"] == "vela"
    assert said["cycles_estimated"] is True
    for path in ("cycles", "memory_bytes.arena", "memory_bytes.ram_total"):
        assert said["kinds"][path] == "estimated"
    assert "measured" not in said["kinds"].values()
    assert said["provenance"]["note"].startswith("Vela ")
    # A reshape moves nothing on the NPU; every other op has its steps, and their sum is the whole.
    covered = {index for op in said["ops"] for index in op["covers"]}
    assert covered == set(range(13)) - {10}
    assert sum(op["cycles"] for op in said["ops"]) == pytest.approx(said["cycles"], rel=0.01)
    # What Vela cannot do without: the largest layer's input and output together.
    assert said["memory_bytes"]["arena"] >= 2 * 25 * 5 * 64


@pytest.mark.slow
def test_text_marks_what_is_estimated(cli, models):
    text = cli("profile", models / "ad01_int8.tflite", "--on", f"vela:{NPU}").out
    assert re.search(r"cycles \(estimated\) +[\d,]+", text)
    assert "vela 5." in text


@pytest.mark.slow
def test_a_file_may_have_brackets_in_its_name(tmp_path):
    path = tmp_path / "two[1].tflite"
    path.write_bytes(in_two_parts())
    assert compile_for_npu(path, NPU, tmp_path).parts == 2


def test_ops_of_the_cpu_are_named(cli, tmp_path):
    (tmp_path / "m.tflite").write_bytes(in_two_parts())
    found = cli("profile", tmp_path / "m.tflite", "--on", f"vela:{NPU}", "--json").json
    assert found["warnings"] == [
        "the cycles are without ops that are left to the CPU: SPACE_TO_DEPTH"
    ]


@pytest.mark.slow
def test_systems_and_memories_are_vela_s(cli, models):
    where = "vela:ethos-u55-256?system=Ethos_U55_Deep_Embedded&memory=Sram_Only"
    found = cli("profile", models / "ad01_int8.tflite", "--on", where, "--json").json
    assert found["device"]["system"] == "Ethos_U55_Deep_Embedded"
    assert found["device"]["clock_hz"] == 200_000_000
    wrong = cli("profile", models / "ad01_int8.tflite", "--on", where.replace("Deep", "Shallow"))
    assert wrong.code == 1
    assert "Ethos_U55_Shallow_Embedded" in wrong.err
    alone = cli("profile", models / "ad01_int8.tflite", "--on", "vela:ethos-u55-256?system=none")
    assert alone.code == 2
    assert "belong together" in alone.err


def test_compile_writes_the_model_and_its_report(cli, models, tmp_path):
    made = cli(
        "compile", models / "ad01_int8.tflite", "--npu", NPU, "-o", tmp_path / "npu", "--json"
    )
    assert made.code == 0, made.err
    file = tmp_path / "npu" / "ad01_int8_vela.tflite"
    assert [op.custom_name for op in read_graph(file).main.ops] == ["ethos-u"]
    report = json.loads((tmp_path / "npu" / "manifest.json").read_text())
    assert report["cycles"] == made.json["cycles"] > 0
    assert made.json["parts"] == 1
    again = cli("compile", models / "ad01_int8.tflite", "--npu", NPU, "-o", tmp_path / "npu")
    assert again.code == 1  # it exists
    what = ("compile", models / "ad01_int8.tflite", "--npu", NPU, "-t", "cortex-m4")
    assert cli(*what, "-o", tmp_path / "x").code == 2
    assert cli(*what[:2], "--npu", "none", "-o", tmp_path / "x").code == 2


def test_a_model_of_floats_is_the_cpu_s(cli, tmp_path):
    tensors = [TensorSpec((1, 4), "float32"), TensorSpec((1, 4), "float32")]
    model = build([SubgraphSpec(tensors, [OpSpec("TANH", [0], [1])], [0], [1])])
    (tmp_path / "m.tflite").write_bytes(model)
    found = cli("profile", tmp_path / "m.tflite", "--on", f"vela:{NPU}")
    assert found.code == 1
    assert "leaves all ops of this model to the CPU" in found.err


def test_it_runs_nothing(cli, models):
    found = cli("verify", models / "ad01_int8.tflite", "--on", f"vela:{NPU}", "--against", "tflm")
    assert found.code == 1
    assert "it runs none" in found.err
    assert cli("profile", models / "ad01_int8.tflite", "--on", "vela:ethos-u56").code == 2
    limited = cli("profile", models / "ad01_int8.tflite", "--on", f"vela:{NPU}", "--ram", "64K")
    assert limited.code == 3
    assert "not the program around it" in limited.err


def test_a_model_that_streams_is_refused(cli, tmp_path):
    tensors = [
        TensorSpec((1, 4), "int8", 0.05, 0, name="in"),
        TensorSpec((1, 4), "int8", 0.05, 0, name="state", variable=True),
        TensorSpec((1, 4), "int8", 0.05, 0, name="out"),
    ]
    ops = [OpSpec("ADD", [0, 1], [2]), OpSpec("ADD", [0, 2], [1])]
    (tmp_path / "s.tflite").write_bytes(build([SubgraphSpec(tensors, ops, [0], [2])]))
    for words in (
        ("profile", tmp_path / "s.tflite", "--on", "vela:ethos-u55-128"),
        ("compile", tmp_path / "s.tflite", "--npu", "ethos-u55-128", "-o", tmp_path / "npu"),
    ):
        done = cli(*words)
        assert (done.code, "write variables" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--ram 1", 3, "--ram cannot be judged on vela:ethos-u55-128"),
        ("--flash 1 --cycles 1", 3, "--flash, --cycles cannot be judged"),
        ("--golden", 2, "--npu takes no --golden"),
        ("--reentrant --arena external", 2, "--npu takes no --arena, --reentrant"),
        ("--frontend mfcc", 2, "--npu takes no --frontend"),
        ("--optimize size", 2, "--npu takes no --optimize"),
        ("--name q", 2, "--npu takes no --name"),
        ("--isa avx2", 2, "--npu takes no --isa"),
        ("--dispatch", 2, "--npu takes no --dispatch"),
        ("--signature s", 2, "--npu takes no --signature"),
        ("--project sources", 2, "--npu takes no --project"),
        ("--runtime tflm", 2, "--npu takes no --runtime"),
        ("--target cortex-m4", 2, "--npu takes no --target"),
    ],
)
def test_what_an_npu_takes_none_of_is_refused(cli, models, tmp_path, words, code, said):
    model = models / "ad01_int8.tflite"
    done = cli("compile", model, "--npu", NPU, "-o", tmp_path / "npu", *words.split())
    assert (done.code, said in done.err) == (code, True), done.err
    assert not (tmp_path / "npu").exists()


def test_an_earlier_result_is_replaced_and_a_file_of_the_users_is_not(cli, models, tmp_path):
    words = ["compile", models / "ad01_int8.tflite", "--npu", NPU, "-o", tmp_path / "npu"]
    assert cli(*words).code == 0
    assert cli(*words, "--force").code == 0
    (tmp_path / "npu" / "mine").touch()
    assert "mine is not edgeq's" in cli(*words, "--force").err


def test_a_name_with_brackets_is_a_name(tmp_path):
    file = tmp_path / "net[1].tflite"
    file.write_bytes(in_two_parts())
    (tmp_path / "out").mkdir()
    assert compile_for_npu(file, NPU, tmp_path / "out").parts == 2
