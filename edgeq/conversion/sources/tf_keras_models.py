"""Models of tf_keras (Keras 2 beside TensorFlow), with or without tfmot: the bridge to Keras 3."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.keras_models import load_keras
from edgeq.conversion.tensorflow import quiet
from edgeq.errors import EdgeqError


def is_tf_keras(model: Any) -> bool:
    """Whether a model in memory belongs to tf_keras."""
    return any(kind.__module__.split(".")[0] == "tf_keras" for kind in type(model).__mro__)


def from_tf_keras(model: Any) -> Any:
    """The same model in Keras 3, weights included; it goes by way of an .h5 file.

    What tfmot pruned or clustered stays so; its wrappers must be gone.

    Raises:
        EdgeqError: Layers are tfmot's own, or Keras 3 does not know one.
    """
    wrapped = [layer.name for layer in model.submodules if _is_tfmot(layer)]
    if wrapped:
        raise EdgeqError(
            f"Layers are wrapped by tfmot: {', '.join(wrapped[:3])}"
            f"{' and others' if len(wrapped) > 3 else ''}.",
            str(model.name),
            "tfmot's strip_pruning or strip_clustering gives the model back; instead of its "
            "quantize_model, which Keras 3 cannot load, train the plain model with "
            "`edgeq compress qat`",
        )
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.h5"
        model.save(path, include_optimizer=False)
        return load_keras(path, trust=True)


def _is_tfmot(layer: Any) -> bool:
    return type(layer).__module__.split(".")[0] == "tensorflow_model_optimization"
