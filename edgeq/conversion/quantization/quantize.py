"""A float model and the ranges of its tensors become a quantized model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import numpy as np

from edgeq.conversion.flatbuffer import (
    TENSOR_CODES,
    drop_codes,
    drop_unused,
    like_signature,
    unpack,
)
from edgeq.conversion.float_model import FloatModel
from edgeq.conversion.network import Network
from edgeq.conversion.pass_log import PassLog, rewritten
from edgeq.conversion.passes import INTEGER_PASSES, LOWERING_PASSES, WEIGHT_PASSES
from edgeq.conversion.passes.recurrent.lstm_steps import unfuse_lstms
from edgeq.conversion.quantization.cut import Cut, set_aside
from edgeq.conversion.quantization.few_weights import layers_with_few_weights
from edgeq.conversion.quantization.inside import take_as_they_come
from edgeq.conversion.quantization.layer_precision import layer_names
from edgeq.conversion.quantization.recurrent import put_back
from edgeq.conversion.quantization.schemes import Scheme, find_scheme
from edgeq.conversion.quantization.storage import store_weights
from edgeq.conversion.quantization.variables import Variables, close, lay_open
from edgeq.conversion.tensorflow import first_line, quiet
from edgeq.errors import EdgeqError, LimitError, UsageError
from edgeq.model.graph import Graph, Op
from edgeq.model.model_file import parse_graph

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value of each activation tensor, by name."""
Edges = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of inputs and of outputs."""

# Of these ops it takes a constant for the weights of a layer.
_SCALARS_ONLY = ("MAXIMUM", "SELECT", "SELECT_V2")
_NO_CONSTANTS = ("CONCATENATION", "DYNAMIC_UPDATE_SLICE", "PACK")


@dataclass(frozen=True)
class Recipe:
    """How to quantize one model.

    Attributes:
        scheme: For all layers that `precision` does not name.
        io: Type of inputs and outputs: "int8", "uint8", "int16" or "float32".
        symmetric: Whether the zero point of int8 activations is always 0.
        precision: For the scheme "mixed": pairs of a layer name (may hold * and ?) and the
            scheme of those layers; later pairs overrule earlier ones.
        inputs: Pairs of the name of an input and its type, where that is not `io`.
    """

    scheme: Scheme
    io: str
    symmetric: bool = False
    precision: tuple[tuple[str, str], ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()


def quantize(
    model: FloatModel,
    recipe: Recipe,
    ranges: Ranges,
    *,
    repair: Callable[[Any], None] | None = None,
    log: PassLog | None = None,
    whole: bool = True,
) -> Network:
    """The quantized network, every constant inside the flatbuffer.

    Args:
        model: The float model.
        recipe: How to quantize.
        ranges: From calibration; empty for schemes whose activations stay float.
        repair: Given the unpacked integer model, makes it better in place.
        log: Where the passes that change something are noted.
        whole: Whether the model is all that is converted, and no step of a loop.

    Raises:
        UsageError: `precision` names a layer that the model does not have.
        EdgeqError: The model has something that cannot be quantized, such as a loop.
    """
    if recipe.scheme.storage_only:
        return store_weights(model.network(), recipe.scheme.weights)
    from litert_quantizer import quantizer

    network = _prepared(model, recipe, ranges, log, whole=whole)
    variables = lay_open(network) if recipe.scheme.integer else Variables()
    cut = set_aside(network) if recipe.scheme.integer else Cut((), (), ())
    data = network.pack()
    inside = ((*variables.taken, *cut.given), (*variables.given, *cut.read))
    rules = _rules(parse_graph(data, model.source), recipe, inside)
    found = {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in network.ranges.items()
    }
    with quiet():
        engine = quantizer.Quantizer(bytearray(data))
        engine.load_quantization_recipe(rules)
        try:
            result = engine.quantize(found or None, enable_progress_report=False)
        except (ValueError, RuntimeError, LookupError) as error:
            raise _refusal(model, error) from error
    made = unpack(bytes(result.quantized_model))
    like_signature(made, network.model)
    _check_room(made, model.source)
    network = replace(network, model=made)
    if recipe.scheme.integer:
        uncut = whole and not cut.layers and not variables.taken
        network = rewritten(network, WEIGHT_PASSES, log, real=False, whole=uncut)
        if repair is not None:
            repair(network.model)
        put_back(network, cut, partial(_quantize_step, recipe, log))
        close(network, variables)
        network = rewritten(network, INTEGER_PASSES, log, real=False, whole=whole)
        take_as_they_come(network, recipe.inputs)
    drop_unused(network.model)
    if network.tables:
        drop_codes(network.model)
    return network


def _check_room(made: Any, where: str) -> None:
    """Refuse weights that float16 has no room for.

    Raises:
        LimitError: With the first tensor of them.
    """
    for tensor in made.subgraphs[0].tensors:
        raw = made.buffers[tensor.buffer].data
        if tensor.type != TENSOR_CODES["float16"] or raw is None or not len(raw):
            continue
        if not np.isfinite(np.frombuffer(bytes(raw), np.float16)).all():
            raise LimitError(
                f'Weights in "{tensor.name.decode()}" are larger than float16 can be (65504).',
                where,
                "--scheme bfloat16, which has the range of float32, or weight-only",
            )


def _quantize_step(
    recipe: Recipe, log: PassLog | None, step: FloatModel, ranges: Ranges, name: str
) -> Network:
    """The step of a loop in integers, by the rules for the loop's layer."""
    layers = (name, *name.split(";"), *(part.split("/")[0] for part in name.split(";")))
    scheme = recipe.scheme
    for pattern, chosen in recipe.precision:
        if any(fnmatchcase(layer, pattern) for layer in layers):
            scheme = find_scheme(chosen)
    if scheme.activations != recipe.scheme.activations or not scheme.integer:
        scheme = recipe.scheme
    made = Recipe(scheme, recipe.scheme.activations, recipe.symmetric)
    return quantize(step, made, ranges, log=log, whole=False)


def _prepared(
    model: FloatModel, recipe: Recipe, ranges: Ranges, log: PassLog | None, *, whole: bool
) -> Network:
    """The float network in ops that integers have, with all that is known of it."""
    network = model.network()
    network.ranges = {**ranges, **network.learned_ranges} if recipe.scheme.integer else {}
    network.io = recipe.io
    if recipe.scheme.integer:
        network.dtype = recipe.scheme.activations
        network.symmetric = recipe.symmetric or network.dtype == "int16"
        network.floats = {t.name: t.data for t in model.graph.main.tensors if t.data is not None}
        network = unfuse_lstms(network, unfit_only=True)
        network = rewritten(network, LOWERING_PASSES, log, whole=whole)
    else:
        network = unfuse_lstms(network, unfit_only=False)
    return network


def _refusal(model: FloatModel, error: Exception) -> EdgeqError:
    """What a user can do about an error of the quantizer."""
    loops = len(model.graph.subgraphs) > 1
    return EdgeqError(
        f"The model cannot be quantized.{' It has loops or branches.' if loops else ''} "
        f"The quantizer says: {first_line(error)}",
        model.source,
        "without loops most models can: give the model a fixed length, or unroll its loops"
        if loops
        else "--scheme float16 or weight-only, which leave the arithmetic in float, or another "
        "layer in place of the one that this is about",
    )


def _leave(rules: Any, graph: Graph) -> None:
    """Rules for ops that the quantizer fails on, and `integerize` does instead."""
    import re

    from litert_quantizer.algorithm_manager import AlgorithmName

    tensors = graph.main.tensors
    left = [
        re.escape(f"{tensors[op.outputs[0]].name};")
        for op in graph.main.ops
        if op.name in (*_SCALARS_ONLY, *_NO_CONSTANTS)
        and any(
            tensors[i].is_constant
            and tensors[i].dtype == "float32"
            and (tensors[i].elements > 1 or op.name in _NO_CONSTANTS)
            for i in op.inputs
        )
    ]
    if left:
        regex = "^(" + "|".join(left) + ")$"
        for name in (*_SCALARS_ONLY, *_NO_CONSTANTS):
            rules.add_quantization_config(regex, name, None, AlgorithmName.NO_QUANTIZE)


def _rules(graph: Graph, recipe: Recipe, inside: Edges) -> Any:
    """litert-quantizer's description of a recipe; later rules overrule earlier ones."""
    from litert_quantizer import recipe_manager

    rules = recipe_manager.RecipeManager()
    _add(rules, ".*", recipe.scheme, recipe.symmetric)
    if recipe.scheme.name == "int4":
        small = layers_with_few_weights(graph)
        if small:
            _add(rules, _of_ops(graph, small), find_scheme("int8"), recipe.symmetric)
    for pattern, name in recipe.precision:
        _add(rules, _regex(graph, pattern), find_scheme(name), recipe.symmetric)
    if recipe.scheme.integer:
        _leave(rules, graph)
        _add_io(rules, recipe, inside)
    return rules.get_quantization_recipe()


def _regex(graph: Graph, pattern: str) -> str:
    """A regular expression for the ops of the layers that match.

    Raises:
        UsageError: There is no such layer.
    """
    tensors = graph.main.tensors
    ops = [
        op
        for op in graph.main.ops
        if any(fnmatchcase(name, pattern) for name in layer_names(graph, op))
    ]
    if not ops:
        known = [tensors[op.outputs[0]].name for op in graph.main.ops]
        raise UsageError(
            f"The model has no layer '{pattern}'.", graph.path, f"layers: {', '.join(known)}"
        )
    return _of_ops(graph, ops)


def _of_ops(graph: Graph, ops: Iterable[Op]) -> str:
    """A regular expression for some ops, which the quantizer knows by their outputs."""
    import re

    tensors = graph.main.tensors
    names = ("".join(f"{tensors[i].name};" for i in op.outputs) for op in ops)
    return "^(" + "|".join(re.escape(name) for name in names) + ")$"


def _add(rules: Any, regex: str, scheme: Scheme, symmetric: bool) -> None:
    """Rules for one scheme on the ops that a regular expression names."""
    from litert_quantizer import qtyping
    from litert_quantizer.algorithm_manager import AlgorithmName

    def add(config: Any, algorithm: Any, ops: Iterable[str] = ("*",)) -> None:
        for op in ops:
            rules.add_quantization_config(regex, op, config, algorithm)

    tensor = qtyping.TensorQuantizationConfig
    grains = qtyping.QuantGranularity
    bits = {"int4": 4, "int8": 8}.get(scheme.weights, 16)
    chosen = grains.CHANNELWISE if scheme.per_channel else grains.TENSORWISE
    plain = AlgorithmName.MIN_MAX_UNIFORM_QUANT

    def integer(bits: int, grain: Any = chosen) -> Any:
        width = 16 if scheme.activations == "int16" else 8
        return qtyping.OpQuantizationConfig(
            activation_tensor_config=tensor(num_bits=width, symmetric=symmetric or width == 16),
            weight_tensor_config=tensor(num_bits=bits, symmetric=True, granularity=grain),
            compute_precision=qtyping.ComputePrecision.INTEGER,
        )

    if scheme.integer:
        add(integer(8), plain)
        # Of constants that are a matrix for each of several others it takes a wrong axis for that
        # of the channels; TensorFlow Lite Micro has one scale for all of them in any case.
        add(integer(8, grains.TENSORWISE), plain, ("BATCH_MATMUL",))
        if bits == 4:
            # The other ops have no int4 weights and stay int8. TensorFlow Lite Micro has no
            # kernel for a FULLY_CONNECTED with int4 weights and a scale per row.
            add(integer(4), plain, ("CONV_2D",))
            add(integer(4, grains.TENSORWISE), plain, ("FULLY_CONNECTED",))
    elif scheme.weights == "float16":
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=tensor(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        add(config, AlgorithmName.FLOAT_CASTING)
    else:
        dynamic = scheme.name == "dynamic"
        precision = qtyping.ComputePrecision
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=tensor(num_bits=bits, symmetric=True, granularity=chosen),
            compute_precision=precision.INTEGER if dynamic else precision.FLOAT,
            explicit_dequantize=not dynamic,
        )
        add(config, plain)


def _add_io(rules: Any, recipe: Recipe, inside: Edges) -> None:
    """Rules for inputs and outputs, whatever the layers beside them are.

    Args:
        rules: Are added to.
        recipe: How to quantize.
        inside: Names of inputs and outputs that the model will not have in the end.
    """
    import re

    # Rules apply in the order of their first expression; this one is new, so it comes last.
    everything = "^.*$"
    for side in ("INPUT", "OUTPUT"):
        _add_edge(rules, everything, side, recipe.io, recipe.symmetric)
    for name, dtype in recipe.inputs:
        _add_edge(rules, f"^{re.escape(name)};$", "INPUT", dtype, False)
    for side, names in zip(("INPUT", "OUTPUT"), inside, strict=True):
        for name in names:
            dtype = recipe.scheme.activations
            _add_edge(rules, f"^{re.escape(name)};$", side, dtype, recipe.symmetric)


def _add_edge(rules: Any, regex: str, side: str, dtype: str, symmetric: bool) -> None:
    """The rule for inputs or outputs of one type."""
    from litert_quantizer import qtyping
    from litert_quantizer.algorithm_manager import AlgorithmName

    if dtype == "float32":
        rules.add_quantization_config(regex, side, None, AlgorithmName.NO_QUANTIZE)
        return
    unsigned = dtype == "uint8"
    kind = qtyping.TensorDataType
    activation = qtyping.TensorQuantizationConfig(
        num_bits=16 if dtype == "int16" else 8,
        symmetric=dtype == "int16" or (symmetric and not unsigned),
        dtype=kind.UINT if unsigned else kind.INT,
    )
    config = qtyping.OpQuantizationConfig(
        activation_tensor_config=activation,
        weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=8),
        compute_precision=qtyping.ComputePrecision.INTEGER,
    )
    rules.add_quantization_config(regex, side, config)
