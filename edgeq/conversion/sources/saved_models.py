"""TensorFlow SavedModels, from the signature they are served by."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.exported import Exported
from edgeq.conversion.tensorflow import first_line, freeze_and_convert, import_tensorflow, quiet
from edgeq.errors import EdgeqError, UsageError


def export_saved_model(path: Path, signature: str | None) -> Exported:
    """The float .tflite of one signature, batch 1.

    Raises:
        EdgeqError: Damaged, no such signature, open axes, or an op that cannot be converted.
    """
    tf, _ = import_tensorflow()
    try:
        with quiet(), tempfile.TemporaryDirectory() as folder:
            _without_optimizer(path, Path(folder))
            loaded = tf.saved_model.load(folder)
    except Exception as error:
        raise EdgeqError(
            f"TensorFlow cannot load the SavedModel: {first_line(error)}", str(path)
        ) from error
    function = _choose(loaded.signatures, signature, str(path))
    named = function.structured_input_signature[1]
    names = list(named)
    specs = []
    for name, spec in named.items():
        if spec.shape.rank is None or None in spec.shape[1:]:
            raise EdgeqError(
                f"Input '{name}' has open axes: {spec.shape}.",
                str(path),
                "export it with a fixed input shape",
            )
        specs.append(tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, name))
    outputs = list(function.structured_outputs)

    def call(*tensors: Any) -> Any:
        found = function(**dict(zip(names, tensors, strict=True)))
        return [found[name] for name in outputs]

    try:
        data = freeze_and_convert(call, specs)
    except Exception as error:
        raise EdgeqError(
            f"The model cannot be converted: {first_line(error)}",
            str(path),
            "the .keras or .h5 file, if there is one: of that, edgeq unrolls recurrent layers and "
            "leaves out what only training needs",
        ) from error
    return Exported(data, tuple(names), tuple(outputs))


def _without_optimizer(path: Path, folder: Path) -> None:
    """Make a copy by links, without the optimizer's variables.

    Keras 2 saved them in a form that TensorFlow alone cannot load, and inference needs none.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in model.meta_graphs:
        for node in graph.object_graph_def.nodes:
            del node.slot_variables[:]
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    for child in path.iterdir():
        if child.name not in ("saved_model.pb", "fingerprint.pb"):
            (folder / child.name).symlink_to(child.resolve())


def _choose(signatures: Any, wanted: str | None, where: str) -> Any:
    names = [name for name in signatures if not name.startswith("__")]
    if wanted is None:
        wanted = "serving_default" if "serving_default" in names or len(names) != 1 else names[0]
    if wanted not in names:
        raise UsageError(
            f"The SavedModel has no signature '{wanted}'.",
            where,
            f"--signature, one of: {', '.join(names)}" if names else "export it with a signature",
        )
    return signatures[wanted]
