"""The TensorFlow ops that a model for a device may hold, as a closed list.

They compute, move numbers, or keep a variable. What reads or writes files, talks to other
processes or machines, runs Python, prints or waits is not among them, whatever comes with the next
TensorFlow.
"""

from __future__ import annotations

_NUMBERS = """
Abs Acos Acosh Add AddN AddV2 AccumulateNV2 All Any ApproximateEqual ArgMax ArgMin Asin Asinh Atan
Atan2 Atanh BesselI0e BesselI1e BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil ClipByValue
Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp Digamma Div DivNoNan
Einsum Elu Equal Erf Erfc Erfinv EuclideanNorm Exp Expm1 FFT FFT2D Floor FloorDiv FloorMod Greater
GreaterEqual IFFT IFFT2D IRFFT IRFFT2D Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan
L2Loss LeakyRelu LeftShift Less LessEqual Lgamma LinSpace Log Log1p LogSoftmax LogicalAnd
LogicalNot LogicalOr MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Max Maximum Mean Min Minimum
Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Pow Prod RFFT RFFT2D Range Real RealDiv Reciprocal
Relu Relu6 RightShift Rint Round Rsqrt SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum
Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Sum Tan Tanh
TruncateDiv TruncateMod UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
UnsortedSegmentSum Xdivy Xlog1py Xlogy Zeta
"""

_LAYERS = """
AvgPool AvgPool3D BiasAdd BiasAddV1 Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D
Conv3DBackpropInputV2 CropAndResize CombinedNonMaxSuppression CTCGreedyDecoder Dilation2D
DepthwiseConv2dNative FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 InTopK InTopKV2 LRN MaxPool
MaxPool3D MaxPoolV2 MaxPoolWithArgmax Mfcc AudioSpectrogram NonMaxSuppression NonMaxSuppressionV2
NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 NthElement ResizeArea ResizeBicubic
ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate RGBToHSV HSVToRGB AdjustContrastv2 AdjustHue
AdjustSaturation SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits TopK TopKV2
FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
QuantizeV2 Dequantize LSTMBlockCell GRUBlockCell BlockLSTM BlockLSTMV2
"""

_SHAPES = """
BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastTo BroadcastGradientArgs Concat
ConcatOffset ConcatV2 Const DepthToSpace Diag DiagPart DynamicPartition DynamicStitch
ParallelDynamicStitch EnsureShape ExpandDims ExtractImagePatches ExtractVolumePatches Empty Fill
Gather GatherNd GatherV2 Identity IdentityN InvertPermutation ListDiff MatrixBandPart MatrixDiag
MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag
MatrixSetDiagV2 MatrixSetDiagV3 MirrorPad OneHot OnesLike Pack Pad PadV2 Placeholder
PlaceholderWithDefault PreventGradient Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd
Select SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth
SparseToDense Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd TensorScatterMax
TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose
ConjugateTranspose Unique UniqueV2 Unpack UnravelIndex Where ZerosLike DataFormatDimMap
DataFormatVecPermute LowerBound UpperBound Bincount DenseBincount
"""

_FLOW = """
Case Enter Exit If LoopCond Merge NextIteration NoOp ControlTrigger PartitionedCall
StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch While ToBool Assert
EmptyTensorList TensorListConcat TensorListConcatV2 TensorListElementShape TensorListFromTensor
TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter
TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit
TensorListStack TensorArrayV3 TensorArrayReadV3 TensorArrayWriteV3 TensorArrayGatherV3
TensorArrayScatterV3 TensorArraySizeV3 TensorArrayConcatV3 TensorArraySplitV3 TensorArrayCloseV3
"""

_VARIABLES = """
VarHandleOp ReadVariableOp AssignVariableOp AssignAddVariableOp AssignSubVariableOp
VarIsInitializedOp IsVariableInitialized VariableShape ResourceGather ResourceGatherNd
ResourceScatterUpdate ResourceScatterAdd ResourceStridedSliceAssign Variable VariableV2 Assign
AssignAdd AssignSub CheckNumerics CheckNumericsV2 GuaranteeConst
"""

# Dropout's leftovers and the initial values of variables.
_RANDOM = """
RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal RandomShuffle Multinomial
StatelessMultinomial StatelessRandomGetAlg StatelessRandomGetKeyCounter
StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
StatelessRandomUniform StatelessRandomUniformV2 StatelessRandomUniformFullInt
StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
StatelessTruncatedNormal StatelessTruncatedNormalV2
"""

HARMLESS_OPS = frozenset(f"{_NUMBERS} {_LAYERS} {_SHAPES} {_FLOW} {_VARIABLES} {_RANDOM}".split())
