"""The parts of the .tflite schema that edgeq reads: enum names and option tables, as data.

Source: tensorflow/lite/schema/schema.fbs, version 3.
"""

from __future__ import annotations

TENSOR_TYPES: dict[int, str] = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    5: "string",
    6: "bool",
    7: "int16",
    8: "complex64",
    9: "int8",
    10: "float64",
    11: "complex128",
    12: "uint64",
    13: "resource",
    14: "variant",
    15: "uint32",
    16: "uint16",
    17: "int4",
    18: "bfloat16",
    19: "int2",
    20: "uint4",
    21: "float8_e4m3fn",
    22: "float8_e5m2",
}

BUILTIN_OPERATORS: dict[int, str] = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE",
    7: "EMBEDDING_LOOKUP",
    8: "FLOOR",
    9: "FULLY_CONNECTED",
    10: "HASHTABLE_LOOKUP",
    11: "L2_NORMALIZATION",
    12: "L2_POOL_2D",
    13: "LOCAL_RESPONSE_NORMALIZATION",
    14: "LOGISTIC",
    15: "LSH_PROJECTION",
    16: "LSTM",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    20: "RELU_N1_TO_1",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    24: "RNN",
    25: "SOFTMAX",
    26: "SPACE_TO_DEPTH",
    27: "SVDF",
    28: "TANH",
    29: "CONCAT_EMBEDDINGS",
    30: "SKIP_GRAM",
    31: "CALL",
    32: "CUSTOM",
    33: "EMBEDDING_LOOKUP_SPARSE",
    34: "PAD",
    35: "UNIDIRECTIONAL_SEQUENCE_RNN",
    36: "GATHER",
    37: "BATCH_TO_SPACE_ND",
    38: "SPACE_TO_BATCH_ND",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    44: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    45: "STRIDED_SLICE",
    46: "BIDIRECTIONAL_SEQUENCE_RNN",
    47: "EXP",
    48: "TOPK_V2",
    49: "SPLIT",
    50: "LOG_SOFTMAX",
    52: "BIDIRECTIONAL_SEQUENCE_LSTM",
    53: "CAST",
    54: "PRELU",
    55: "MAXIMUM",
    56: "ARG_MAX",
    57: "MINIMUM",
    58: "LESS",
    59: "NEG",
    60: "PADV2",
    61: "GREATER",
    62: "GREATER_EQUAL",
    63: "LESS_EQUAL",
    64: "SELECT",
    65: "SLICE",
    66: "SIN",
    67: "TRANSPOSE_CONV",
    68: "SPARSE_TO_DENSE",
    69: "TILE",
    70: "EXPAND_DIMS",
    71: "EQUAL",
    72: "NOT_EQUAL",
    73: "LOG",
    74: "SUM",
    75: "SQRT",
    76: "RSQRT",
    77: "SHAPE",
    78: "POW",
    79: "ARG_MIN",
    80: "FAKE_QUANT",
    81: "REDUCE_PROD",
    82: "REDUCE_MAX",
    83: "PACK",
    84: "LOGICAL_OR",
    85: "ONE_HOT",
    86: "LOGICAL_AND",
    87: "LOGICAL_NOT",
    88: "UNPACK",
    89: "REDUCE_MIN",
    90: "FLOOR_DIV",
    91: "REDUCE_ANY",
    92: "SQUARE",
    93: "ZEROS_LIKE",
    94: "FILL",
    95: "FLOOR_MOD",
    96: "RANGE",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    100: "MIRROR_PAD",
    101: "ABS",
    102: "SPLIT_V",
    103: "UNIQUE",
    104: "CEIL",
    105: "REVERSE_V2",
    106: "ADD_N",
    107: "GATHER_ND",
    108: "COS",
    109: "WHERE",
    110: "RANK",
    111: "ELU",
    112: "REVERSE_SEQUENCE",
    113: "MATRIX_DIAG",
    114: "QUANTIZE",
    115: "MATRIX_SET_DIAG",
    116: "ROUND",
    117: "HARD_SWISH",
    118: "IF",
    119: "WHILE",
    120: "NON_MAX_SUPPRESSION_V4",
    121: "NON_MAX_SUPPRESSION_V5",
    122: "SCATTER_ND",
    123: "SELECT_V2",
    124: "DENSIFY",
    125: "SEGMENT_SUM",
    126: "BATCH_MATMUL",
    128: "CUMSUM",
    129: "CALL_ONCE",
    130: "BROADCAST_TO",
    131: "RFFT2D",
    132: "CONV_3D",
    133: "IMAG",
    134: "REAL",
    135: "COMPLEX_ABS",
    136: "HASHTABLE",
    137: "HASHTABLE_FIND",
    138: "HASHTABLE_IMPORT",
    139: "HASHTABLE_SIZE",
    140: "REDUCE_ALL",
    141: "CONV_3D_TRANSPOSE",
    142: "VAR_HANDLE",
    143: "READ_VARIABLE",
    144: "ASSIGN_VARIABLE",
    145: "BROADCAST_ARGS",
    146: "RANDOM_STANDARD_NORMAL",
    147: "BUCKETIZE",
    148: "RANDOM_UNIFORM",
    149: "MULTINOMIAL",
    150: "GELU",
    151: "DYNAMIC_UPDATE_SLICE",
    152: "RELU_0_TO_1",
    153: "UNSORTED_SEGMENT_PROD",
    154: "UNSORTED_SEGMENT_MAX",
    155: "UNSORTED_SEGMENT_SUM",
    156: "ATAN2",
    157: "UNSORTED_SEGMENT_MIN",
    158: "SIGN",
    159: "BITCAST",
    160: "BITWISE_XOR",
    161: "RIGHT_SHIFT",
    203: "DILATE",
    205: "REDUCE_WINDOW",
}

# Option table by number in the union BuiltinOptions: (slot, field, kind, default).
# Ops whose table has no field of interest are left out.
OPTION_FIELDS: dict[int, tuple[tuple[int, str, str, int | float], ...]] = {
    # Conv2DOptions
    1: (
        (0, "padding", "i8", 0),
        (1, "stride_w", "i32", 0),
        (2, "stride_h", "i32", 0),
        (3, "fused_activation_function", "i8", 0),
        (4, "dilation_w_factor", "i32", 1),
        (5, "dilation_h_factor", "i32", 1),
        (6, "quantized_bias_type", "i8", 0),
    ),
    # DepthwiseConv2DOptions
    2: (
        (0, "padding", "i8", 0),
        (1, "stride_w", "i32", 0),
        (2, "stride_h", "i32", 0),
        (3, "depth_multiplier", "i32", 0),
        (4, "fused_activation_function", "i8", 0),
        (5, "dilation_w_factor", "i32", 1),
        (6, "dilation_h_factor", "i32", 1),
    ),
    # Pool2DOptions
    5: (
        (0, "padding", "i8", 0),
        (1, "stride_w", "i32", 0),
        (2, "stride_h", "i32", 0),
        (3, "filter_width", "i32", 0),
        (4, "filter_height", "i32", 0),
        (5, "fused_activation_function", "i8", 0),
    ),
    # SVDFOptions
    6: (
        (0, "rank", "i32", 0),
        (1, "fused_activation_function", "i8", 0),
        (2, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # RNNOptions
    7: (
        (0, "fused_activation_function", "i8", 0),
        (1, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # FullyConnectedOptions
    8: (
        (0, "fused_activation_function", "i8", 0),
        (1, "weights_format", "i8", 0),
        (2, "keep_num_dims", "bool", 0),
        (3, "asymmetric_quantize_inputs", "bool", 0),
        (4, "quantized_bias_type", "i8", 0),
    ),
    # SoftmaxOptions
    9: ((0, "beta", "f32", 0.0),),
    # ConcatenationOptions
    10: (
        (0, "axis", "i32", 0),
        (1, "fused_activation_function", "i8", 0),
    ),
    # AddOptions
    11: (
        (0, "fused_activation_function", "i8", 0),
        (1, "pot_scale_int16", "bool", 1),
    ),
    # L2NormOptions
    12: ((0, "fused_activation_function", "i8", 0),),
    # LocalResponseNormalizationOptions
    13: (
        (0, "radius", "i32", 0),
        (1, "bias", "f32", 0.0),
        (2, "alpha", "f32", 0.0),
        (3, "beta", "f32", 0.0),
    ),
    # LSTMOptions
    14: (
        (0, "fused_activation_function", "i8", 0),
        (1, "cell_clip", "f32", 0.0),
        (2, "proj_clip", "f32", 0.0),
        (3, "kernel_type", "i8", 0),
        (4, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # ResizeBilinearOptions
    15: (
        (2, "align_corners", "bool", 0),
        (3, "half_pixel_centers", "bool", 0),
    ),
    # CallOptions
    16: ((0, "subgraph", "u32", 0),),
    # ReshapeOptions
    17: ((0, "new_shape", "[i32]", 0),),
    # SpaceToDepthOptions
    19: ((0, "block_size", "i32", 0),),
    # MulOptions
    21: ((0, "fused_activation_function", "i8", 0),),
    # GatherOptions
    23: (
        (0, "axis", "i32", 0),
        (1, "batch_dims", "i32", 0),
    ),
    # ReducerOptions
    27: ((0, "keep_dims", "bool", 0),),
    # SubOptions
    28: (
        (0, "fused_activation_function", "i8", 0),
        (1, "pot_scale_int16", "bool", 1),
    ),
    # DivOptions
    29: ((0, "fused_activation_function", "i8", 0),),
    # SqueezeOptions
    30: ((0, "squeeze_dims", "[i32]", 0),),
    # SequenceRNNOptions
    31: (
        (0, "time_major", "bool", 0),
        (1, "fused_activation_function", "i8", 0),
        (2, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # StridedSliceOptions
    32: (
        (0, "begin_mask", "i32", 0),
        (1, "end_mask", "i32", 0),
        (2, "ellipsis_mask", "i32", 0),
        (3, "new_axis_mask", "i32", 0),
        (4, "shrink_axis_mask", "i32", 0),
        (5, "offset", "bool", 0),
    ),
    # SplitOptions
    35: ((0, "num_splits", "i32", 0),),
    # CastOptions
    37: (
        (0, "in_data_type", "i8", 0),
        (1, "out_data_type", "i8", 0),
    ),
    # ArgMaxOptions
    40: ((0, "output_type", "i8", 0),),
    # TransposeConvOptions
    49: (
        (0, "padding", "i8", 0),
        (1, "stride_w", "i32", 0),
        (2, "stride_h", "i32", 0),
        (3, "fused_activation_function", "i8", 0),
        (4, "quantized_bias_type", "i8", 0),
    ),
    # SparseToDenseOptions
    50: ((0, "validate_indices", "bool", 0),),
    # ShapeOptions
    55: ((0, "out_type", "i8", 0),),
    # ArgMinOptions
    57: ((0, "output_type", "i8", 0),),
    # FakeQuantOptions
    58: (
        (0, "min", "f32", 0.0),
        (1, "max", "f32", 0.0),
        (2, "num_bits", "i32", 0),
        (3, "narrow_range", "bool", 0),
    ),
    # PackOptions
    59: (
        (0, "values_count", "i32", 0),
        (1, "axis", "i32", 0),
    ),
    # OneHotOptions
    61: ((0, "axis", "i32", 0),),
    # UnpackOptions
    64: (
        (0, "num", "i32", 0),
        (1, "axis", "i32", 0),
    ),
    # BidirectionalSequenceLSTMOptions
    69: (
        (0, "fused_activation_function", "i8", 0),
        (1, "cell_clip", "f32", 0.0),
        (2, "proj_clip", "f32", 0.0),
        (3, "merge_outputs", "bool", 0),
        (4, "time_major", "bool", 1),
        (5, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # BidirectionalSequenceRNNOptions
    70: (
        (0, "time_major", "bool", 0),
        (1, "fused_activation_function", "i8", 0),
        (2, "merge_outputs", "bool", 0),
        (3, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # UnidirectionalSequenceLSTMOptions
    71: (
        (0, "fused_activation_function", "i8", 0),
        (1, "cell_clip", "f32", 0.0),
        (2, "proj_clip", "f32", 0.0),
        (3, "time_major", "bool", 0),
        (4, "asymmetric_quantize_inputs", "bool", 0),
        (5, "diagonal_recurrent_tensors", "bool", 0),
    ),
    # ResizeNearestNeighborOptions
    74: (
        (0, "align_corners", "bool", 0),
        (1, "half_pixel_centers", "bool", 0),
    ),
    # LeakyReluOptions
    75: ((0, "alpha", "f32", 0.0),),
    # MirrorPadOptions
    77: ((0, "mode", "i8", 0),),
    # SplitVOptions
    79: ((0, "num_splits", "i32", 0),),
    # UniqueOptions
    80: ((0, "idx_out_type", "i8", 2),),
    # ReverseSequenceOptions
    87: (
        (0, "seq_dim", "i32", 0),
        (1, "batch_dim", "i32", 0),
    ),
    # IfOptions
    92: (
        (0, "then_subgraph_index", "i32", 0),
        (1, "else_subgraph_index", "i32", 0),
    ),
    # WhileOptions
    93: (
        (0, "cond_subgraph_index", "i32", 0),
        (1, "body_subgraph_index", "i32", 0),
    ),
    # DepthToSpaceOptions
    94: ((0, "block_size", "i32", 0),),
    # BatchMatMulOptions
    101: (
        (0, "adj_x", "bool", 0),
        (1, "adj_y", "bool", 0),
        (2, "asymmetric_quantize_inputs", "bool", 0),
    ),
    # CumsumOptions
    102: (
        (0, "exclusive", "bool", 0),
        (1, "reverse", "bool", 0),
    ),
    # CallOnceOptions
    103: ((0, "init_subgraph_index", "i32", 0),),
    # Conv3DOptions
    106: (
        (0, "padding", "i8", 0),
        (1, "stride_d", "i32", 0),
        (2, "stride_w", "i32", 0),
        (3, "stride_h", "i32", 0),
        (4, "fused_activation_function", "i8", 0),
        (5, "dilation_d_factor", "i32", 1),
        (6, "dilation_w_factor", "i32", 1),
        (7, "dilation_h_factor", "i32", 1),
    ),
    # HashtableOptions
    107: (
        (0, "table_id", "i32", 0),
        (1, "key_dtype", "i8", 0),
        (2, "value_dtype", "i8", 0),
    ),
    # VarHandleOptions
    111: (
        (0, "container", "str", 0),
        (1, "shared_name", "str", 0),
    ),
    # RandomOptions
    114: (
        (0, "seed", "i64", 0),
        (1, "seed2", "i64", 0),
    ),
    # BucketizeOptions
    115: ((0, "boundaries", "[f32]", 0),),
    # GeluOptions
    116: ((0, "approximate", "bool", 0),),
}

# Which option table an op uses when its file does not say: the defaults of these fields hold.
DEFAULT_OPTIONS: dict[str, int] = {
    "ADD": 11,
    "AVERAGE_POOL_2D": 5,
    "CONCATENATION": 10,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 2,
    "DEPTH_TO_SPACE": 94,
    "FULLY_CONNECTED": 8,
    "L2_NORMALIZATION": 12,
    "L2_POOL_2D": 5,
    "LOCAL_RESPONSE_NORMALIZATION": 13,
    "LSTM": 14,
    "MAX_POOL_2D": 5,
    "MUL": 21,
    "RESHAPE": 17,
    "RESIZE_BILINEAR": 15,
    "SOFTMAX": 9,
    "SPACE_TO_DEPTH": 19,
    "SVDF": 6,
    "CALL": 16,
    "GATHER": 23,
    "MEAN": 27,
    "SUB": 28,
    "DIV": 29,
    "SQUEEZE": 30,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 71,
    "STRIDED_SLICE": 32,
    "SPLIT": 35,
    "CAST": 37,
    "ARG_MAX": 40,
    "TRANSPOSE_CONV": 49,
    "SPARSE_TO_DENSE": 50,
    "SUM": 27,
    "SHAPE": 55,
    "ARG_MIN": 57,
    "FAKE_QUANT": 58,
    "REDUCE_PROD": 27,
    "REDUCE_MAX": 27,
    "PACK": 59,
    "ONE_HOT": 61,
    "UNPACK": 64,
    "REDUCE_MIN": 27,
    "REDUCE_ANY": 27,
    "RESIZE_NEAREST_NEIGHBOR": 74,
    "LEAKY_RELU": 75,
    "MIRROR_PAD": 77,
    "SPLIT_V": 79,
    "UNIQUE": 80,
    "REVERSE_SEQUENCE": 87,
    "IF": 92,
    "WHILE": 93,
    "BATCH_MATMUL": 101,
    "CUMSUM": 102,
    "CALL_ONCE": 103,
    "CONV_3D": 106,
    "HASHTABLE": 107,
    "REDUCE_ALL": 27,
    "VAR_HANDLE": 111,
    "BUCKETIZE": 115,
    "GELU": 116,
}
