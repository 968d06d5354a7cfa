"""ONNX files of strangers: whatever stands in them, the error names it, soon and in little room."""

import itertools

import numpy as np
import pytest

from edgeq.conversion.sources.onnx import inlining
from edgeq.conversion.sources.onnx.folding import _FOLDED
from edgeq.conversion.sources.onnx.ops import OPS
from edgeq.errors import EdgeqError
from tests.conversion.onnx_cases import ints, model, op, weights
from tests.foreign.words import pythons_words
from tests.tools import need

try:
    import onnx
    from onnx import helper
    from onnx.reference import ReferenceEvaluator
except ImportError:
    onnx = None


@pytest.fixture(autouse=True)
def _onnx():
    need(onnx is not None, "the package onnx: pip install 'edgeq[onnx]'")


def parsed(proto):
    from edgeq.conversion.sources.onnx.contents import parse_onnx

    return parse_onnx(proto.SerializeToString(), "net.onnx")


def built(proto):
    from edgeq.conversion.sources.onnx.model import keras_model

    return keras_model(parsed(proto)).model


def refusal(proto, read=parsed):
    with pytest.raises(EdgeqError) as caught:
        read(proto)
    assert not pythons_words(str(caught.value))
    return str(caught.value)


def schemas():
    """Each op that is read here and is of ONNX itself."""
    for name in sorted({*OPS, *_FOLDED}):
        try:
            yield onnx.defs.get_schema(name, 18)
        except onnx.defs.SchemaError:
            continue


def one_node(schema, inputs, outputs=None, **attributes):
    outputs = ["y"] + [f"y{i}" for i in range(1, schema.min_output)] if outputs is None else outputs
    node = helper.make_node(schema.name, inputs, outputs, name="node", **attributes)
    return model([node], {"x": (1, 4)}, {}, outputs or ["y"])


def filled(schema):
    """The attributes that must be there, each of its type."""
    kinds = onnx.defs.OpSchema.AttrType
    values = {kinds.INT: 1, kinds.FLOAT: 1.0, kinds.STRING: "a", kinds.INTS: [1]}
    return {
        name: values[attribute.type]
        for name, attribute in schema.attributes.items()
        if attribute.required
    }


def test_every_op_has_the_inputs_and_outputs_that_onnx_gives_it():
    checked = 0
    for schema in schemas():
        attributes = filled(schema)
        good = ["x"] * max(schema.min_input, 1)
        few, many = one_node(schema, [], **attributes), ["x"] * (schema.max_input % 1000 + 1)
        if schema.min_input:
            assert f"{schema.name} 'node' has 0 inputs" in refusal(few)
            left_out = one_node(schema, ["", *good[1:]], **attributes)
            assert "leaves its input" in refusal(left_out), schema.name
        if schema.max_input < 1000:
            assert "inputs; it takes" in refusal(one_node(schema, many, **attributes))
        if schema.max_output < 1000:
            outputs = [f"y{i}" for i in range(schema.max_output + 1)]
            assert "outputs; it gives" in refusal(one_node(schema, good, outputs, **attributes))
        checked += 1
    assert checked > 80


def test_every_attribute_is_of_its_type():
    checked = 0
    for schema in schemas():
        good = ["x"] * max(schema.min_input, 1)
        attributes = filled(schema)
        for name, attribute in schema.attributes.items():
            text = attribute.type == onnx.defs.OpSchema.AttrType.STRING
            wrong = {**attributes, name: 3 if text else "three"}
            assert f"an attribute {name} that is no" in refusal(one_node(schema, good, **wrong))
            checked += 1
        for name in attributes:
            rest = {key: value for key, value in attributes.items() if key != name}
            assert "has no attribute" in refusal(one_node(schema, good, **rest))
        twice = one_node(schema, good, **attributes)
        for _ in range(2):
            twice.graph.node[0].attribute.append(helper.make_attribute("a", 1))
        assert "twice" in refusal(twice)
    assert checked > 100


def test_words_that_are_not_known_are_refused():
    conv = op("Conv", more=[weights(6, 4, 3, 3)], auto_pad="SAME")
    assert "has the auto_pad 'SAME'" in refusal(conv)
    assert "has the approximate 'erf'" in refusal(op("Gelu", opset=20, approximate="erf"))


def test_a_value_is_made_once():
    relu = [helper.make_node("Relu", ["x"], ["y"], name=name) for name in "ab"]
    assert "makes 'y', which is there already" in refusal(model(relu, {"x": (1, 4)}, {}))
    over = model(relu[:1], {"x": (1, 4)}, {"y": weights(1, 4)})
    assert "which is there already" in refusal(over)
    nameless = model([helper.make_node("Relu", ["x"], [""])], {"x": (1, 4)}, {}, [""])
    assert "Nothing makes the output" in refusal(nameless)


def test_padding_that_does_not_fit_is_refused():
    conv = helper.make_node("Conv", ["p", "w"], ["y"], name="conv")
    for pads in (ints(0, 0, 1, 0, 0), np.float32([0, 0, np.nan, 0, 0, 0, 0, 0]), ints()):
        pad = helper.make_node("Pad", ["x", "pads"], ["p"], name="pad")
        constants = {"w": weights(6, 4, 3, 3), "pads": pads}
        refusal(model([pad, conv], {"x": (1, 4, 6, 5)}, constants), built)


def chain(count):
    names = ["x", *(f"t{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in itertools.pairwise(names)]
    return model(nodes, {"x": (1, 4)}, {})


def test_a_thousand_layers_in_a_row_are_built_and_twenty_thousand_are_not():
    assert len(built(chain(1500)).layers) == 1501
    assert "has 20,000 ops; 5,000 are converted at most" in refusal(chain(20_000), built)


def with_functions(bodies, call=("F0",), **attributes):
    """A model that calls functions; each body is a list of ops from a to o."""
    opsets = [helper.make_opsetid("my", 1), helper.make_opsetid("", 18)]
    names = ["x", *(f"t{i}" for i in range(1, len(call))), "y"]
    calls = [
        helper.make_node(name, [names[i]], [names[i + 1]], domain="my", **attributes)
        for i, name in enumerate(call)
    ]
    proto = model(calls, {"x": (1, 4)}, {})
    proto.opset_import.append(opsets[0])
    for i, nodes in reversed(list(enumerate(bodies))):  # the reference wants the called ones first
        proto.functions.append(
            helper.make_function("my", f"F{i}", ["a"], ["o"], nodes, opsets, list(attributes))
        )
    return proto


def calling(name, times=1):
    names = ["a", *(f"t{i}" for i in range(1, times)), "o"]
    return [helper.make_node(name, [names[i]], [names[i + 1]], domain="my") for i in range(times)]


RELU = ("Relu", ["a"], ["o"])


def test_functions_are_counted_before_they_are_put_in_line(monkeypatch):
    relu = [helper.make_node(*RELU)]
    proto = with_functions([calling("F1", 3), calling("F2", 2), relu], ("F0", "F2"))
    x = np.float32([[-1, 2, -3, 4]])
    expected = ReferenceEvaluator(proto).run(None, {"x": x})[0]
    np.testing.assert_array_equal(np.asarray(built(proto)([x])["y"]), expected)
    counter = inlining._Counter(proto.functions, 7, "net.onnx")
    assert counter._of(proto.graph.node).nodes == len(parsed(proto).nodes) == 7
    doubling = [calling(f"F{i + 1}", 2) for i in range(40)]
    assert "1,099,511,627,776 ops" in refusal(with_functions([*doubling, relu]))
    empty = with_functions([*doubling, relu])
    del empty.functions[0].node[:]  # F40: what it gives is what it takes
    empty.functions[0].output[0] = empty.functions[0].input[0]
    assert "2,199,023,255,551 calls" in refusal(empty)
    assert "'F0' calls itself" in refusal(with_functions([calling("F1"), calling("F0")]))
    deep = [calling(f"F{i + 1}") for i in range(20_000)]
    for call in (("F0",), tuple(f"F{i}" for i in range(20_000, 0, -1))):
        assert "more than 100 deep" in refusal(with_functions([*deep, relu], call))


def test_functions_do_not_multiply_what_they_are_called_with():
    body = [helper.make_node("Constant", [], [f"c{i}"]) for i in range(2000)]
    for node in body:
        node.attribute.append(onnx.AttributeProto(name="value", ref_attr_name="v", type=4))
    add = helper.make_node("Add", ["a", "c0"], ["o"])
    large = onnx.numpy_helper.from_array(weights(1, 50_000))
    proto = with_functions([[*body, add]], v=large)
    assert "when put in line" in refusal(proto)
    long = with_functions([[helper.make_node("Sum", ["a"] * 5000, ["o"])]])
    long.graph.input[0].name = long.graph.node[0].input[0] = "x" * 100_000
    assert "when put in line" in refusal(long)


def test_known_values_have_one_room_together():
    """Each of these makes 64 million numbers, or reads them."""
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"], name="c")]
    nodes += [helper.make_node("ReduceMax", ["c"], [f"r{i}"], keepdims=0) for i in range(9)]
    nodes += [helper.make_node("Sum", ["x", *(f"r{i}" for i in range(9))], ["y"])]
    proto = model(nodes, {"x": (1, 4)}, {"s": ints(1 << 26)})
    assert "numbers for all such ops" in refusal(proto, built)


def test_numbers_that_no_device_has_are_refused():
    proto = op("Mul", x=(1, 4), more=[np.ones(4, np.complex64)])
    assert "holds no numbers" in refusal(proto)


def test_a_weight_of_very_many_axes_is_refused():
    proto = op("Add", x=(1, 4), more=[weights(4)])
    proto.graph.initializer[0].dims[:] = [1 << 62] * 200_000
    assert "has the shape" in refusal(proto)
    wide = op("Reshape", x=(1, 4), more=[np.full(200_000, 1 << 62, np.int64)])
    assert "a result of 200,000 axes" in refusal(wide, built)


def test_versions_of_the_ops_are_known():
    proto = op("Relu")
    proto.opset_import[0].version = 1 << 62
    assert f"is of opset {1 << 62}" in refusal(proto)
    del proto.opset_import[:]
    assert "does not say its opset" in refusal(proto)


def test_slices_name_the_axis_that_is_not_there():
    for axis, step in ((9, 1), (-5, 1), (1, 0)):
        cut = op("Slice", more=[ints(0), ints(2), ints(axis), ints(step)])
        assert f"a step of {step} on axis {axis} of 4" in refusal(cut, built)


def test_two_weights_of_one_name_are_refused():
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": (1, 4)}, {"w": weights(1, 4)})
    parsed(proto)
    proto.graph.initializer.append(proto.graph.initializer[0])
    assert "two weights of the name 'w'" in refusal(proto)


@pytest.mark.parametrize("kind", ["AveragePool", "MaxPool"])
def test_windows_of_padding_alone_are_refused(kind):
    """As onnxruntime does; a convolution may have them."""
    for pads in ([5, 5, 5, 5], [0, 0, 0, 3], [3, 0, 0, 0]):
        pool = op(kind, kernel_shape=[3, 3], pads=pads)
        assert f"padding of {max(pads)} around a window of 3" in refusal(pool, built)
    padded = built(op(kind, kernel_shape=[3, 3], pads=[2, 2, 2, 2]))
    assert padded.output_shape == (1, 8, 7, 4)
    assert built(op("Conv", more=[weights(6, 4, 3, 3)], pads=[5, 5, 5, 5]))


def test_numbers_that_make_no_shape_are_named():
    scales = np.float32([1, 1, np.nan, np.inf])
    assert "scales of 1.0, 1.0, nan, inf" in refusal(
        op("Resize", more=[None, scales], mode="linear"), built
    )
    add = helper.make_node("Add", ["x", "c"], ["y"])
    for step, stop in ((0, 4), (np.nan, 4), (1, np.inf)):
        span = helper.make_node("Range", ["a", "b", "d"], ["c"], name="range")
        given = {"a": np.float32(0), "b": np.float32(stop), "d": np.float32(step)}
        said = refusal(model([span, add], {"x": (1, 4)}, given), built)
        assert f"from 0.0 to {float(stop)} in steps of {float(step)}" in said
    weight = op("Mul", x=(1, 4), more=[weights(1, 4)])
    weight.graph.initializer[0].data_type = 99
    assert "is of type 99, which ONNX does not have" in refusal(weight)


def test_weights_in_a_file_above_two_gigabytes_need_no_length(tmp_path):
    """A tensor says how long it is; the file is not read whole."""
    from edgeq.conversion.sources.onnx.contents import read_onnx

    proto = op("Mul", x=(1, 4), more=[weights(1, 4)])
    tensor = proto.graph.initializer[0]
    held = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "net.data"), ("offset", str(4096))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    with (tmp_path / "net.data").open("wb") as file:
        file.seek(4096)
        file.write(held)
        file.truncate(3 << 30)  # a hole: it takes no room
    (name,) = read_onnx(tmp_path / "net.onnx").constants
    found = read_onnx(tmp_path / "net.onnx").constants[name]
    assert found.tobytes() == held
    entry = tensor.external_data.add()
    entry.key, entry.value = "length", str(1 << 30)
    (tmp_path / "long.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(EdgeqError, match="takes 16 bytes, and is said to lie in 1,073,741,824"):
        read_onnx(tmp_path / "long.onnx")
    with (tmp_path / "net.data").open("r+b") as file:
        file.truncate(4100)
    with pytest.raises(EdgeqError, match=r"has 4,100 bytes; .* lie at 4,096 to 4,112"):
        read_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize(("count", "taken"), [(2, True), (4, True), (100, False)])
def test_many_weights_at_one_place_of_a_file_are_refused(tmp_path, count, taken):
    """Two tied ones are usual; of thousands each would be read into memory anew."""
    from edgeq.conversion.sources.onnx.contents import read_onnx

    proto = op("Mul", x=(1, 4), more=[weights(1, 4)])
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.dims[:] = [1, 65536]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "net.data"
    for number in range(1, count):
        proto.graph.initializer.add().CopyFrom(tensor)
        proto.graph.initializer[-1].name = f"w{number}"
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    (tmp_path / "net.data").write_bytes(bytes(4 * 65536))
    if taken:
        assert len(read_onnx(tmp_path / "net.onnx").constants) == count
    else:
        with pytest.raises(EdgeqError, match=r"said to lie in 'net\.data' holds"):
            read_onnx(tmp_path / "net.onnx")
