"""SavedModels that want something run when they are read: nothing of them runs without --trust."""

import gc

import numpy as np
import pytest

from edgeq.conversion.float_model import float_model
from edgeq.errors import EdgeqError
from tests.memory import peak_mb

tf = pytest.importorskip("tensorflow")
SPEC = tf.TensorSpec((1, 4), tf.float32)


def module(body=None, resource=None):
    """A small dense layer; `body` runs in its function, `resource` hangs beside it."""

    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3))
            if resource is not None:
                self.resource = resource

        @tf.function(input_signature=[SPEC])
        def serve(self, x):
            y = tf.matmul(x, self.weights)
            return {"y": y if body is None else body(y)}

    return Net()


def save(net, folder):
    tf.saved_model.save(net, str(folder), signatures={"serving_default": net.serve})
    return folder


def edit(folder, change):
    """Change the proto of a saved model in place."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    change(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())


def make_resource(mark):
    class Resource(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self):
            return tf.constant(1.0)

        def _initialize(self):
            tf.io.write_file(str(mark), "initialized")

        def _destroy_resource(self):
            tf.io.write_file(str(mark), "destroyed")

    return Resource()


def forget(mark):
    """Let go of the objects that were saved: they have destructors of their own."""
    gc.collect()
    mark.unlink(missing_ok=True)


def good(model):
    main = model.graph.main
    assert [op.name for op in main.ops] == ["FULLY_CONNECTED"]
    weights = next(t.data for t in main.tensors if t.is_constant and t.data.ndim == 2)
    assert sorted(weights.ravel()) == list(range(12))  # the variable's values, not an initial one


def test_initializers_and_destructors_of_resources_do_not_run(tmp_path):
    mark = tmp_path / "mark"
    folder = save(module(resource=make_resource(mark)), tmp_path / "net")
    forget(mark)
    good(float_model(folder))
    assert not mark.exists()
    good(float_model(folder, trust=True))
    assert mark.exists()  # the attack works where it is let


@pytest.mark.parametrize(
    "body, op",
    [
        (lambda y: y + tf.strings.to_number(tf.io.read_file("/etc/hostname")), "ReadFile"),
        (lambda y: tf.py_function(lambda x: x, [y], tf.float32), "EagerPyFunc"),
        (lambda y: tf.numpy_function(lambda x: x, [y], tf.float32), "PyFunc"),
    ],
)
def test_ops_that_no_device_model_needs_are_named_and_refused(tmp_path, body, op):
    folder = save(module(body), tmp_path / "net")
    with pytest.raises(EdgeqError, match=op) as caught:
        float_model(folder)
    assert "--trust" in caught.value.hint


def test_files_written_by_the_function_itself(tmp_path):
    mark = tmp_path / "mark"

    def body(y):
        with tf.control_dependencies([tf.io.write_file(str(mark), "called")]):
            return tf.identity(y)

    folder = save(module(body), tmp_path / "net")
    with pytest.raises(EdgeqError, match="WriteFile"):
        float_model(folder)
    assert not mark.exists()


def test_a_function_in_the_place_of_a_loaders_method_is_not_called(tmp_path):
    """`_restore_from_tensors` of an object is called when the variables' values come in."""
    mark = tmp_path / "mark"
    net = module()

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def write(_):
        tf.io.write_file(str(mark), "called")
        return tf.constant(1.0)

    net.write = write
    folder = save(net, tmp_path / "net")
    forget(mark)

    def rename(graph):
        for node in graph.object_graph_def.nodes:
            for child in node.children:
                if child.local_name == "write":
                    child.local_name = "_restore_from_tensors"
        function = graph.object_graph_def.nodes[0]
        saveable = function.saveable_objects["SerializeToTensors"]
        index = next(
            i for i, n in enumerate(graph.object_graph_def.nodes)
            if any("write" in name for name in n.function.concrete_functions)
        )  # fmt: skip
        saveable.save_function = saveable.restore_function = index

    edit(folder, rename)
    good(float_model(folder))
    assert not mark.exists()


def test_a_function_cannot_hide_behind_the_name_of_an_op(tmp_path):
    def body(y):
        with tf.control_dependencies([tf.io.write_file(str(tmp_path / "mark"), "called")]):
            return tf.identity(y)

    folder = save(module(body), tmp_path / "net")

    def add(graph):
        functions = graph.graph_def.library.function  # in another order at every save
        calls = {"WriteFile", "StatefulPartitionedCall"}
        harmless = next(f for f in functions if calls.isdisjoint(n.op for n in f.node_def))
        decoy = functions.add()
        decoy.CopyFrom(harmless)
        decoy.signature.name = "WriteFile"

    edit(folder, add)
    with pytest.raises(EdgeqError, match="WriteFile"):
        float_model(folder)


def test_a_second_form_of_the_proto_is_not_read_instead(tmp_path):
    mark = tmp_path / "mark"
    evil = save(module(resource=make_resource(mark)), tmp_path / "evil")
    folder = save(module(), tmp_path / "net")
    forget(mark)
    (folder / "saved_model.cpb").write_bytes((evil / "saved_model.pb").read_bytes())
    (folder / "saved_model.pbtxt").write_text("meta_graphs {}")
    good(float_model(folder))
    assert not mark.exists()


@pytest.mark.parametrize("evil", [False, True])
def test_graphs_of_tensorflow_1_load_without_their_initial_op(tmp_path, evil):
    v1 = tf.compat.v1
    mark, folder = tmp_path / "mark", tmp_path / "net"
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (1, 4), name="x")
        values = np.arange(12, dtype=np.float32).reshape(4, 3)
        weights = v1.get_variable("w", initializer=values, use_resource=True)
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": v1.matmul(x, weights)})
        start = tf.io.write_file(str(mark), "started") if evil else None
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=start
        )
        builder.save()
    good(float_model(folder))
    assert not mark.exists()
    if evil:
        float_model(folder, trust=True)
        assert mark.exists()
    edit(folder, lambda graph: _collected(graph).append(b"\xff\xff\xff"))
    with pytest.raises(EdgeqError, match=r"this is no SavedModel \(a variable: "):
        float_model(folder)


def _collected(graph):
    return graph.collection_def["variables"].bytes_list.value


def test_objects_that_are_not_there(tmp_path):
    folder = save(module(), tmp_path / "net")
    edit(folder, lambda graph: graph.object_graph_def.ClearField("nodes"))
    with pytest.raises(EdgeqError, match="this is no SavedModel"):
        float_model(folder)


def test_functions_that_call_themselves(tmp_path):
    folder = save(module(), tmp_path / "net")

    def loop(graph):
        inner = next(
            f for f in graph.graph_def.library.function
            if "serve" in f.signature.name and any(n.op == "MatMul" for n in f.node_def)
        )  # fmt: skip
        node = inner.node_def.add(name="again", op="PartitionedCall")
        node.attr["f"].func.name = inner.signature.name

    edit(folder, loop)
    with pytest.raises(EdgeqError, match="call themselves"):
        float_model(folder)


def repeat(condition, **options):
    """A body of `module` that halves its value in a loop."""

    def body(y):
        return tf.while_loop(condition, lambda i, v: (i + 1, v * 0.5), (0, y), **options)[1]

    return body


@pytest.mark.parametrize(
    "endless",
    [lambda i, v: True, lambda i, v: i >= 0, lambda i, v: tf.reduce_sum(v) > -1e9],
    ids=["true", "counts away", "on data"],
)
def test_a_loop_that_may_never_end_is_not_run(tmp_path, endless):
    folder = save(module(repeat(endless)), tmp_path / "net")
    with pytest.raises(EdgeqError, match="may never end") as caught:
        float_model(folder)
    assert "--trust" in caught.value.hint


def test_loops_over_steps_go_on_converting(tmp_path):
    until_small = repeat(lambda i, v: tf.reduce_sum(v) > 0.1, maximum_iterations=9)
    for number, body in enumerate([until_small, repeat(lambda i, v: i < 5)]):
        folder = save(module(body), tmp_path / str(number))
        assert "WHILE" in [op.name for op in float_model(folder).graph.main.ops]
    endless = save(module(repeat(lambda i, v: tf.reduce_sum(v) > 0.1)), tmp_path / "trusted")
    assert float_model(endless, trust=True).graph.main.ops


@pytest.mark.slow
def test_recurrent_layers_of_a_saved_model_go_on_converting(tmp_path):
    import keras

    class Net(tf.Module):
        def __init__(self, layer):
            super().__init__()
            layer.build((1, 6, 2))
            self.layer = layer

        @tf.function(input_signature=[tf.TensorSpec((1, 6, 2), tf.float32)])
        def serve(self, x):
            return {"y": self.layer(x)}

    for layer, kind in (
        (keras.layers.LSTM(3), "UNIDIRECTIONAL_SEQUENCE_LSTM"),
        (keras.layers.GRU(3, return_sequences=True), "WHILE"),
    ):
        folder = save(Net(layer), tmp_path / layer.name)
        assert kind in [op.name for op in float_model(folder).graph.main.ops]


@pytest.mark.parametrize("levels", [14, 40])
def test_functions_that_call_each_other_twice_are_counted(tmp_path, levels):
    """TensorFlow puts 2^14 calls in line, but takes minutes for it."""

    def doubling(graph):
        """The signature's function calls the first of many, each of which calls the next twice."""
        functions = graph.graph_def.library.function
        entry = next(f for f in functions if any(n.op == "MatMul" for n in f.node_def))
        for i in range(levels + 1):
            made = functions.add()
            made.signature.name = f"F{i}"
            for j in range(2 if i < levels else 0):
                call = made.node_def.add(name=f"c{j}", op="PartitionedCall")
                call.attr["f"].func.name = f"F{i + 1}"
        entry.node_def.add(name="more", op="PartitionedCall").attr["f"].func.name = "F0"

    folder = save(module(), tmp_path / "net")
    edit(folder, doubling)
    with pytest.raises(EdgeqError, match="in line; 20,000 are converted"):
        float_model(folder)


def test_parts_that_are_links_out_of_the_folder_are_refused(tmp_path):
    folder = save(module(), tmp_path / "net")
    part = next((folder / "variables").glob("*.data*"))
    part.rename(tmp_path / "elsewhere")
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EdgeqError, match="leads out of the SavedModel's folder"):
        float_model(folder)


def test_a_proto_of_six_gigabytes_is_not_read(tmp_path):
    (tmp_path / "net").mkdir()
    with (tmp_path / "net" / "saved_model.pb").open("wb") as file:
        file.truncate(6 << 30)  # a hole: it takes no room

    def ask():
        with pytest.raises(EdgeqError, match="larger than 2048 MiB"):
            float_model(tmp_path / "net")

    assert peak_mb(ask) < 100
