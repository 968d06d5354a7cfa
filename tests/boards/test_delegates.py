"""What the tables of delegates say of models is what LiteRT's XNNPACK and Arm's Vela take."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from edgeq.analysis.delegation.take import delegates, take
from edgeq.boards.delegates.conditions import refusals
from edgeq.boards.delegates.facts import all_delegates, delegate
from edgeq.boards.delegates.forms import FORMS
from edgeq.boards.delegates.types import TYPES
from edgeq.boards.target import all_targets, load_target
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.model_file import parse_graph, read_graph
from edgeq.model.tflite.schema import BUILTIN_OPERATORS
from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.fuzz import generators, random_cases

PUBLIC = ("kws", "resnet", "vww", "ad01", "sww")
# A row that says something else than a condition.
_SAYS = {"data", "note"}


def chain(ops, dtype="int8", shape=(1, 4, 4, 4)):
    """A model whose ops follow one another, each of one input and output of the same scale."""
    tensors = [TensorSpec(shape, dtype, 0.05, 0, name=f"t{i}") for i in range(len(ops) + 1)]
    if dtype == "float32":
        tensors = [replace(tensor, scale=None) for tensor in tensors]
    made = [OpSpec(name, [i], [i + 1]) for i, name in enumerate(ops)]
    return parse_graph(build([SubgraphSpec(tensors, made, [0], [len(ops)])]), "chain")


def litert_parts(model):
    """What LiteRT gave to XNNPACK: the tensors that each part makes for others."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    return [set(map(int, op["outputs"])) for op in details if op["op_name"] == "DELEGATE"]


@pytest.mark.parametrize("found", all_delegates(), ids=lambda found: found.name)
def test_tables_are_whole(found):
    assert found.sources
    assert found.evidence in ("measured", "documented")
    assert set(found.rows) <= set(BUILTIN_OPERATORS.values())
    conditions = {name for rows in found.rows.values() for row in rows for name in row}
    assert conditions <= {*TYPES, *FORMS, *_SAYS}
    # Nobody can be asked about a delegate that no target can have, but the NPUs of chips to come.
    assert (
        found.vela or any(found.can_be_on(target) for target in all_targets()) or "ios" in found.os
    )


def test_no_such_delegate():
    with pytest.raises(UsageError, match="nothing is known about a delegate 'tpu'") as caught:
        delegate("tpu")
    assert "edgetpu" in str(caught.value.hint)
    assert delegate("ethos-u65-512").name == "ethos-u55"


def test_xnnpack_takes_the_ops_that_the_table_says():
    """Random layers of every op and type, one op a model, the same answer of both."""
    found, seen = delegate("xnnpack"), set()
    for name, make in generators().items():
        for case in () if name.startswith("graph") else random_cases(make, 10, 29):
            graph = parse_graph(case.model, name)
            if len(graph.main.ops) != 1:
                continue
            op = graph.main.ops[0]
            try:
                took = bool(litert_parts(case.model))
            except (ValueError, RuntimeError):
                continue  # LiteRT has no kernel for it, or refuses the model
            why = refusals(found, graph.main, op)
            if op.name != "TRANSPOSE_CONV" or why:  # strides and scales of it: see its note
                assert took == (not why), (name, op, why)
            seen.add((op.name, took))
    assert len({name for name, took in seen if took}) > 45
    assert len({name for name, took in seen if not took}) > 45


@pytest.mark.parametrize("name", PUBLIC)
def test_xnnpack_takes_the_parts_that_the_table_says(name, models):
    path = models / f"{name}_int8.tflite"
    found = take(read_graph(path), delegate("xnnpack"))
    parts = litert_parts(path.read_bytes())
    assert found.partitions == len(parts)
    # What leaves a part is read by one of LiteRT's own ops, or is an output of the model.
    main = read_graph(path).main
    made = {index for position in found.taken for index in main.ops[position].outputs}
    read = {index for op in found.refused for index in main.ops[op.index].inputs}
    assert set().union(*parts) == made & (read | set(main.outputs))


def test_what_breaks_a_model_and_what_helps(models):
    """Figures of the keyword model as they are in LiteRT: 11 of 13 ops, in two parts."""
    (found,) = delegates(models / "kws_int8.tflite", names=["xnnpack"])
    assert (len(found.taken), found.ops, found.partitions) == (11, 13, 2)
    assert [(op.index, op.op) for op in found.refused] == [(9, "AVERAGE_POOL_2D"), (12, "SOFTMAX")]
    assert found.breaks == (9,)
    then = {change.text: (change.taken, change.partitions) for change in found.advice}
    assert then == {
        "all of these": (13, 1),
        "GlobalAveragePooling2D, which becomes MEAN, in place of AveragePooling2D": (12, 1),
        "leave SOFTMAX at the end to the app: edgeq convert --head logits": (12, 2),
    }


@pytest.mark.parametrize(
    ("name", "ops", "dtype", "taken", "parts", "line"),
    [
        ("edgetpu", ("RELU", "HARD_SWISH", "RELU"), "int8", 1, 1, "RELU6 in place of HARD_SWISH"),
        ("gpu", ("RELU", "ROUND", "TANH", "RELU"), "float32", 2, 1, None),
        ("coreml", ("RELU", "TANH"), "int8", 0, 0, "--scheme float16"),
        ("hexagon", ("RELU", "TANH"), "float32", 0, 0, "--scheme int8"),
        ("ethos-u55", ("RELU", "TANH"), "float32", 0, 0, "--scheme int8"),
        ("nnapi", ("RELU", "ROUND", "RELU6", "ROUND", "RELU"), "float32", 3, 3, None),
        ("hexagon", ("RELU", "TANH", "ABS") * 5, "int8", 8, 4, None),
    ],
)
def test_each_delegate_has_its_own_rule_for_parts(name, ops, dtype, taken, parts, line):
    """The Edge TPU is given the first part only, a GPU the largest, NNAPI three, Hexagon four."""
    found = take(chain(ops, dtype), delegate(name))
    assert (len(found.taken), found.partitions) == (taken, parts)
    assert line is None or any(line in change.text for change in found.advice)
    if line is not None:
        assert found.advice[0].taken == len(ops)
        assert found.advice[0].partitions == 1


def refused(name, op, shapes, dtype="int8", data=None, version=1, **options):
    """Why a delegate leaves an op of these inputs, whose output has the last shape."""
    scale = None if dtype == "float32" else 0.05
    inputs = [TensorSpec(shape, dtype, scale, 0 if scale else None) for shape in shapes[:-1]]
    if data is not None:
        inputs.append(TensorSpec(np.shape(data), "int32", data=np.array(data, np.int32)))
    made = TensorSpec(shapes[-1], dtype, scale, 0 if scale else None)
    graph = parse_graph(single_op(op, inputs, [made], options, version=version))
    return "; ".join(refusals(delegate(name), graph.main, graph.main.ops[0]))


IMAGE = (1, 8, 8, 4)
DEPTHWISE = {"stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}


@pytest.mark.parametrize(
    ("name", "op", "shapes", "how", "why"),
    [
        ("coreml", "MEAN", [IMAGE, (1, 1, 1, 4)], {"data": [1, 2], "keep_dims": True}, ""),
        ("coreml", "MEAN", [IMAGE, (1, 8, 8, 1)], {"data": [3], "keep_dims": True}, "axis 3"),
        ("coreml", "MEAN", [IMAGE, (1, 4)], {"data": [1, 2], "keep_dims": False}, "keep_dims"),
        ("coreml", "CONCATENATION", [IMAGE, IMAGE, (1, 8, 8, 8)], {"axis": 3}, ""),
        ("coreml", "CONCATENATION", [IMAGE, IMAGE, (1, 16, 8, 4)], {"axis": 1}, "axis 1"),
        ("coreml", "RESIZE_BILINEAR", [IMAGE, (1, 16, 16, 4)], {"data": [16, 16]}, ""),
        ("coreml", "RESIZE_BILINEAR", [IMAGE, (1, 16, 16, 4)], {"data": [16, 16], "version": 3},
         "version 3"),
        ("gpu", "SOFTMAX", [IMAGE, IMAGE], {"beta": 0.5}, "beta"),
        ("gpu", "STRIDED_SLICE", [(1, 5, 4), (1, 5, 4)], {"shrink_axis_mask": 0}, ""),
        ("gpu", "STRIDED_SLICE", [(1, 5, 4), (1, 4)], {"shrink_axis_mask": 2}, "shrink_axis_mask"),
        ("gpu", "MEAN", [IMAGE, (1, 4)], {"data": [1, 2]}, ""),
        ("gpu", "MEAN", [IMAGE, (2,), (1, 4)], {}, "computed, not stored"),
        ("edgetpu", "SOFTMAX", [(1, 10), (1, 10)], {"dtype": "int8"}, ""),
        ("edgetpu", "SOFTMAX", [IMAGE, IMAGE], {"dtype": "int8"}, "several rows"),
    ],
)  # fmt: skip
def test_what_an_op_is_checked_for(name, op, shapes, how, why):
    """As LiteRT's delegates and Coral's table have it."""
    found = refused(name, op, shapes, **{"dtype": "float32", **how})
    assert why in found if why else not found


@pytest.mark.parametrize(
    ("depth", "options", "taken"),
    [
        (1, {"depth_multiplier": 8, "stride_w": 2, "stride_h": 2}, True),
        (2, {"depth_multiplier": 4}, False),
        (8, {"depth_multiplier": 1, "dilation_w_factor": 2, "dilation_h_factor": 2}, True),
        (8, {"depth_multiplier": 1, "dilation_w_factor": 2, "stride_w": 2, "stride_h": 2}, False),
        (8, {"depth_multiplier": 1, "stride_w": 3, "stride_h": 3}, True),
    ],
)
def test_depthwise_layers_of_the_hexagon_delegate(depth, options, taken):
    """Multipliers of one channel, and dilation with strides of one."""
    shapes = [(1, 8, 8, depth), (1, 3, 3, 8), (8,), (1, 8, 8, 8)]
    found = refused("hexagon", "DEPTHWISE_CONV_2D", shapes, **{**DEPTHWISE, **options})
    assert (not found) is taken, found


@pytest.mark.parametrize(
    ("op", "shapes", "data", "options", "level", "why"),
    [
        ("BATCH_TO_SPACE_ND", [(4, 4, 4, 2), (1, 8, 8, 2)], [[2, 2], [[0, 0], [0, 0]]], {}, 30, ""),
        ("BATCH_TO_SPACE_ND", [(4, 4, 4, 2), (1, 8, 7, 2)], [[2, 2], [[0, 0], [0, 1]]], {}, 30,
         "input 2 is not stored zeros"),
        ("BATCH_TO_SPACE_ND", [(2, 4, 2), (1, 8, 2)], [[2], [[0, 0]]], {}, 30, "3 dimensions"),
        ("GATHER", [(4, 4), (2, 4)], [[1, 2]], {"axis": 0}, 30, ""),
        ("GATHER", [(4, 4), (4,)], [1], {"axis": 0}, 30, "a scalar"),
        ("TRANSPOSE", [(4, 2), (2, 4)], [[1, 0]], {}, 30, ""),
        ("TRANSPOSE", [(4, 2), (2,), (2, 4)], [], {}, 30, "computed, not stored"),
        ("FULLY_CONNECTED", [(1, 3, 4), (2, 4), (1, 3, 2)], [], {"keep_num_dims": True}, 30, ""),
        ("FULLY_CONNECTED", [(1, 3, 4), (2, 4), (1, 3, 2)], [], {"keep_num_dims": True}, 29,
         "keep_num_dims"),
        ("PADV2", [(4, 2), (6, 2)], [[[1, 1], [0, 0]]], {}, 28, "level 29"),
    ],
)  # fmt: skip
def test_what_nnapi_is_asked_of_an_op(op, shapes, data, options, level, why):
    """What TensorFlow Lite's NNAPI delegate checks of inputs and options, beside types."""
    inputs = [TensorSpec(shape, "float32") for shape in shapes[:-1]]
    inputs += [TensorSpec(np.shape(each), "int32", data=np.array(each, np.int32)) for each in data]
    graph = parse_graph(single_op(op, inputs, [TensorSpec(shapes[-1], "float32")], options))
    found = "; ".join(refusals(delegate("nnapi"), graph.main, graph.main.ops[0], level))
    assert why in found and bool(why) == bool(found), found


def test_nnapi_grows_with_its_api_level(models):
    (found,) = delegates(models / "kws_int8.tflite", names=["nnapi"])
    assert dict(found.levels) == {27: 0, 28: 0, 29: 13, 30: 13}  # int8 came with Android 10
    floats = take(chain(("RELU", "TANH", "ABS", "ELU"), "float32"), delegate("nnapi"))
    assert dict(floats.levels) == {27: 2, 28: 2, 29: 3, 30: 4}


def test_a_quantized_model_with_float_ends():
    """The compiler of the Edge TPU leaves what turns the ends to the CPU, and takes the rest."""
    shape = (1, 4, 4, 4)
    tensors = [
        TensorSpec(shape, "float32"), TensorSpec(shape, "int8", 0.05, 0),
        TensorSpec(shape, "int8", 0.05, 0), TensorSpec(shape, "float32"),
    ]  # fmt: skip
    names = ("QUANTIZE", "RELU", "DEQUANTIZE")
    made = [OpSpec(name, [i], [i + 1]) for i, name in enumerate(names)]
    graph = parse_graph(build([SubgraphSpec(tensors, made, [0], [3])]), "ends")
    found = take(graph, delegate("edgetpu"))
    assert (found.taken, found.partitions) == ((1,), 1)
    assert [op.index for op in found.refused] == [0, 2]
    assert "edgeq convert --io int8" in found.advice[0].text
    assert found.advice[0].taken == 3


def test_targets_have_their_delegates():
    names = {
        target: [found.name for found in all_delegates() if found.can_be_on(load_target(target))]
        for target in ("android-snapdragon-888", "android-helio-g99", "raspberry-pi-5",
                       "corstone-300", "nucleo-f446re")
    }  # fmt: skip
    assert names == {
        "android-snapdragon-888": ["gpu", "hexagon", "nnapi", "qnn", "xnnpack"],
        "android-helio-g99": ["gpu", "nnapi", "xnnpack"],
        "raspberry-pi-5": ["edgetpu", "xnnpack"],
        "corstone-300": ["ethos-u55"],
        "nucleo-f446re": [],
    }


def test_inspect_says_it(cli, models):
    file = models / "kws_int8.tflite"
    found = cli("inspect", file, "--delegate", "xnnpack", "--delegate", "coreml", "--json")
    assert found.code == 0, found.err
    said = {each["delegate"]: each for each in found.json["delegates"]}
    assert said["xnnpack"]["partitions"] == 2
    assert said["xnnpack"]["breaks"] == [9]
    assert said["coreml"]["taken"] == []
    text = cli("inspect", file, "--delegate", "xnnpack").out
    assert "XNNPACK" in text
    assert "11 of 13 ops, in 2 parts" in text
    assert "breaks it: op 9 AVERAGE_POOL_2D: no int8 activations" in text
    assert cli("inspect", file, "--delegate", "tpu").code == 2


def test_values_are_stored_where_they_are_only_unpacked():
    """Weights of float16 behind a DEQUANTIZE count as the file's own."""
    weights = np.zeros((2, 4), np.float16)
    tensors = [
        TensorSpec((1, 4), "float32"), TensorSpec((2, 4), "float16", data=weights),
        TensorSpec((2, 4), "float32"), TensorSpec((1, 2), "float32"),
    ]  # fmt: skip
    made = [OpSpec("DEQUANTIZE", [1], [2]), OpSpec("FULLY_CONNECTED", [0, 2, -1], [3])]
    graph = parse_graph(build([SubgraphSpec(tensors, made, [0], [3])]), "half")
    assert take(graph, delegate("xnnpack")).partitions == 1
    assert take(graph, delegate("coreml")).taken == (0, 1)


def test_a_model_that_is_none(cli, tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"no model")
    with pytest.raises(EdgeqError):
        delegates(tmp_path / "m.tflite", names=["gpu"])


@pytest.mark.parametrize("found", all_delegates(), ids=lambda found: found.name)
def test_an_op_that_fits_no_row_is_refused_in_words(found):
    """Files of other people: ops without tensors, with other ranks, with options nobody knows."""
    shapes = ([], [()], [(2, 3), ()], [(1, 4), (2,)], [(1, 4, 4, 2), (3, 1, 1, 2), (3,)])
    for name in found.rows:
        for sources, made in itertools.product(shapes, ([], [(1, 4, 4, 3)])):
            inputs = [TensorSpec(shape, "int8", 0.5) for shape in sources]
            outputs = [TensorSpec(shape, "int8", 0.5) for shape in made]
            try:
                model = single_op(name, inputs, outputs, {"fused_activation_function": 9})
                graph = parse_graph(model)
            except (EdgeqError, ValueError, AttributeError, TypeError):
                continue  # the op has no such option, or the file is refused when it is read
            assert isinstance(refusals(found, graph.main, graph.main.ops[0]), tuple)


def test_a_file_with_an_unknown_activation_is_shown(cli, tmp_path):
    tensors = [TensorSpec((1, 2), "int8", 0.5) for _ in range(3)]
    model = single_op("ADD", tensors[:2], tensors[2:], {"fused_activation_function": 9})
    (tmp_path / "net.tflite").write_bytes(model)
    done = cli("inspect", tmp_path / "net.tflite", "-t", "raspberry-pi-4")
    assert done.code == 0
    assert "fused activation 9" in done.out


def test_layers_of_four_bits_break_a_model():
    """XNNPACK has four-bit weights of dense layers alone; LiteRT runs the convolution itself."""
    shape, weights = (1, 4, 4, 2), np.ones((2, 1, 1, 2), np.int8)
    tensors = [
        TensorSpec(shape, "int8", 0.05, 0), TensorSpec(shape, "int8", 0.05, 0),
        TensorSpec((2, 1, 1, 2), "int4", 0.1, 0, data=weights),
        TensorSpec((2,), "int32", 0.005, 0, data=np.zeros(2, np.int32)),
        TensorSpec(shape, "int8", 0.05, 0), TensorSpec(shape, "int8", 0.05, 0),
    ]  # fmt: skip
    ops = [
        OpSpec("LOGISTIC", [0], [1]),
        OpSpec("CONV_2D", [1, 2, 3], [4], {"stride_w": 1, "stride_h": 1, "padding": 1}),
        OpSpec("TANH", [4], [5]),
    ]
    model = build([SubgraphSpec(tensors, ops, [0], [5])])
    found = take(parse_graph(model, "four bits"), delegate("xnnpack"))
    assert (found.taken, found.partitions, found.breaks) == ((0, 2), 2, (1,))
    assert len(litert_parts(model)) == 2
    assert [(each.text, each.taken, each.partitions) for each in found.advice] == [
        ("8-bit weights: edgeq convert --scheme int8", 3, 1)
    ]


def test_uint8_ends_are_not_advised_to_be_uint8():
    tensors = [
        TensorSpec((1, 4), "uint8", 0.05, 128, name="in"),
        TensorSpec((1, 4), "int8", 0.05, 0, name="a"),
        TensorSpec((1, 4), "int8", 0.05, 0, name="b"),
        TensorSpec((1, 4), "uint8", 0.05, 128, name="out"),
    ]
    ops = [OpSpec("QUANTIZE", [0], [1]), OpSpec("ABS", [1], [2]), OpSpec("QUANTIZE", [2], [3])]
    graph = parse_graph(build([SubgraphSpec(tensors, ops, [0], [3])]))
    advised = [each.text for each in take(graph, delegate("xnnpack")).advice]
    assert not any("--io uint8" in text for text in advised)


def test_a_model_that_writes_variables_is_nobodys():
    """LiteRT gives XNNPACK nothing of a model that streams; Vela's result would lose its state."""
    tensors = [
        TensorSpec((1, 4), "int8", 0.05, 0, name="in"),
        TensorSpec((1, 4), "int8", 0.05, 0, name="state", variable=True),
        TensorSpec((1, 4), "int8", 0.05, 0, name="out"),
    ]
    ops = [OpSpec("ADD", [0, 1], [2]), OpSpec("ADD", [0, 2], [1])]
    data = build([SubgraphSpec(tensors, ops, [0], [2])])
    for found in all_delegates():
        taken = take(parse_graph(data), found)
        assert (taken.taken, taken.partitions) == ((), 0)
        assert "write variables" in taken.refused[0].reason
