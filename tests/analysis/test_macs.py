"""Multiply-accumulates of models with loops, counted by hand from the layers."""

import json

import numpy as np
import pytest

import edgeq
from edgeq.analysis.macs import model_macs, unknown_loops
from edgeq.boards.target import load_target
from edgeq.compiler.compilation import isa_of
from edgeq.compiler.plan.program import lower_graph
from edgeq.model.model_file import parse_graph, read_graph
from tests.model.test_loops import final, loop
from tests.oracle.build import OpSpec

STEPS, INPUTS, UNITS, CLASSES = 49, 5, 3, 2


@pytest.fixture(scope="module")
def gru(tmp_path_factory):
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.layers.GRU(UNITS), keras.layers.Dense(CLASSES)]
    model = keras.Sequential([keras.Input((STEPS, INPUTS)), *layers])
    data = np.random.default_rng(1).normal(0, 1, (8, STEPS, INPUTS)).astype(np.float32)
    path = tmp_path_factory.mktemp("gru") / "gru.tflite"
    edgeq.convert(model, data=data, output=path)
    return path


@pytest.mark.slow
def test_every_command_counts_all_steps_of_a_gru(gru, cli, tmp_path):
    by_hand = STEPS * (INPUTS + UNITS) * 3 * UNITS + UNITS * CLASSES
    inspected = edgeq.inspect(gru)
    assert (inspected.macs, inspected.unknown_loops) == (by_hand, 0)
    compiled = cli("compile", gru, "-o", tmp_path / "c", "--json")
    assert json.loads(compiled.out)["macs"] == by_hand
    assert sum(op["macs"] for op in compiled.json["ops"]) == by_hand
    assert f"{by_hand:,} MACs" in (tmp_path / "c" / "gru.h").read_text()
    profiled = cli("profile", gru, "--on", "c", "--json")
    assert profiled.json["model"]["macs"] == by_hand
    assert sum(op["macs"] or 0 for op in profiled.json["ops"]) == by_hand
    assert list(model_macs(read_graph(gru)).values())[-1] == UNITS * CLASSES


def runs(model):
    program = lower_graph(parse_graph(model), isa_of(load_target("portable")))
    names = [step.op.name for step in program.steps]
    return dict(zip(names, program.runs, strict=True)), program


def test_steps_run_as_often_as_litert_turns():
    model = loop(0, 20, 3)
    assert final(model) == 21
    found, program = runs(model)
    assert found["ADD"] == 7
    assert found["LESS"] == 8
    assert program.unknown_loops == 0


def test_loops_of_unknown_length_count_once_and_are_told(tmp_path, cli):
    until_input = loop(0, 20, 3, condition=[OpSpec("LESS", [0, 2], [3])])
    found, program = runs(until_input)
    assert found["ADD"] == 1
    assert program.unknown_loops == unknown_loops(parse_graph(until_input)) == 1
    path = tmp_path / "loop.tflite"
    path.write_bytes(until_input)
    told = "loops whose turns the file does not tell counted once"
    assert told in cli("inspect", path).out
    compiled = cli("compile", path, "-o", tmp_path / "c")
    assert told in compiled.out + compiled.err
    assert "loops of unknown length counted once" in (tmp_path / "c" / "loop.h").read_text()
    assert cli("inspect", path, "--json").json["unknown_loops"] == 1
