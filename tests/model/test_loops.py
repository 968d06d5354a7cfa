"""How often loops turn, as the file tells it, against how often LiteRT turns them."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgeq.errors import EdgeqError
from edgeq.model.loops import MOST_OP_RUNS, _Counter, check_loops
from edgeq.model.model_file import parse_graph
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build

BOOL = TensorSpec((1,), "bool")
HINT = "what to do"


def number(value=None, dtype="int32"):
    return TensorSpec((1,), dtype, data=None if value is None else [value])


def loop(start, limit, step, compare="LESS", add="ADD", *, dtype="int32", swap=False, **change):
    """A model of one loop that carries a counter, its limit and a value; its output is all three.

    Args:
        change: `body`, `condition`: ops in the place of the usual ones.
    """
    tested = [1, 0] if swap else [0, 1]
    condition = SubgraphSpec(
        [number(dtype=dtype), number(dtype=dtype), number(dtype=dtype), BOOL],
        change.get("condition", [OpSpec(compare, tested, [3])]),
        [0, 1, 2],
        [3],
    )
    body = SubgraphSpec(
        [*[number(dtype=dtype)] * 3, number(step, dtype), *[number(dtype=dtype)] * 2],
        change.get("body", [OpSpec(add, [0, 3], [4]), OpSpec("ADD", [2, 3], [5])]),
        [0, 1, 2],
        change.get("gives", [4, 1, 5]),
    )
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    tensors = [number(start, dtype), number(limit, dtype), *[number(dtype=dtype)] * 4]
    main = SubgraphSpec(tensors, [OpSpec("WHILE", [0, 1, 2], [3, 4, 5], options)], [2], [3, 4, 5])
    return build([main, condition, body])


def counted(model):
    """The runs of ops that `check_loops` judges by: turns + 1 times the ops of body and test."""
    graph = parse_graph(model)
    check_loops(graph, HINT)
    return _Counter(graph, HINT).runs(graph.main, {}, ())


def final(model):
    """What LiteRT leaves in the counter."""
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).item()


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_turns_are_those_of_litert(dtype):
    rng = np.random.default_rng(5)
    accepted = refused = 0
    for _ in range(60):
        start, limit = (int(value) for value in rng.integers(-40, 40, 2))
        step = int(rng.choice([-3, -1, 0, 1, 2, 7]))
        compare = str(rng.choice(["LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]))
        add = str(rng.choice(["ADD", "SUB"])) if dtype != "int64" else "ADD"
        swap = bool(rng.integers(2))
        model = loop(start, limit, step, compare, add, dtype=dtype, swap=swap)
        try:
            runs = counted(model)
        except EdgeqError as error:
            assert "may never end" in error.what
            refused += 1
            continue
        accepted += 1
        turns = abs((final(model) - start) / step) if step else 0
        assert runs == (turns + 1) * 3, (start, limit, step, compare, add, swap)
    assert accepted >= 20
    assert refused >= 10


FOREVER = {
    "another condition": {"condition": [OpSpec("EQUAL", [2, 2], [3])]},
    "a condition on data": {"condition": [OpSpec("LESS", [2, 1], [3])]},
    "the limit moves": {
        "body": [OpSpec("ADD", [0, 3], [4]), OpSpec("ADD", [1, 3], [5])],
        "gives": [4, 5, 2],
    },
    "the step is another counter": {"body": [OpSpec("ADD", [0, 2], [4])], "gives": [4, 1, 2]},
    "the counter stops at six": {
        "body": [OpSpec("ADD", [0, 3], [4], {"fused_activation_function": 3})],
        "gives": [4, 1, 2],
    },
    "the counter is set back": {
        "body": [OpSpec("ADD", [0, 3], [4]), OpSpec("SUB", [4, 3], [4])],
        "gives": [4, 1, 2],
    },
    "the limit is written in place": {
        "body": [OpSpec("ADD", [0, 3], [4]), OpSpec("ADD", [1, 3], [1])],
        "gives": [4, 1, 2],
    },
    "the counters are swapped": {"body": [OpSpec("ADD", [2, 3], [4])], "gives": [4, 1, 0]},
}


@pytest.mark.parametrize("how", FOREVER)
def test_loops_that_may_not_end_are_refused(how):
    with pytest.raises(EdgeqError, match="may never end") as caught:
        counted(loop(0, 10, 1, **FOREVER[how]))
    assert caught.value.hint == HINT
    assert "op 0 WHILE" in caught.value.where


@pytest.mark.parametrize(
    ("start", "limit", "step", "compare", "dtype"),
    [
        (0, 2**31 - 1, 2**30, "LESS", "int32"),
        (0, 2**31 - 1, 2**24, "LESS_EQUAL", "int32"),
        (-10, -(2**31), -(2**24), "GREATER_EQUAL", "int32"),
        (0, 1e9, 1.0, "LESS", "float32"),
        (0, float("inf"), 1.0, "LESS", "float32"),
        (0, 1.0, float("nan"), "LESS", "float32"),
    ],
)
def test_counters_that_start_over_or_stand_still(start, limit, step, compare, dtype):
    with pytest.raises(EdgeqError, match="may never end"):
        counted(loop(start, limit, step, compare, dtype=dtype))


def test_very_long_loops_are_refused_with_their_number():
    assert counted(loop(0, MOST_OP_RUNS // 3 - 1, 1)) <= MOST_OP_RUNS
    with pytest.raises(EdgeqError, match=r"4,000,00\d ops"):
        counted(loop(0, MOST_OP_RUNS // 3, 1))


def test_subgraphs_that_call_each_other_twice_are_judged_soon():
    branch = {"then_subgraph_index": 0, "else_subgraph_index": 0}
    graphs = [
        SubgraphSpec(
            [BOOL, number(), number()],
            [OpSpec("IF", [0, 1], [2], dict.fromkeys(branch, level + 1)) for _ in range(2)],
            [0, 1],
            [2],
        )
        for level in range(30)
    ]
    last = SubgraphSpec([number(), number(1), number()], [OpSpec("ADD", [0, 1], [2])], [0], [2])
    with pytest.raises(EdgeqError, match="too deep"):
        counted(build([*graphs, last]))
