"""Functions of TensorFlow that Keras 2 models call beside their layers: `x / 255.`, `tf.concat`.

Keras 2 wrote each call as a layer, TFOpLambda or SlicingOpLambda, with the function's name and its
arguments. Keras 3 has no such layers. The functions of a closed list are called, and no other: a
file may name any. All of the list compute values out of values, and neither read nor write.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from typing import Any

from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

OP_OF_KERAS_2 = "edgeq>OpOfKeras2"
"""What Keras calls the layer in files that are made of such a model."""

OP_LAYERS = ("TFOpLambda", "SlicingOpLambda")
"""The classes of Keras 2."""

# What other versions and other uses of them made of the same.
_OTHERS = ("ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer")
_CONSTANT, _TENSOR, _ELLIPSIS = "_CONSTANT_VALUE", "__tensor__", "__ellipsis__"
_TF_1 = "compat.v1."

# Names below `tensorflow`; those below its `compat.v1` are the same ones.
_LISTED = """
__operators__.add __operators__.getitem
abs add add_n argmax argmin broadcast_to cast clip_by_value concat cumsum divide ensure_shape
equal exp expand_dims floor gather greater greater_equal identity less less_equal logical_and
logical_not logical_or matmul maximum minimum multiply negative norm not_equal one_hot ones_like
pad pow rank realdiv repeat reshape reverse roll round shape sigmoid sign sin cos size slice
split sqrt square squeeze stack stop_gradient strided_slice subtract tanh tensordot tile
transpose truediv unstack where zeros_like floor_div convert_to_tensor
image.central_crop image.convert_image_dtype image.crop_to_bounding_box image.flip_left_right
image.flip_up_down image.grayscale_to_rgb image.pad_to_bounding_box
image.per_image_standardization image.resize image.resize_with_crop_or_pad
image.resize_with_pad image.rgb_to_grayscale image.rot90 image.transpose
linalg.l2_normalize linalg.matmul linalg.matrix_transpose linalg.matvec linalg.norm
linalg.normalize linalg.tensordot
math.abs math.add math.add_n math.argmax math.argmin math.ceil math.cos math.cumsum math.divide
math.divide_no_nan math.equal math.erf math.exp math.floor math.floordiv math.floormod
math.greater math.greater_equal math.l2_normalize math.less math.less_equal math.log math.log1p
math.log_sigmoid math.logical_and math.logical_not math.logical_or math.maximum math.minimum
math.multiply math.multiply_no_nan math.negative math.not_equal math.pow math.reciprocal
math.reduce_all math.reduce_any math.reduce_euclidean_norm math.reduce_logsumexp
math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod math.reduce_std
math.reduce_sum math.reduce_variance math.round math.rsqrt math.scalar_mul math.sigmoid
math.sign math.sin math.softplus math.sqrt math.square math.squared_difference math.subtract
math.tan math.tanh math.top_k math.truediv math.xdivy
nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.batch_normalization nn.bias_add nn.conv1d nn.conv2d
nn.crelu nn.depth_to_space nn.depthwise_conv2d nn.elu nn.gelu nn.l2_normalize nn.leaky_relu
nn.log_softmax nn.max_pool nn.max_pool1d nn.max_pool2d nn.moments nn.relu nn.relu6 nn.selu
nn.sigmoid nn.silu nn.softmax nn.softplus nn.softsign nn.space_to_depth nn.swish nn.tanh
reduce_all reduce_any reduce_max reduce_mean reduce_min reduce_prod reduce_sum
"""
FUNCTIONS = frozenset(_LISTED.split())
"""Those that a file may have called."""


def calls_as_layers(config: dict[str, Any], where: str) -> dict[str, Any]:
    """A functional model of Keras 2 whose calls of functions are layers that Keras 3 can make.

    Args:
        config: Of the model; those inside it come by themselves.
        where: What to blame.

    Raises:
        EdgeqError: A function is not of the list, or a call is not as Keras 2 writes them.
    """
    names = {layer["name"]: layer for layer in config["layers"]}
    return {**config, "layers": [_as_layer(layer, names, where) for layer in config["layers"]]}


def _as_layer(layer: dict[str, Any], names: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A layer as it is, or as one of edgeq's own where it is a call of a function."""
    if layer["class_name"] not in (*OP_LAYERS, *_OTHERS):
        return layer
    function = layer["config"].get("function")
    if layer["class_name"] in _OTHERS or not _is_known(function):
        raise _refused(layer, function, where)
    made = [_noted_call(node, names) for node in layer["inbound_nodes"]]
    if len({json.dumps(arguments) for arguments, _ in made}) != 1 or not made[0][1]:
        raise EdgeqError(
            f"The layer '{visible_line(str(layer['name']))[:80]}' is no call as Keras 2 writes "
            "them.",
            where,
        )
    arguments = json.dumps(made[0][0])
    config = {"name": layer["name"], "function": function, "arguments": arguments}
    calls = [[[*tensor, {}] for tensor in tensors] for _, tensors in made]
    return {
        "class_name": OP_OF_KERAS_2,
        "config": config,
        "name": layer["name"],
        "inbound_nodes": calls,
    }


def _is_known(function: Any) -> bool:
    return isinstance(function, str) and function.removeprefix(_TF_1) in FUNCTIONS


def _refused(layer: dict[str, Any], function: Any, where: str) -> EdgeqError:
    name, kind = (visible_line(str(layer[key]))[:80] for key in ("name", "class_name"))
    called = "" if function is None else f" calls tf.{visible_line(str(function))[:80]}, which"
    return EdgeqError(
        f"The layer '{name}' ({kind} of Keras 2){called} is not among the functions that are "
        "called for a file.",
        where,
        "where the model was made (tf_keras, or TensorFlow up to 2.15), save it as a SavedModel, "
        "tf.saved_model.save(model, 'net'), and convert that",
    )


def _noted_call(node: Any, names: Mapping[str, Any]) -> tuple[dict[str, Any], list[list[Any]]]:
    """The arguments of a call, and the tensors among them, for which their numbers stand."""
    tensors: list[list[Any]] = []

    def noted(value: Any) -> Any:
        if _is_leaf(value) and value[0] == _CONSTANT:
            return value[2]
        if _is_leaf(value) and value[0] in names:
            tensors.append(value[:3])
            return {"class_name": _TENSOR, "number": len(tensors) - 1}
        if isinstance(value, dict):
            return {key: noted(part) for key, part in value.items()}
        if value is ...:  # Keras has read that out of the file's JSON
            return {"class_name": _ELLIPSIS}
        return [noted(part) for part in value] if isinstance(value, list | tuple) else value

    leaf = node
    while isinstance(leaf, list) and leaf and not _is_leaf(leaf):
        leaf = leaf[0]
    options = leaf[3] if _is_leaf(leaf) and len(leaf) == 4 else {}
    # The first argument comes first: with it Keras 2 says what the others are.
    return {"first": noted(node), "others": noted(options)}, tensors


def _is_leaf(value: Any) -> bool:
    """Whether this is a tensor or a constant: the maker's name, number of call, and of output."""
    called = isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)
    return called and isinstance(value[1], int) and (len(value) == 3 or isinstance(value[3], dict))


def _value(noted: Any, tensors: Sequence[Any]) -> Any:
    """An argument as the function takes it.

    Raises:
        ValueError: It is none that Keras 2 writes.
    """
    if isinstance(noted, list):
        return [_value(part, tensors) for part in noted]
    if not isinstance(noted, dict):
        return noted
    kind = noted.get("class_name")
    if kind == _TENSOR:
        return tensors[noted["number"]]
    if kind == _ELLIPSIS:
        return ...
    if set(noted) == {"start", "stop", "step"}:
        return slice(*(_value(noted[key], tensors) for key in ("start", "stop", "step")))
    raise ValueError(f"{kind or 'a dictionary'} is no argument of a function of TensorFlow")


@cache
def op_layer() -> Any:
    """The class of layers; Keras finds it in files that are made of such a model from now on."""
    tf, keras = import_tensorflow()

    @keras.saving.register_keras_serializable("edgeq")
    class OpOfKeras2(keras.layers.Layer):  # type: ignore[misc,name-defined]
        """A call of a function of TensorFlow.

        Args:
            function: Its name, one of FUNCTIONS.
            arguments: JSON: "first" and, by name, "others"; for tensors stand their numbers.
        """

        def __init__(self, function: str, arguments: str, **more: Any) -> None:
            super().__init__(**{**more, "autocast": False})
            if not _is_known(function):
                raise ValueError(f"tf.{function} is not called for a file")
            self.function, self.arguments = function, arguments

        def call(self, inputs: Any) -> Any:
            tensors = inputs if isinstance(inputs, list | tuple) else [inputs]
            noted = json.loads(self.arguments)
            others = _value_of_each(noted["others"], tensors)
            function = reduce(getattr, self.function.split("."), tf)
            made = function(_value(noted["first"], tensors), **others)
            return list(made) if isinstance(made, list | tuple) else made

        def get_config(self) -> dict[str, Any]:
            own = {"function": self.function, "arguments": self.arguments}
            return {**super().get_config(), **own}

    return OpOfKeras2


def _value_of_each(others: dict[str, Any], tensors: Sequence[Any]) -> dict[str, Any]:
    """Arguments by name, without the names of ops: those are the layers'."""
    return {key: _value(part, tensors) for key, part in others.items() if key != "name"}
