"""One file per op: what it checks, what it becomes. OPS is the one list of them."""

from __future__ import annotations

from edgeq.ops.absolute import ABS
from edgeq.ops.activations import ELU, GELU, HARD_SWISH, LEAKY_RELU, RELU, RELU6, RELU_N1_TO_1
from edgeq.ops.add import ADD
from edgeq.ops.add_n import ADD_N
from edgeq.ops.arg_min_max import ARG_MAX, ARG_MIN
from edgeq.ops.arithmetic import FLOOR_DIV, FLOOR_MOD
from edgeq.ops.average_pool_2d import AVERAGE_POOL_2D
from edgeq.ops.base import OpKind
from edgeq.ops.batch_matmul import BATCH_MATMUL
from edgeq.ops.cast import CAST
from edgeq.ops.circular_buffer import CIRCULAR_BUFFER
from edgeq.ops.comparisons import EQUAL, GREATER, GREATER_EQUAL, LESS, LESS_EQUAL, NOT_EQUAL
from edgeq.ops.conv_2d import CONV_2D
from edgeq.ops.cumsum import CUMSUM
from edgeq.ops.depthwise_conv_2d import DEPTHWISE_CONV_2D
from edgeq.ops.detection_postprocess import DETECTION_POSTPROCESS
from edgeq.ops.div import DIV
from edgeq.ops.dynamic_update_slice import DYNAMIC_UPDATE_SLICE
from edgeq.ops.embedding_lookup import EMBEDDING_LOOKUP
from edgeq.ops.fill import FILL, ZEROS_LIKE
from edgeq.ops.float_unary import CEIL, COS, EXP, FLOOR, LOG, NEG, ROUND, SIN, SQRT, SQUARE
from edgeq.ops.fully_connected import FULLY_CONNECTED
from edgeq.ops.gather import GATHER, GATHER_ND
from edgeq.ops.join import CONCATENATION, PACK
from edgeq.ops.l2_normalization import L2_NORMALIZATION
from edgeq.ops.l2_pool_2d import L2_POOL_2D
from edgeq.ops.log_softmax import LOG_SOFTMAX
from edgeq.ops.logical import LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR
from edgeq.ops.logistic import LOGISTIC, TANH
from edgeq.ops.lstm import UNIDIRECTIONAL_SEQUENCE_LSTM
from edgeq.ops.max_pool_2d import MAX_POOL_2D
from edgeq.ops.maximum_minimum import MAXIMUM, MINIMUM
from edgeq.ops.mirror_pad import MIRROR_PAD
from edgeq.ops.mul import MUL
from edgeq.ops.pad import PAD, PADV2
from edgeq.ops.prelu import PRELU
from edgeq.ops.quantize import DEQUANTIZE, QUANTIZE
from edgeq.ops.reduce import MEAN, REDUCE_ALL, REDUCE_ANY, REDUCE_MAX, REDUCE_MIN, SUM
from edgeq.ops.repeat import BROADCAST_TO, TILE
from edgeq.ops.reshape import EXPAND_DIMS, RESHAPE, SQUEEZE
from edgeq.ops.resize_bilinear import RESIZE_BILINEAR
from edgeq.ops.resize_nearest_neighbor import RESIZE_NEAREST_NEIGHBOR
from edgeq.ops.reverse_v2 import REVERSE_V2
from edgeq.ops.rsqrt import RSQRT
from edgeq.ops.select import SELECT, SELECT_V2
from edgeq.ops.shape import BROADCAST_ARGS, SHAPE
from edgeq.ops.signal_fft import SIGNAL_IRFFT, SIGNAL_RFFT
from edgeq.ops.signal_filter_bank import (
    SIGNAL_ENERGY,
    SIGNAL_FILTER_BANK,
    SIGNAL_FILTER_BANK_LOG,
    SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION,
    SIGNAL_FILTER_BANK_SQUARE_ROOT,
    SIGNAL_PCAN,
)
from edgeq.ops.signal_frames import (
    SIGNAL_DELAY,
    SIGNAL_FRAMER,
    SIGNAL_OVERLAP_ADD,
    SIGNAL_STACKER,
)
from edgeq.ops.signal_window import SIGNAL_FFT_AUTO_SCALE, SIGNAL_WINDOW
from edgeq.ops.slice import SLICE
from edgeq.ops.softmax import SOFTMAX
from edgeq.ops.space_batch import BATCH_TO_SPACE_ND, SPACE_TO_BATCH_ND
from edgeq.ops.space_depth import DEPTH_TO_SPACE, SPACE_TO_DEPTH
from edgeq.ops.split import SPLIT, SPLIT_V, UNPACK
from edgeq.ops.squared_difference import SQUARED_DIFFERENCE
from edgeq.ops.strided_slice import STRIDED_SLICE
from edgeq.ops.sub import SUB
from edgeq.ops.svdf import SVDF
from edgeq.ops.transpose import TRANSPOSE
from edgeq.ops.transpose_conv import TRANSPOSE_CONV

OPS: dict[str, OpKind] = {
    kind.name: kind
    for kind in (
        ABS,
        ADD,
        ADD_N,
        ARG_MAX,
        ARG_MIN,
        AVERAGE_POOL_2D,
        BATCH_MATMUL,
        BATCH_TO_SPACE_ND,
        BROADCAST_ARGS,
        BROADCAST_TO,
        CAST,
        CEIL,
        CIRCULAR_BUFFER,
        CONCATENATION,
        CONV_2D,
        COS,
        CUMSUM,
        DEPTHWISE_CONV_2D,
        DEPTH_TO_SPACE,
        DEQUANTIZE,
        DETECTION_POSTPROCESS,
        DIV,
        DYNAMIC_UPDATE_SLICE,
        ELU,
        EMBEDDING_LOOKUP,
        EQUAL,
        EXP,
        EXPAND_DIMS,
        FILL,
        FLOOR,
        FLOOR_DIV,
        FLOOR_MOD,
        FULLY_CONNECTED,
        GATHER,
        GATHER_ND,
        GELU,
        GREATER,
        GREATER_EQUAL,
        HARD_SWISH,
        L2_NORMALIZATION,
        L2_POOL_2D,
        LEAKY_RELU,
        LESS,
        LESS_EQUAL,
        LOG,
        LOGICAL_AND,
        LOGICAL_NOT,
        LOGICAL_OR,
        LOGISTIC,
        LOG_SOFTMAX,
        MAXIMUM,
        MAX_POOL_2D,
        MEAN,
        MINIMUM,
        MIRROR_PAD,
        MUL,
        NEG,
        NOT_EQUAL,
        PACK,
        PAD,
        PADV2,
        PRELU,
        QUANTIZE,
        REDUCE_ALL,
        REDUCE_ANY,
        REDUCE_MAX,
        REDUCE_MIN,
        RELU,
        RELU6,
        RELU_N1_TO_1,
        RESHAPE,
        RESIZE_BILINEAR,
        RESIZE_NEAREST_NEIGHBOR,
        REVERSE_V2,
        ROUND,
        RSQRT,
        SELECT,
        SELECT_V2,
        SHAPE,
        SIGNAL_DELAY,
        SIGNAL_ENERGY,
        SIGNAL_FFT_AUTO_SCALE,
        SIGNAL_FILTER_BANK,
        SIGNAL_FILTER_BANK_LOG,
        SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION,
        SIGNAL_FILTER_BANK_SQUARE_ROOT,
        SIGNAL_FRAMER,
        SIGNAL_IRFFT,
        SIGNAL_OVERLAP_ADD,
        SIGNAL_PCAN,
        SIGNAL_RFFT,
        SIGNAL_STACKER,
        SIGNAL_WINDOW,
        SIN,
        SLICE,
        SOFTMAX,
        SPACE_TO_BATCH_ND,
        SPACE_TO_DEPTH,
        SPLIT,
        SPLIT_V,
        SQRT,
        SQUARE,
        SQUARED_DIFFERENCE,
        SQUEEZE,
        STRIDED_SLICE,
        SUB,
        SUM,
        SVDF,
        TANH,
        TILE,
        TRANSPOSE,
        TRANSPOSE_CONV,
        UNIDIRECTIONAL_SEQUENCE_LSTM,
        UNPACK,
        ZEROS_LIKE,
    )
}
