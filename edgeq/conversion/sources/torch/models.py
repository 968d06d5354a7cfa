"""PyTorch models as Keras models: torch.export makes a graph, PyTorch's exporter ONNX of it."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeq.conversion.sources.imported import Imported
from edgeq.conversion.sources.onnx.contents import parse_onnx
from edgeq.conversion.sources.onnx.model import keras_model
from edgeq.conversion.sources.torch.contents import clean_program
from edgeq.conversion.tensorflow import first_line, quiet
from edgeq.data.generator import import_function
from edgeq.errors import EdgeqError, MissingDependency
from edgeq.support.array import Array

_RETURNS = "return model, (torch.zeros(1, 3, 96, 96),)"


def import_torch() -> Any:
    """The module torch, with what its ONNX exporter needs.

    Raises:
        MissingDependency: One of them is not installed.
    """
    for name, package in (("torch", "PyTorch"), ("onnx", "onnx"), ("onnxscript", "onnxscript")):
        try:
            with quiet():
                __import__(name)
        except ImportError as error:
            raise MissingDependency(
                package, "reading PyTorch models", "pip install 'edgeq[torch]'", error
            ) from error
    import torch

    return torch


def from_function(text: str) -> Imported:
    """The model that `module:function` returns, with example inputs.

    The function is the user's own: it runs in this process.

    Raises:
        EdgeqError: It fails, returns something else, or the model cannot be exported.
        MissingDependency: PyTorch or its ONNX exporter is not installed.
    """
    torch = import_torch()
    function = import_function(text)
    try:
        returned: Any = function()
    except Exception as error:
        raise EdgeqError(
            f"The function failed: {type(error).__name__}: {first_line(error)}", text
        ) from error
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise EdgeqError("The function must return a model and example inputs.", text, _RETURNS)
    model, inputs = returned
    inputs = inputs if isinstance(inputs, tuple | list) else (inputs,)
    if not isinstance(model, torch.nn.Module) or not all(
        isinstance(each, torch.Tensor) for each in inputs
    ):
        kinds = ", ".join(type(each).__name__ for each in (model, *inputs))
        raise EdgeqError(
            f"The function returned {kinds}; a torch.nn.Module and tensors are needed.",
            text,
            _RETURNS,
        )
    try:
        with _without_words():
            program = torch.export.export(model.eval(), tuple(inputs))
    except Exception as error:
        raise EdgeqError(
            f"torch.export cannot trace the model: {first_line(error)}",
            text,
            "a forward() whose path does not hang on values, and fixed shapes",
        ) from error
    return _imported(torch, program, text)


def from_program(path: Path, *, trust: bool = False) -> Imported:
    """The model of a `.pt2` file; nothing that it holds runs.

    Args:
        path: A file that torch.export.save wrote.
        trust: Whether PyTorch may load it whole, pickles included.

    Raises:
        EdgeqError: Damaged, or it holds code, or an op that no device has.
        MissingDependency: PyTorch or its ONNX exporter is not installed.
    """
    if trust:
        return _imported(import_torch(), _loaded(import_torch(), path, str(path)), str(path))
    clean = clean_program(path)  # before PyTorch, which takes seconds to import
    torch = import_torch()
    with tempfile.TemporaryDirectory(prefix="edgeq-") as folder:
        copy = Path(folder) / "model.pt2"
        copy.write_bytes(clean)
        return _imported(torch, _loaded(torch, copy, str(path)), str(path))


def _loaded(torch: Any, path: Path, where: str) -> Any:
    try:
        with _without_words():
            return torch.export.load(path)
    except Exception as error:
        raise EdgeqError(
            f"PyTorch cannot load the program: {first_line(error)}",
            where,
            f"export it again with PyTorch {torch.__version__}",
        ) from error


def _imported(torch: Any, program: Any, where: str) -> Imported:
    _check_exporter(program, where)
    try:
        with _without_words():
            made = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False)
            data = made.model_proto.SerializeToString()
    except Exception as error:
        raise EdgeqError(f"PyTorch cannot export the model: {first_line(error)}", where) from error
    return replace(keras_model(parse_onnx(data, where)), computes=_computes(torch, program))


def _computes(torch: Any, program: Any) -> Callable[[Sequence[Array]], Sequence[Array]]:
    """What PyTorch itself answers: its exporter passes over some options without a word."""
    module: Any = None

    def answers(inputs: Sequence[Array]) -> Sequence[Array]:
        nonlocal module
        from torch.utils import _pytree as structures

        with torch.no_grad(), _without_words():
            module = module or program.module()
            made = module(*(torch.from_numpy(np.array(value)) for value in inputs))
        return [np.asarray(leaf) for leaf in structures.tree_leaves(made)]

    return answers


def _check_exporter(program: Any, where: str) -> None:
    """Refuse what PyTorch's exporter passes over without a word: ONNX has no such thing.

    Raises:
        EdgeqError: There is such an op.
    """
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        names = [each.name for each in schema.arguments] if schema is not None else []
        given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        if given.get("divisor_override") is not None:
            raise EdgeqError(
                "PyTorch cannot export an average pool with divisor_override.",
                where,
                "a pool without it, and a product with the ratio behind it",
            )
        if "hx" in given and _projects(given):
            raise EdgeqError(
                "PyTorch cannot export an LSTM with proj_size.",
                where,
                "an LSTM without it; a Linear layer behind it does something similar",
            )


def _projects(given: Mapping[str, Any]) -> bool:
    """Whether a recurrent layer has another matrix behind those of its input and its state."""
    layers = given.get("num_layers", 1) * (2 if given.get("bidirectional") else 1)
    usual = layers * (4 if given.get("has_biases") else 2)
    return bool(len(given.get("params", ())) > usual)


@contextlib.contextmanager
def _without_words() -> Iterator[None]:
    """PyTorch's exporter tells much of what it does; none of it is the user's concern."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with quiet():
            yield
    finally:
        logging.disable(before)
