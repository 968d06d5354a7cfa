"""Which attributes of each op are looked at: others must be what ONNX takes where none is given."""

from __future__ import annotations

from collections.abc import Mapping

_WINDOW = "auto_pad dilations kernel_shape pads strides"
_NONE = """Abs Add And CastLike Ceil Cos Div Equal Erf Exp Expand Floor GlobalAveragePool
GlobalMaxPool Greater GreaterOrEqual HardSwish Identity Less LessOrEqual Log MatMul Max Mean Min
Mish Mod Mul Neg Not Or PRelu Pow Range Reciprocal Relu Round Sigmoid Sign Sin Size Softplus
Softsign Sqrt Sub Sum Tan Tanh Tile Where Xor"""
_STRETCHED = "Add And Div Equal Gemm Greater Less Mul Or Pow Sub Xor"
_REDUCED = "L1 L2 LogSumExp Max Mean Min Prod Sum SumSquare"
_REDUCE = "axes keepdims noop_with_empty_axes"
_RECURRENT = "activations clip direction hidden_size layout"

READ: Mapping[str, frozenset[str]] = {
    op: frozenset(names.split())
    for op, names in {
        **dict.fromkeys(_NONE.split(), ""),
        **{f"Reduce{kind}": _REDUCE for kind in _REDUCED.split()},
        "ArgMax": "axis keepdims select_last_index",
        "ArgMin": "axis keepdims select_last_index",
        "AveragePool": f"{_WINDOW} ceil_mode count_include_pad",
        "BatchNormalization": "epsilon training_mode",
        "Cast": "to",
        "Celu": "alpha",
        "Clip": "max min",
        "Concat": "axis",
        "Constant": "value value_float value_floats value_int value_ints value_string",
        "ConstantOfShape": "value",
        "Conv": f"{_WINDOW} group",
        "ConvTranspose": f"{_WINDOW} group output_padding output_shape",
        "CumSum": "exclusive reverse",
        "DepthToSpace": "blocksize mode",
        "DequantizeLinear": "axis block_size",
        "Dropout": "",
        "Einsum": "equation",
        "Elu": "alpha",
        "Flatten": "axis",
        "GRU": f"{_RECURRENT} linear_before_reset",
        "Gather": "axis",
        "Gelu": "approximate",
        "Gemm": "alpha beta transA transB",
        "GroupNormalization": "epsilon num_groups",
        "HardSigmoid": "alpha beta",
        "InstanceNormalization": "epsilon",
        "LSTM": f"{_RECURRENT} input_forget",
        "LayerNormalization": "axis epsilon",
        "LeakyRelu": "alpha",
        "LogSoftmax": "axis",
        "LpNormalization": "axis p",
        "MaxPool": f"{_WINDOW} ceil_mode",
        "MeanVarianceNormalization": "axes",
        "Pad": "mode pads value",
        "RMSNormalization": "axis epsilon",
        "RNN": _RECURRENT,
        "Reshape": "allowzero shape",
        "Resize": "antialias axes coordinate_transformation_mode keep_aspect_ratio_policy mode "
        "nearest_mode",
        "Selu": "alpha gamma",
        "Shape": "end start",
        "Slice": "axes ends starts",
        "Softmax": "axis",
        "SpaceToDepth": "blocksize",
        "Split": "axis split",
        "Squeeze": "axes",
        "Swish": "alpha",
        "ThresholdedRelu": "alpha",
        "Transpose": "perm",
        "Trilu": "upper",
        "Unsqueeze": "axes",
        "Upsample": "mode scales",
    }.items()
}
"""By op, for all that are converted or computed."""

IDLE: Mapping[str, frozenset[str]] = {
    op: frozenset(names.split())
    for op, names in {
        "": "consumed_inputs",
        # Of training, and of what the file says once more.
        "BatchNormalization": "is_test momentum",
        "Dropout": "is_test ratio seed",
        "Split": "num_outputs",
        # Of opset 6, where numbers were stretched along the last axes or, by `axis`, along others.
        **dict.fromkeys(_STRETCHED.split(), "broadcast"),
        # Of float8, of the places of maxima, of activations other than the usual.
        "Cast": "round_mode saturate",
        "CastLike": "round_mode saturate",
        "MaxPool": "storage_order",
        **dict.fromkeys(("GRU", "LSTM", "RNN"), "activation_alpha activation_beta output_sequence"),
        # Of cubic places and of crops, which are refused; outside of a picture a line is level.
        "Resize": "cubic_coeff_a exclude_outside extrapolation_value",
        # In which precision is computed: float32 here.
        "GroupNormalization": "stash_type",
        "LayerNormalization": "stash_type",
        "RMSNormalization": "stash_type",
        "DequantizeLinear": "output_dtype",
    }.items()
}
"""By op ("": all of them), those that change nothing of what is taken here."""
