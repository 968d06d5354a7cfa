"""What one function reads and writes in the same memory is of one type, or of bytes.

A cast of int64 to int32 in place gave 15 for 9 in WebAssembly: the compiler stored one element
before it loaded another, as it may where types differ.
"""

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.compilation import isa_of
from edgeq.compiler.plan.arena import plan_arena
from edgeq.compiler.plan.program import lower_graph
from edgeq.errors import EdgeqError
from edgeq.frontend.build import graph_of
from edgeq.frontend.description import read_description
from edgeq.model.model_file import parse_graph
from tests.oracle.fuzz import generators

BYTES = {"int8", "uint8", "bool", "int4"}
SOUND = {"sample_rate": 8000, "frame_length": 200, "frame_step": 100}
MEL = {**SOUND, "num_mel_bins": 40, "lower_edge_hertz": 20.0, "upper_edge_hertz": 4000.0}
FRONT_ENDS = [
    ({"kind": "micro"}, "int16"),
    *(({**MEL, "kind": "log-mel"}, precision) for precision in ("int16", "float32")),
    *(({**MEL, "kind": "mfcc"}, precision) for precision in ("int16", "float32")),
    *(({**SOUND, "kind": "spectrogram"}, precision) for precision in ("int16", "float32")),
]


def mixed(program):
    """Inputs and outputs of one op that share memory though their types differ."""
    offsets = plan_arena(program).offsets
    for step in program.steps:
        if step.call is None:
            continue
        for source in step.op.inputs:
            for output in step.op.outputs:
                a, b = (program.root.get(index, index) for index in (source, output))
                if a == b or a not in offsets or b not in offsets:
                    continue
                apart = (
                    offsets[a] + program.tensor(a).bytes <= offsets[b]
                    or offsets[b] + program.tensor(b).bytes <= offsets[a]
                )
                types = {program.tensor(index).dtype for index in (source, output)}
                if not apart and len(types) > 1 and not types & BYTES:
                    yield step.op.name, types


@pytest.mark.parametrize("target", ["portable", "cortex-m4", "cortex-m55", "rv32imc"])
def test_no_op_writes_over_an_input_of_another_type(target):
    isa, planned = isa_of(load_target(target)), 0
    for number, make in enumerate(generators().values()):
        case = make(np.random.default_rng(number), 3)
        try:
            program = lower_graph(parse_graph(case.model), isa)
        except EdgeqError:
            continue
        planned += 1
        assert not list(mixed(program)), case.name
    assert planned > 80


@pytest.mark.parametrize(("description", "precision"), FRONT_ENDS)
def test_no_front_end_does(description, precision):
    graph = graph_of(read_description(description), precision)
    assert not list(mixed(lower_graph(graph, isa_of(load_target("portable")))))
