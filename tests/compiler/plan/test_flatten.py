"""Variables and control flow: the generated C does what TensorFlow Lite Micro does."""

import numpy as np
from flatbuffers import flexbuffers

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import Case, assert_same, check, random_case


def i8(*shape, scale=0.5, zero_point=3, **fields):
    return TensorSpec(shape, "int8", scale, zero_point, **fields)


RESOURCE = TensorSpec((1,), "resource")
BOOL = TensorSpec((1,), "bool")


def counter(*, once=None, zero_point=3):
    """y = state + x; state = y, the state set by CALL_ONCE to `once` if given."""
    tensors = [i8(4, zero_point=zero_point) for _ in range(3)] + [RESOURCE]
    handle = OpSpec("VAR_HANDLE", [], [3], {"shared_name": "v", "container": "c"})
    ops = [
        handle,
        OpSpec("READ_VARIABLE", [3], [1]),
        OpSpec("ADD", [1, 0], [2]),
        OpSpec("ASSIGN_VARIABLE", [3, 2], []),
    ]
    main = SubgraphSpec(tensors, ops, [0], [2])
    if once is None:
        return build([main])
    main = SubgraphSpec(
        tensors, [OpSpec("CALL_ONCE", [], [], {"init_subgraph_index": 1}), *ops], [0], [2]
    )
    start = SubgraphSpec(
        [i8(4, zero_point=zero_point, data=once), RESOURCE],
        [
            OpSpec("VAR_HANDLE", [], [1], {"shared_name": "v", "container": "c"}),
            OpSpec("ASSIGN_VARIABLE", [1, 0], []),
        ],
        [],
        [],
    )
    return build([main, start])


def test_variables_live_from_call_to_call():
    assert_same([random_case("counter", counter(), calls=20)])


def test_a_variable_starts_at_the_zero_point():
    assert_same([random_case(f"zero {z}", counter(zero_point=z), calls=4) for z in (-128, 0, 127)])


def test_call_once_runs_in_the_first_call_only():
    assert_same([random_case("once", counter(once=[1, -2, 30, 4]), calls=6)])


def test_a_value_read_before_an_assignment_is_the_old_one():
    tensors = [i8(4) for _ in range(3)] + [RESOURCE]
    ops = [
        OpSpec("VAR_HANDLE", [], [3], {"shared_name": "v", "container": "c"}),
        OpSpec("READ_VARIABLE", [3], [1]),
        OpSpec("ASSIGN_VARIABLE", [3, 0], []),
        OpSpec("ADD", [1, 0], [2]),
    ]
    assert_same([random_case("old", build([SubgraphSpec(tensors, ops, [0], [2, 1])]), calls=6)])


def branches():
    """y = x + x if c else x."""
    main = SubgraphSpec(
        [BOOL, i8(4), i8(4)],
        [OpSpec("IF", [0, 1], [2], {"then_subgraph_index": 1, "else_subgraph_index": 2})],
        [0, 1],
        [2],
    )
    double = SubgraphSpec([i8(4), i8(4)], [OpSpec("ADD", [0, 0], [1])], [0], [1])
    same = SubgraphSpec([i8(4)], [], [0], [0])
    return build([main, double, same])


def test_if_takes_the_branch_of_its_condition():
    assert_same([random_case("if", branches(), calls=8)])


def loop(body_ops, body_outputs, values=2, results=()):
    """While r (int32) < 3: the body, whose value 0 is the counter.

    Args:
        results: Which of the loop's values the model gives; all if empty.
    """
    one = TensorSpec((1,), "int32")
    carried = [one, *(i8(4) for _ in range(values))]
    count = len(carried)
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    main = SubgraphSpec(
        [*carried, *carried],
        [OpSpec("WHILE", range(count), range(count, 2 * count), options)],
        range(count),
        [count + number for number in results or range(count)],
    )
    three = TensorSpec((1,), "int32", data=[3])
    condition = SubgraphSpec(
        [*carried, three, BOOL],
        [OpSpec("LESS", [0, count], [count + 1])],
        range(count),
        [count + 1],
    )
    step = TensorSpec((1,), "int32", data=[1])
    body = SubgraphSpec(
        [*carried, step, one, *(i8(4) for _ in range(values))],
        [OpSpec("ADD", [0, count], [count + 1]), *body_ops],
        range(count),
        [count + 1, *body_outputs],
    )
    return build([main, condition, body])


def loop_case(model, values=2):
    rng = np.random.default_rng(0)
    calls = [
        [np.array([start], np.int32), *(rng.integers(-128, 128, 4, np.int8) for _ in range(values))]
        for start in (0, 2, 3, -1)
    ]
    return Case("while", model, calls)


def test_while_carries_its_values_round():
    assert_same([loop_case(loop([OpSpec("ADD", [1, 2], [5])], [5, 2]))])


def test_while_may_swap_its_values():
    assert_same([loop_case(loop([], [2, 1]))])


def test_while_carries_also_what_nothing_reads_behind_it():
    """The counter, and a value that the next turn adds to another."""
    ops = [OpSpec("ADD", [1, 2], [5]), OpSpec("ADD", [1, 1], [6])]
    assert_same([loop_case(loop(ops, [6, 5], results=[2]))])


def test_a_subgraph_that_calls_itself_is_refused():
    main = SubgraphSpec(
        [BOOL, i8(4), i8(4)],
        [OpSpec("IF", [0, 1], [2], {"then_subgraph_index": 0, "else_subgraph_index": 0})],
        [0, 1],
        [2],
    )
    (result,) = check([Case("loop", build([main]), [])])
    assert "subgraph" in result.detail


def test_a_variable_that_nothing_assigns_is_refused():
    ops = [
        OpSpec("VAR_HANDLE", [], [1], {"shared_name": "v"}),
        OpSpec("READ_VARIABLE", [1], [2]),
        OpSpec("ADD", [0, 2], [3]),
    ]
    model = build([SubgraphSpec([i8(4), RESOURCE, i8(4), i8(4)], ops, [0], [3])])
    (result,) = check([random_case("unassigned", model)])
    assert result.verdict == "refused"
    assert 'variable "v" is read but never assigned' in result.detail


def two_signatures(path):
    """Write a model whose signatures "up" and "down" add to and subtract from a constant."""
    subgraphs = [
        SubgraphSpec(
            [i8(4), i8(4, data=[1, 2, 3, 4]), i8(4)], [OpSpec(name, [1, 0], [2])], [0], [2]
        )
        for name in ("ADD", "SUB")
    ]
    path.write_bytes(build(subgraphs, signatures={"up": 0, "down": 1}))
    return path


def test_each_signature_compiles(cli, tmp_path):
    model = two_signatures(tmp_path / "two.tflite")
    for key, op in (("up", "ADD"), ("down", "SUB")):
        done = cli("compile", model, "-o", tmp_path / key, "--signature", key, "--json")
        assert [entry["op"] for entry in done.json["ops"]] == [op]


def test_a_budget_of_another_signature_is_not_judged_of_the_first(cli, tmp_path):
    model = two_signatures(tmp_path / "two.tflite")
    words = ["compile", model, "--target", "cortex-m4", "--ram", "8K"]
    assert cli(*words, "-o", tmp_path / "up", "--signature", "up").code == 0
    done = cli(*words, "-o", tmp_path / "down", "--signature", "down")
    assert (done.code, "judged of subgraph 0" in done.err) == (2, True)


def test_a_signature_must_be_named_where_several_differ(cli, tmp_path):
    model = two_signatures(tmp_path / "two.tflite")
    for arguments in ([], ["--signature", "left"]):
        done = cli("compile", model, "-o", tmp_path / "out", *arguments)
        assert done.code == 2
        assert "down, up" in done.err
        assert not (tmp_path / "out").exists()


def test_figures_of_one_of_several_signatures_say_so(cli, tmp_path):
    model = two_signatures(tmp_path / "two.tflite")
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.int8))
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 4), np.int8), y=np.zeros(2, np.int64))
    np.savez(tmp_path / "real.npz", x=np.eye(4, dtype=np.float32), y=np.arange(4))
    words = [
        ["inspect", model],
        ["run", model, "-i", tmp_path / "x.npy", "-o", tmp_path / "y.npy"],
        ["verify", model, "--on", "c", "-n", "2"],
        ["profile", model, "-n", "2", "--no-ops"],
        ["evaluate", model, "--data", tmp_path / "d.npz"],
        ["evaluate", model, "--data", tmp_path / "real.npz", "--robustness"],
    ]
    for command in words:
        done = cli(*command)
        assert done.code == 0, done.err
        said = " ".join((done.out + done.err).split())
        assert "several signatures; this is of signature up, nothing of down" in said


def test_a_model_compiled_for_an_accelerator_is_named_as_such():
    tensors = [TensorSpec((8,), "uint8", data=np.zeros(8)), i8(1, 4), i8(1, 2)]
    model = build([SubgraphSpec(tensors, [OpSpec("ethos-u", [0, 1], [2])], [1], [2])])
    (result,) = check([random_case("vela", model)])
    assert result.verdict == "both refuse"
    assert "compiled for the Ethos-U" in result.detail


def test_an_input_that_is_called_a_variable_is_an_input():
    tensors = [i8(1, 3), i8(1, 3, variable=True), i8(1, 3)]
    model = build([SubgraphSpec(tensors, [OpSpec("SUB", [0, 1], [2])], [0, 1], [2])])
    assert_same([random_case("SUB", model, calls=4)])


def test_a_state_may_be_an_input():
    tensors = [
        TensorSpec((1, 2), "int8", 0.5, 3),
        TensorSpec((4, 2), "int8", 0.5, data=np.arange(8)),
        TensorSpec((4, 3), "int8", 0.5, data=np.arange(12)),
        TensorSpec((4,), "int32", 0.25, data=np.arange(4)),
        TensorSpec((1, 12), "int8", 0.5, variable=True),
        TensorSpec((1, 4), "int8", 2.0),
    ]
    op = OpSpec("SVDF", [0, 1, 2, 3, 4], [5], {"rank": 1, "fused_activation_function": 1})
    model = build([SubgraphSpec(tensors, [op], [0, 4], [5])])
    assert_same([random_case("SVDF", model, calls=4)])


def test_a_constant_may_have_no_elements():
    tensors = [i8(1), TensorSpec((0,), "int32", data=[]), i8()]
    model = build([SubgraphSpec(tensors, [OpSpec("RESHAPE", [0, 1], [2])], [0], [2])])
    assert_same([random_case("scalar", model)])


def test_an_output_may_be_a_variable_just_assigned():
    tensors = [i8(4), i8(4), i8(4), i8(4), RESOURCE]
    ops = [
        OpSpec("VAR_HANDLE", [], [4], {"shared_name": "v", "container": "c"}),
        OpSpec("READ_VARIABLE", [4], [1]),
        OpSpec("ADD", [0, 1], [2]),
        OpSpec("ASSIGN_VARIABLE", [4, 2], []),
        OpSpec("READ_VARIABLE", [4], [3]),
    ]
    model = build([SubgraphSpec(tensors, ops, [0], [3])])
    assert_same([random_case("sum so far", model, calls=6)])


def delay(length):
    """A subgraph of one op that keeps what it was given in memory of its own."""
    samples = TensorSpec((1, 4), "int16")
    options = bytes(flexbuffers.Dumps({"delay_length": length}))
    ops = [OpSpec("SignalDelay", [0], [1], custom_options=options)]
    return SubgraphSpec([samples, samples], ops, [0], [1])


def test_every_branch_has_state_of_its_own_and_two_calls_of_one_share_it():
    samples = TensorSpec((1, 4), "int16")
    tensors = [BOOL, samples, samples, samples]
    first = {"then_subgraph_index": 1, "else_subgraph_index": 2}
    second = {"then_subgraph_index": 2, "else_subgraph_index": 2}
    ops = [OpSpec("IF", [0, 1], [2], first), OpSpec("IF", [0, 2], [3], second)]
    main = SubgraphSpec(tensors, ops, [0, 1], [3, 2])
    model = build([main, delay(3), delay(5)])
    assert_same(
        random_case(f"reset {reset}, {mode}", model, 12, reset=reset, optimize=mode)
        for reset in (None, 5)
        for mode in ("balanced", "ram")
    )


def test_state_in_a_loop_is_changed_in_every_turn():
    turn, samples = TensorSpec((1,), "int32"), TensorSpec((1, 4), "int16")
    one, three = (TensorSpec((1,), "int32", data=[n]) for n in (1, 3))
    less = [OpSpec("LESS", [0, 2], [3])]
    condition = SubgraphSpec([turn, samples, three, BOOL], less, [0, 1], [3])
    options = bytes(flexbuffers.Dumps({"delay_length": 3}))
    ops = [
        OpSpec("ADD", [0, 2], [3]),
        OpSpec("SignalDelay", [1], [4], custom_options=options),
    ]
    body = SubgraphSpec([turn, samples, one, turn, samples], ops, [0, 1], [3, 4])
    loop = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    tensors = [turn, samples, turn, samples]
    main = SubgraphSpec(tensors, [OpSpec("WHILE", [0, 1], [2, 3], loop)], [0, 1], [3])
    values = np.random.default_rng(5).integers(-99, 99, (10, 1, 4)).astype(np.int16)
    calls = [[np.array([k % 4], np.int32), value] for k, value in enumerate(values)]
    model = build([main, condition, body])
    assert_same(Case(f"reset {reset}", model, calls, reset=reset) for reset in (None, 4))


def flagged(*ops):
    """Ops on the input c, the variable 3 and tensor 2, which then chooses between x + x and x."""
    branch = OpSpec("IF", [2, 1], [4], {"then_subgraph_index": 1, "else_subgraph_index": 2})
    handle = OpSpec("VAR_HANDLE", [], [3], {"shared_name": "v", "container": "c"})
    tensors = [BOOL, i8(4), BOOL, RESOURCE, i8(4)]
    main = SubgraphSpec(tensors, [handle, *ops, branch], [0, 1], [4])
    double = SubgraphSpec([i8(4), i8(4)], [OpSpec("ADD", [0, 0], [1])], [0], [1])
    return build([main, double, SubgraphSpec([i8(4)], [], [0], [0])])


def test_a_branch_goes_by_what_a_variable_held_before_it_changed():
    given = OpSpec("ASSIGN_VARIABLE", [3, 0], [])
    before = flagged(OpSpec("READ_VARIABLE", [3], [2]), given)
    made = flagged(OpSpec("LOGICAL_NOT", [0], [2]), OpSpec("ASSIGN_VARIABLE", [3, 2], []), given)
    cases = {"read before": before, "made before": made}
    assert_same([random_case(name, model, calls=8) for name, model in cases.items()])
