"""Low rank: a dense layer or 1x1 convolution becomes two small ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.compress.folding import fold_batch_norm
from edgeq.compress.network import kind_by_last_axis, rebuild
from edgeq.compress.result import Compression
from edgeq.compress.task import Task, begin, share
from edgeq.compress.training import Training
from edgeq.conversion.layer_kinds import kind_of
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.array import Array


def factorize(
    model: Any, task: Task, *, rank: int | None = None, energy: float = 0.9
) -> Compression:
    """A model whose large dense layers and 1x1 convolutions are products of two thin ones.

    Args:
        model: A `.keras` or `.h5` file, or a keras.Model.
        task: What it is for.
        rank: Width of the layer in between; None to choose one for each layer.
        energy: Share of each weight matrix's energy that the chosen rank must keep.

    Raises:
        EdgeqError: No layer would become smaller; or as the other methods.
    """
    share(energy, "energy")
    if rank is not None and rank < 1:
        raise UsageError(f"rank {rank}: at least 1 is needed.")
    work = begin(model, task, Training(epochs=8, teach=0.5))
    layers: dict[str, int] = {}

    def replace(layer: Any, shape: tuple[int | None, ...]) -> Any:
        if not _can_factorize(layer):
            return None
        left, right = split_matrix(_matrix(layer), rank, energy)
        if left.size + right.size >= left.shape[0] * right.shape[1]:
            return None
        layers[layer.name] = left.shape[1]
        return _Pair(layer, shape, left, right)

    result = rebuild(fold_batch_norm(work.original), replace)
    if not layers:
        raise EdgeqError(
            "No layer becomes smaller by this.",
            work.original.name,
            "a smaller --rank or --energy; only dense layers and 1x1 convolutions are factorized",
        )
    work.fit(result)
    return work.result("factorize", result, {"ranks": layers, "epochs": work.training.epochs})


def split_matrix(matrix: Array, rank: int | None, energy: float) -> tuple[Array, Array]:
    """Two factors of a matrix, by singular values.

    Args:
        matrix: Shape (inputs, outputs).
        rank: Width of the factors; None for the smallest that keeps the energy.
        energy: Share of the sum of squares to keep.
    """
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    if rank is None:
        rank = int(np.searchsorted(np.cumsum(s**2) / np.sum(s**2), energy)) + 1
    rank = min(rank, len(s))
    root = np.sqrt(s[:rank])
    return u[:, :rank] * root, root[:, None] * v[:rank]


def _can_factorize(layer: Any) -> bool:
    if kind_of(layer) == "Dense":
        return True
    return (
        kind_by_last_axis(layer) in ("Conv1D", "Conv2D")
        and set(layer.kernel_size) == {1}
        and set(layer.strides) == {1}
        and layer.groups == 1
    )


def _matrix(layer: Any) -> Array:
    kernel = np.asarray(layer.kernel)
    return kernel.reshape(kernel.shape[-2:])


class _Pair:
    """The two layers in place of one."""

    def __init__(
        self, layer: Any, shape: tuple[int | None, ...], left: Array, right: Array
    ) -> None:
        config = layer.get_config()
        width = "units" if "units" in config else "filters"
        thin = {
            **config,
            "name": f"{layer.name}_in",
            width: left.shape[1],
            "use_bias": False,
            "activation": "linear",
        }
        self._first = type(layer).from_config(thin)
        self._second = type(layer).from_config(config)
        self._first.build(shape)
        self._second.build((*shape[:-1], left.shape[1]))
        around = (1,) * (layer.kernel.ndim - 2)
        self._first.set_weights([left.reshape(*around, *left.shape)])
        kernel = right.reshape(*around, *right.shape)
        self._second.set_weights([kernel, *layer.get_weights()[1:]])

    def __call__(self, inputs: Any) -> Any:
        """One behind the other."""
        return self._second(self._first(inputs))
