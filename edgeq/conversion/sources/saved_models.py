"""TensorFlow SavedModels, from the signature they are served by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.answers import traced_answers
from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.sources.saved_model_cut import cut, signatures
from edgeq.conversion.tensorflow import first_line, freeze_and_convert, import_tensorflow, quiet
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.model_file import parse_graph
from edgeq.support.foreign import check_file, read_bytes, shaped_as
from edgeq.support.text import visible_line

# Ops on lists of tensors, and which of their inputs is the shape of one of these.
_SHAPE_INPUTS = {
    "TensorListFromTensor": 1,
    "TensorListGetItem": 2,
    "TensorListReserve": 0,
    "TensorListStack": 1,
}
_MOST_BYTES = 2 << 30  # a protobuf's own limit


def export_saved_model(path: Path, signature: str | None, *, trust: bool = False) -> Exported:
    """The float .tflite of one signature, batch 1.

    Args:
        path: The folder.
        signature: Name of the signature; None for the default one.
        trust: Whether functions that the file wants run when it is loaded may run.

    Raises:
        EdgeqError: Damaged, no such signature, open axes, an op that cannot be converted, or one
            that no model for a device needs and is not trusted.
    """
    # Before TensorFlow is imported, which takes longer than saying that a file is too large.
    data = read_bytes(path / "saved_model.pb", "SavedModel", _MOST_BYTES)
    tf, _ = import_tensorflow()
    saved = _read(data, path)
    key = _choose(signatures(saved), signature, str(path))
    if not trust:
        with shaped_as("SavedModel", str(path)):
            cut(saved, key, str(path))
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            _fix_batch(saved)
            _copy_by_links(path, Path(folder), saved)
            loaded = tf.saved_model.load(folder)
            function = loaded.signatures[key]
    except Exception as error:
        raise EdgeqError(
            f"TensorFlow cannot load the SavedModel: {first_line(error)}", str(path)
        ) from error
    named = function.structured_input_signature[1]
    # TensorFlow orders what has names by them; what is loaded is in no order.
    names = sorted(named)
    specs = [_of_one(tf, name, named[name], path) for name in names]
    if not specs:
        raise EdgeqError(f"Signature '{visible_line(key)}' has no inputs.", str(path))
    outputs = sorted(function.structured_outputs)

    def call(*tensors: Any) -> Any:
        found = function(**dict(zip(names, tensors, strict=True)))
        return [found[name] for name in outputs]

    try:
        data, traced = freeze_and_convert(call, specs)
    except Exception as error:
        raise EdgeqError(
            f"The model cannot be converted: {first_line(error)}",
            str(path),
            "the .keras or .h5 file, if there is one: of that, edgeq leaves out what only training "
            "needs",
        ) from error
    if all(named[name].shape.as_list() == [None] for name in names):
        _check_batch(tf, call, specs, path)
    # Nothing of a file that is not trusted runs in TensorFlow.
    answers = traced_answers(traced, specs) if trust else None
    return Exported(data, tuple(names), tuple(outputs), signature=key, answers=answers)


def _check_batch(tf: Any, call: Callable[..., Any], specs: Sequence[Any], path: Path) -> None:
    """Refuse a signature whose only axis is that of a waveform, say, and no batch of numbers.

    Two numbers then have no two answers.
    """
    two = [tf.TensorSpec((2,), spec.dtype, spec.name) for spec in specs]
    try:
        main = parse_graph(freeze_and_convert(call, two)[0]).main
        apart = all(main.tensors[index].shape[:1] == (2,) for index in main.outputs)
    except Exception:  # noqa: BLE001  (whatever TensorFlow says of it: it takes no two)
        apart = False
    if not apart:
        names = ", ".join(visible_line(spec.name) for spec in specs)
        raise EdgeqError(
            f"Input '{names}' has one open axis, (None,), which is no batch: two numbers have no "
            "two answers.", str(path),
            "export a function with a batch and fixed axes, such as (1, 16000) for one second of "
            "sound, that calls this one on x[0]",
        )  # fmt: skip


def _of_one(tf: Any, name: str, spec: Any, path: Path) -> Any:
    """What a signature takes of one input, for a batch of 1."""
    shape, said = spec.shape, visible_line(name)
    if shape.rank is None or None in shape[1:]:
        raise EdgeqError(
            f"Input '{said}' has open axes: {shape}.", str(path),
            "export it with a fixed input shape",
        )  # fmt: skip
    if shape.rank == 0 or shape[0] not in (None, 1):
        raise EdgeqError(
            f"Input '{said}' is {shape}: its first axis is no batch that may be 1.", str(path),
            "export a function with a first axis of 1 or None for the batch, such as one that "
            "calls this one on x[0]",
        )  # fmt: skip
    return tf.TensorSpec((1, *shape[1:]), spec.dtype, name)


def _read(data: bytes, path: Path) -> Any:
    """The proto of a SavedModel, without the optimizer's variables.

    Keras 2 saved them in a form that TensorFlow alone cannot load, and inference needs none.

    Raises:
        EdgeqError: It is damaged, or holds several graphs.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        saved = saved_model_pb2.SavedModel.FromString(data)
    except (DecodeError, RecursionError) as error:
        where = str(path / "saved_model.pb")
        raise EdgeqError(f"The SavedModel is damaged: {first_line(error)}", where) from None
    if len(saved.meta_graphs) != 1:
        raise EdgeqError(f"The SavedModel holds {len(saved.meta_graphs)} graphs, not 1.", str(path))
    for node in saved.meta_graphs[0].object_graph_def.nodes:
        del node.slot_variables[:]
    return saved


def _fix_batch(saved: Any) -> None:
    """Give the lists that recurrent layers keep their steps in a batch of 1, where it was open.

    TensorFlow's converter takes lists of things of known shape only, and does not see that the
    inputs' batch is known now.
    """
    from tensorflow import make_ndarray, make_tensor_proto

    graph = saved.meta_graphs[0].graph_def
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        constants = {node.name: node for node in nodes if node.op == "Const"}
        for node in [node for node in nodes if node.op in _SHAPE_INPUTS]:
            place = _SHAPE_INPUTS[node.op]
            name, _, output = node.input[place].partition(":")
            if name not in constants:
                continue
            shape = make_ndarray(constants[name].attr["value"].tensor)
            if shape.ndim != 1 or (shape < 0).tolist() != [True, *[False] * (len(shape) - 1)]:
                continue
            fixed = nodes.add()
            fixed.CopyFrom(constants[name])
            fixed.name = f"{name}_batch_of_1_{len(nodes)}"
            value = make_tensor_proto([1, *shape[1:]], dtype=str(shape.dtype))
            fixed.attr["value"].tensor.CopyFrom(value)
            node.input[place] = f"{fixed.name}:{output}" if output else fixed.name


def _copy_by_links(path: Path, folder: Path, saved: Any) -> None:
    """Make a SavedModel of a proto and the files that belong to it, and of no other file.

    TensorFlow would take a second form of the proto, or its fingerprint, before this one.
    """
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    for name in ("variables", "assets", "assets.extra"):
        if (path / name).is_dir():
            for file in (path / name).resolve().rglob("*"):
                if path.resolve() not in file.resolve().parents:
                    raise EdgeqError(
                        f"'{visible_line(file.name)}' leads out of the SavedModel's folder.",
                        str(path),
                        "put the file itself in place of the link",
                    )
                if not file.is_dir():
                    check_file(file, "part of the SavedModel")
            (folder / name).symlink_to((path / name).resolve())


def _choose(names: Sequence[str], wanted: str | None, where: str) -> str:
    if wanted is None:
        wanted = "serving_default" if "serving_default" in names or len(names) != 1 else names[0]
    if wanted not in names:
        listed = ", ".join(visible_line(name) for name in names)
        raise UsageError(
            f"The SavedModel has no signature '{wanted}'.",
            where,
            f"--signature, one of: {listed}" if names else "export it with a signature",
        )
    return wanted
