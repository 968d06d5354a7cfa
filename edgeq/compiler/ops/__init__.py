"""One file per op: what it checks, what it becomes. OPS is the one list of them."""

from __future__ import annotations

from edgeq.compiler.ops.elementwise.absolute import ABS
from edgeq.compiler.ops.elementwise.activations import (
    ELU,
    GELU,
    HARD_SWISH,
    LEAKY_RELU,
    RELU,
    RELU6,
    RELU_N1_TO_1,
)
from edgeq.compiler.ops.elementwise.add import ADD
from edgeq.compiler.ops.elementwise.add_n import ADD_N
from edgeq.compiler.ops.elementwise.arithmetic import FLOOR_DIV, FLOOR_MOD
from edgeq.compiler.ops.elementwise.cast import CAST
from edgeq.compiler.ops.elementwise.comparisons import (
    EQUAL,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    NOT_EQUAL,
)
from edgeq.compiler.ops.elementwise.div import DIV
from edgeq.compiler.ops.elementwise.float_unary import (
    CEIL,
    COS,
    EXP,
    FLOOR,
    LOG,
    NEG,
    ROUND,
    SIN,
    SQRT,
    SQUARE,
)
from edgeq.compiler.ops.elementwise.logical import LOGICAL_AND, LOGICAL_NOT, LOGICAL_OR
from edgeq.compiler.ops.elementwise.logistic import LOGISTIC, TANH
from edgeq.compiler.ops.elementwise.maximum_minimum import MAXIMUM, MINIMUM
from edgeq.compiler.ops.elementwise.mul import MUL
from edgeq.compiler.ops.elementwise.prelu import PRELU
from edgeq.compiler.ops.elementwise.quantize import DEQUANTIZE, QUANTIZE
from edgeq.compiler.ops.elementwise.rsqrt import RSQRT
from edgeq.compiler.ops.elementwise.select import SELECT, SELECT_V2
from edgeq.compiler.ops.elementwise.sign import SIGN
from edgeq.compiler.ops.elementwise.squared_difference import SQUARED_DIFFERENCE
from edgeq.compiler.ops.elementwise.sub import SUB
from edgeq.compiler.ops.frontend.frontend_bands import FRONTEND_BANDS
from edgeq.compiler.ops.frontend.frontend_dct import FRONTEND_DCT
from edgeq.compiler.ops.frontend.frontend_decision import FRONTEND_DECISION
from edgeq.compiler.ops.frontend.frontend_detection import FRONTEND_DETECTION
from edgeq.compiler.ops.frontend.frontend_fft import FRONTEND_FFT
from edgeq.compiler.ops.frontend.frontend_image import FRONTEND_IMAGE
from edgeq.compiler.ops.frontend.frontend_log import FRONTEND_LOG
from edgeq.compiler.ops.frontend.frontend_motion import (
    FRONTEND_AXES,
    FRONTEND_BAND_POWERS,
    FRONTEND_BIQUAD,
    FRONTEND_STATISTICS,
)
from edgeq.compiler.ops.frontend.frontend_stack import FRONTEND_AUTO_SCALE, FRONTEND_STACK
from edgeq.compiler.ops.frontend.frontend_window import FRONTEND_WINDOW
from edgeq.compiler.ops.movement.circular_buffer import CIRCULAR_BUFFER
from edgeq.compiler.ops.movement.dynamic_update_slice import DYNAMIC_UPDATE_SLICE
from edgeq.compiler.ops.movement.embedding_lookup import EMBEDDING_LOOKUP
from edgeq.compiler.ops.movement.fill import FILL, ZEROS_LIKE
from edgeq.compiler.ops.movement.gather import GATHER, GATHER_ND
from edgeq.compiler.ops.movement.join import CONCATENATION, PACK
from edgeq.compiler.ops.movement.mirror_pad import MIRROR_PAD
from edgeq.compiler.ops.movement.pad import PAD, PADV2
from edgeq.compiler.ops.movement.repeat import BROADCAST_TO, TILE
from edgeq.compiler.ops.movement.reshape import EXPAND_DIMS, RESHAPE, SQUEEZE
from edgeq.compiler.ops.movement.resize_bilinear import RESIZE_BILINEAR
from edgeq.compiler.ops.movement.resize_nearest_neighbor import RESIZE_NEAREST_NEIGHBOR
from edgeq.compiler.ops.movement.reverse_v2 import REVERSE_V2
from edgeq.compiler.ops.movement.shape import BROADCAST_ARGS, SHAPE
from edgeq.compiler.ops.movement.slice import SLICE
from edgeq.compiler.ops.movement.space_batch import BATCH_TO_SPACE_ND, SPACE_TO_BATCH_ND
from edgeq.compiler.ops.movement.space_depth import DEPTH_TO_SPACE, SPACE_TO_DEPTH
from edgeq.compiler.ops.movement.split import SPLIT, SPLIT_V, UNPACK
from edgeq.compiler.ops.movement.strided_slice import STRIDED_SLICE
from edgeq.compiler.ops.movement.transpose import TRANSPOSE
from edgeq.compiler.ops.neural.average_pool_2d import AVERAGE_POOL_2D
from edgeq.compiler.ops.neural.batch_matmul import BATCH_MATMUL
from edgeq.compiler.ops.neural.conv_2d import CONV_2D
from edgeq.compiler.ops.neural.depthwise_conv_2d import DEPTHWISE_CONV_2D
from edgeq.compiler.ops.neural.detection_postprocess import DETECTION_POSTPROCESS
from edgeq.compiler.ops.neural.fully_connected import FULLY_CONNECTED
from edgeq.compiler.ops.neural.l2_pool_2d import L2_POOL_2D
from edgeq.compiler.ops.neural.lstm import UNIDIRECTIONAL_SEQUENCE_LSTM
from edgeq.compiler.ops.neural.max_pool_2d import MAX_POOL_2D
from edgeq.compiler.ops.neural.svdf import SVDF
from edgeq.compiler.ops.neural.transpose_conv import TRANSPOSE_CONV
from edgeq.compiler.ops.reduction.arg_min_max import ARG_MAX, ARG_MIN
from edgeq.compiler.ops.reduction.cumsum import CUMSUM
from edgeq.compiler.ops.reduction.l2_normalization import L2_NORMALIZATION
from edgeq.compiler.ops.reduction.log_softmax import LOG_SOFTMAX
from edgeq.compiler.ops.reduction.reduce import (
    MEAN,
    REDUCE_ALL,
    REDUCE_ANY,
    REDUCE_MAX,
    REDUCE_MIN,
    SUM,
)
from edgeq.compiler.ops.reduction.softmax import SOFTMAX
from edgeq.compiler.ops.shared.base import OpKind
from edgeq.compiler.ops.signal.signal_fft import SIGNAL_IRFFT, SIGNAL_RFFT
from edgeq.compiler.ops.signal.signal_filter_bank import (
    SIGNAL_ENERGY,
    SIGNAL_FILTER_BANK,
    SIGNAL_FILTER_BANK_LOG,
    SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION,
    SIGNAL_FILTER_BANK_SQUARE_ROOT,
    SIGNAL_PCAN,
)
from edgeq.compiler.ops.signal.signal_frames import (
    SIGNAL_DELAY,
    SIGNAL_FRAMER,
    SIGNAL_OVERLAP_ADD,
    SIGNAL_STACKER,
)
from edgeq.compiler.ops.signal.signal_window import SIGNAL_FFT_AUTO_SCALE, SIGNAL_WINDOW

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
        SIGN,
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

# The stages of front ends; no file can hold them.
FRONTEND_OPS: dict[str, OpKind] = {
    kind.name: kind
    for kind in (
        FRONTEND_AUTO_SCALE,
        FRONTEND_AXES,
        FRONTEND_BANDS,
        FRONTEND_BAND_POWERS,
        FRONTEND_BIQUAD,
        FRONTEND_DCT,
        FRONTEND_DECISION,
        FRONTEND_DETECTION,
        FRONTEND_FFT,
        FRONTEND_IMAGE,
        FRONTEND_LOG,
        FRONTEND_STACK,
        FRONTEND_STATISTICS,
        FRONTEND_WINDOW,
    )
}
