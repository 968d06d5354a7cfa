"""Stateful models: a thousand calls in a row give the oracle's bytes, and so after a reset.

The models are the four of the PyPI package `pymicro-wakeword`, read where it is installed.
"""

import importlib.util
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from tests.tools import need

WORDS = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
CALLS = 1000


@pytest.fixture(params=WORDS)
def wakeword(request):
    """One of the package's models."""
    found = importlib.util.find_spec("pymicro_wakeword")
    need(found, "the package pymicro-wakeword")
    return Path(found.origin).parent / "models" / f"{request.param}.tflite"


def with_logits(model, path):
    """The model with the input of its LOGISTIC as its output, where random sound shows more."""
    graph = schema.ModelT.InitFromPackedBuf(model.read_bytes(), 0)
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in graph.operatorCodes]
    (op,) = [
        op
        for op in graph.subgraphs[0].operators
        if codes[op.opcodeIndex] == schema.BuiltinOperator.LOGISTIC
    ]
    graph.subgraphs[0].outputs = [int(op.inputs[0])]
    builder = flatbuffers.Builder(1024)
    builder.Finish(graph.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_state_lives_over_a_thousand_calls_and_ends_with_a_reset(wakeword, tmp_path):
    need(importlib.util.find_spec("tflite_micro"), "the package tflite-micro")
    # Loudness that comes and goes, so that the logits move through their range.
    rng = np.random.default_rng(0)
    loudness = 100 * np.sin(np.arange(CALLS) / 15)[:, None, None, None]
    sound = rng.normal(loudness - 40, 30, (CALLS, 1, 3, 40))
    inputs = [np.clip(sound, -128, 127).astype(np.int8)]
    model = with_logits(wakeword, tmp_path / "logits.tflite")
    with (
        open_device("c").open(model, CompileOptions()) as ours,
        open_device("tflm").open(model, CompileOptions()) as theirs,
    ):
        (first,) = theirs.run(inputs)
        assert len(np.unique(first)) > 10
        np.testing.assert_array_equal(ours.run(inputs)[0], first)
        ours.reset()
        theirs.reset()
        again = [inputs[0][::-1][:50]]
        np.testing.assert_array_equal(ours.run(again)[0], theirs.run(again)[0])
        ours.reset()
        np.testing.assert_array_equal(ours.run(inputs)[0], first)
