"""The ops that a PyTorch program may hold: what computes, and nothing that opens or writes."""

from __future__ import annotations

FUNCTIONS = frozenset(
    f"_operator.{name}"
    for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "getitem", "eq", "ne",
                 "lt", "le", "gt", "ge", "pow")
)  # fmt: skip
"""Python's own, on sizes and tuples."""

_NAMES = """
_adaptive_avg_pool2d _assert_tensor_metadata _log_softmax _native_batch_norm_legit
_native_batch_norm_legit_no_training _safe_softmax _scaled_dot_product_attention_math _softmax
_to_copy _unsafe_view abs absolute acos adaptive_avg_pool1d adaptive_avg_pool2d
adaptive_max_pool1d adaptive_max_pool2d add add_ addmm addmv alias all amax amin any arange argmax
argmin as_strided asin atan atan2 avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bitwise_and
bitwise_not bitwise_or bmm bucketize cat ceil celu channel_shuffle chunk clamp clamp_ clamp_max
clamp_min clone concat constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose1d
conv_transpose2d conv_transpose3d convolution copy cos cosh cumsum detach detach_ diff div div_
dropout dropout_ einsum elu elu_ embedding empty eq erf exp expand expand_as expm1 eye
feature_dropout flatten flip floor floor_divide fmod full full_like gather ge gelu getitem glu
grid_sampler group_norm gru gt hann_window hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh
hardtanh_ index index_select instance_norm isnan layer_norm le leaky_relu leaky_relu_
lift_fresh_copy linalg_vector_norm linear log log1p log2 log_sigmoid log_softmax logical_and
logical_not logical_or logit logsumexp lstm lt masked_fill matmul max max_pool1d max_pool2d
max_pool2d_with_indices max_pool3d maximum mean min minimum mish mish_ mm movedim mul mul_ narrow
native_batch_norm native_group_norm native_layer_norm ne neg new_full new_ones new_zeros nonzero
norm one_hot ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu prod quick_gelu
reciprocal reflection_pad1d reflection_pad2d relu relu6 relu6_ relu_ remainder repeat
repeat_interleave replication_pad1d replication_pad2d reshape reshape_as rms_norm rnn_relu
rnn_tanh roll round rsqrt rsub scalar_tensor scaled_dot_product_attention select selu selu_
sigmoid sigmoid_ sign silu silu_ sin sinh slice softmax softplus softshrink softsign split
split_with_sizes sqrt square squeeze stack std sub sub_ sum sym_size t tan tanh tanh_ tanhshrink
tensor_split threshold threshold_ tile to topk transpose tril triu true_divide type_as unbind
unflatten unfold unsafe_chunk unsafe_split unsqueeze upsample_bilinear2d upsample_linear1d
upsample_nearest1d upsample_nearest2d var var_mean view view_as where zeros zeros_like
"""


class _Known:
    """Names such as "torch.ops.aten.conv2d.default"; each form of an op is as good as the other."""

    _names = frozenset(_NAMES.split())

    def __contains__(self, target: object) -> bool:
        parts = target.split(".") if isinstance(target, str) else []
        known = (
            len(parts) == 5 and parts[:3] == ["torch", "ops", "aten"] and parts[3] in self._names
        )
        return known and parts[4].isidentifier()


OPS = _Known()
"""ATen's."""
