"""How each layer and activation of Keras is put into a small net, for `benchmarks.layers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

IMAGE, STEPS, VECTOR, VOLUME, PIXELS = (8, 8, 4), (8, 6), (12,), (4, 4, 4, 3), (12, 12, 3)
Call = Callable[[Any, Any], Any]
"""From keras.layers and a value to what the layer makes of it."""


@dataclass(frozen=True)
class Recipe:
    """One way to use a layer.

    Attributes:
        note: What is unusual about it; empty for the defaults.
        shape: Of the input, without the batch.
        call: Puts the layer behind a value.
        kind: What the input holds: "float" (a layer of weights comes first, so that the layer reads
            activations), "raw" (the input itself), "pixels" (0 to 255), "index" (0 to 9).
    """

    note: str
    shape: tuple[int, ...]
    call: Call
    kind: str = "float"


NO_DEVICE = {
    "Layer": "the base class: it computes nothing",
    "Wrapper": "a base class: it computes nothing",
    "InputLayer": "stands in every row: inputs take the scheme's type",
    "FlaxLayer": "wraps a Flax module: refused as code in the file",
    "JaxLayer": "wraps a JAX function: refused as code in the file",
    "TorchModuleWrapper": "wraps a PyTorch module: refused as code in the file",
    "TFSMLayer": "wraps a SavedModel: convert that",
    "StringLookup": "takes text, which no integer device has",
    "TextVectorization": "takes text, which no integer device has",
    "Hashing": "takes text or numbers to be hashed, which no integer device does",
    "HashedCrossing": "takes text or numbers to be hashed, which no integer device does",
    "Equalization": "Keras 3.15 itself cannot build a Functional model with it",
    "MaxNumBoundingBoxes": "pads labels of a data set; it takes dictionaries of boxes",
}
"""Layers without a row of figures, and why."""


def plain(name: str, **settings: Any) -> Call:
    """A layer with some settings."""
    return lambda layers, value: getattr(layers, name)(**settings)(value)


def _merged(name: str, **settings: Any) -> Call:
    return lambda layers, value: getattr(layers, name)(**settings)(
        [value, layers.Dense(int(value.shape[-1]), "tanh")(value)]
    )


def _with_model(make: Callable[[Any], Any]) -> Call:
    """A layer that is made of keras.layers."""
    return lambda layers, value: make(layers)(value)


def _attention(name: str, **settings: Any) -> Call:
    return lambda layers, value: getattr(layers, name)(**settings)(value, value)


def _masked(layers: Any, value: Any) -> Any:
    return layers.LSTM(4)(layers.Masking()(value))


_IMAGES: dict[str, tuple[dict[str, Any], ...]] = {
    "Conv2D": ({"filters": 6, "kernel_size": 3},
               {"filters": 6, "kernel_size": 3, "padding": "same", "strides": 2},
               {"filters": 6, "kernel_size": 3, "dilation_rate": 2},
               {"filters": 6, "kernel_size": 3, "groups": 2},
               {"filters": 6, "kernel_size": 3, "data_format": "channels_first"}),
    "DepthwiseConv2D": ({"kernel_size": 3}, {"kernel_size": 3, "depth_multiplier": 2},
                        {"kernel_size": 3, "dilation_rate": 2},
                        {"kernel_size": 3, "strides": 2, "padding": "same"}),
    "SeparableConv2D": ({"filters": 6, "kernel_size": 3},
                        {"filters": 6, "kernel_size": 3, "depth_multiplier": 2}),
    "Conv2DTranspose": ({"filters": 6, "kernel_size": 3},
                        {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"}),
    "MaxPooling2D": ({}, {"pool_size": 3, "strides": 1, "padding": "same"},
                     {"data_format": "channels_first"}),
    "AveragePooling2D": ({"pool_size": 2}, {"pool_size": 3, "strides": 1, "padding": "same"}),
    "AdaptiveAveragePooling2D": ({"output_size": 4},),
    "AdaptiveMaxPooling2D": ({"output_size": 4},),
    "GlobalAveragePooling2D": ({}, {"keepdims": True}),
    "GlobalMaxPooling2D": ({}, {"keepdims": True}),
    "UpSampling2D": ({}, {"interpolation": "bilinear"}, {"interpolation": "bicubic"},
                     {"size": (1, 3)}),
    "ZeroPadding2D": ({}, {"padding": ((0, 1), (2, 1))}), "Cropping2D": ({"cropping": 1},),
    "Resizing": ({"height": 5, "width": 5}, {"height": 16, "width": 16, "interpolation": "nearest"},
                 {"height": 6, "width": 6, "crop_to_aspect_ratio": True}),
    "CenterCrop": ({"height": 4, "width": 4},), "SpatialDropout2D": ({"rate": 0.2},),
    "GroupNormalization": ({"groups": 2}, {"groups": -1}),
    "PReLU": ({}, {"shared_axes": (1, 2)}), "Permute": ({"dims": (3, 1, 2)},),
    "Flatten": ({}, {"data_format": "channels_first"}), "Reshape": ({"target_shape": (32, 8)},),
}  # fmt: skip
_SEQUENCES: dict[str, tuple[dict[str, Any], ...]] = {
    "Conv1D": ({"filters": 6, "kernel_size": 3},
               {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
               {"filters": 6, "kernel_size": 3, "padding": "same", "strides": 2},
               {"filters": 6, "kernel_size": 3, "groups": 3}),
    "DepthwiseConv1D": ({"kernel_size": 3}, {"kernel_size": 3, "depth_multiplier": 2}),
    "SeparableConv1D": ({"filters": 6, "kernel_size": 3},),
    "Conv1DTranspose": ({"filters": 6, "kernel_size": 3},
                        {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"}),
    "MaxPooling1D": ({}, {"padding": "same", "strides": 1}),
    "AveragePooling1D": ({"pool_size": 2},),
    "AdaptiveAveragePooling1D": ({"output_size": 4},),
    "AdaptiveMaxPooling1D": ({"output_size": 4},),
    "GlobalAveragePooling1D": ({}, {"keepdims": True}), "GlobalMaxPooling1D": ({},),
    "UpSampling1D": ({},), "ZeroPadding1D": ({},), "Cropping1D": ({},),
    "SpatialDropout1D": ({"rate": 0.2},),
    "LSTM": ({"units": 5}, {"units": 5, "return_sequences": True, "go_backwards": True}),
    "GRU": ({"units": 5}, {"units": 5, "reset_after": False}), "SimpleRNN": ({"units": 5},),
    "LayerNormalization": ({}, {"axis": (1, 2)}), "RMSNormalization": ({},),
    "UnitNormalization": ({},),
    "EinsumDense": ({"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"},),
    "Softmax": ({}, {"axis": 1}),
}  # fmt: skip
_VECTORS: dict[str, tuple[dict[str, Any], ...]] = {
    "Dense": ({"units": 6}, {"units": 6, "activation": "relu", "use_bias": False}),
    "Activation": ({"activation": "relu"},), "ReLU": ({}, {"max_value": 6.0},
                                                      {"negative_slope": 0.1, "threshold": 0.2}),
    "LeakyReLU": ({}, {"negative_slope": 1.5}), "ELU": ({}, {"alpha": 0.5}),
    "RepeatVector": ({"n": 3},), "Dropout": ({"rate": 0.2},), "AlphaDropout": ({"rate": 0.2},),
    "GaussianDropout": ({"rate": 0.2},), "GaussianNoise": ({"stddev": 0.2},),
    "ActivityRegularization": ({},), "Identity": ({},), "BatchNormalization": ({},),
    "Rescaling": ({"scale": 0.5, "offset": 0.1},),
    "Normalization": ({"mean": 0.3, "variance": 2.0},),
}  # fmt: skip
_VOLUMES: dict[str, tuple[dict[str, Any], ...]] = {
    "Conv3D": ({"filters": 4, "kernel_size": 2},), "Conv3DTranspose": ({"filters": 4,
                                                                       "kernel_size": 2},),
    "MaxPooling3D": ({},), "AveragePooling3D": ({"pool_size": 2},), "GlobalAveragePooling3D": ({},),
    "GlobalMaxPooling3D": ({},), "UpSampling3D": ({},), "ZeroPadding3D": ({},), "Cropping3D": ({},),
    "AdaptiveAveragePooling3D": ({"output_size": 2},),
    "AdaptiveMaxPooling3D": ({"output_size": 2},),
    "SpatialDropout3D": ({"rate": 0.2},),
}  # fmt: skip
_PIXELS: dict[str, dict[str, Any]] = {
    "RandomBrightness": {"factor": 0.2}, "RandomContrast": {"factor": 0.2},
    "RandomCrop": {"height": 8, "width": 8}, "RandomRotation": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1}, "RandomColorDegeneration": {"factor": 0.2},
    "RandomHue": {"factor": 0.2}, "RandomPosterization": {"factor": 4},
    "RandomSaturation": {"factor": 0.2}, "RandomSharpness": {"factor": 0.2},
    "RandomColorJitter": {"brightness_factor": 0.2}, "RandomInvert": {"factor": 0.2},
}  # fmt: skip
_SPECIAL: dict[str, tuple[Recipe, ...]] = {
    "Concatenate": (Recipe("", VECTOR, _merged("Concatenate")),
                    Recipe("axis=1", STEPS, _merged("Concatenate", axis=1))),
    "Dot": (Recipe("axes=1", VECTOR, _merged("Dot", axes=1)),
            Recipe("axes=(2, 2)", STEPS, _merged("Dot", axes=(2, 2)))),
    "Attention": (Recipe("", STEPS, _merged("Attention")),),
    "AdditiveAttention": (Recipe("", STEPS, _merged("AdditiveAttention")),),
    "MultiHeadAttention": (
        Recipe("2 heads", STEPS, _attention("MultiHeadAttention", num_heads=2, key_dim=4)),),
    "GroupQueryAttention": (
        Recipe("4 heads, 2 groups", STEPS, _attention(
            "GroupQueryAttention", head_dim=4, num_query_heads=4, num_key_value_heads=2)),),
    "Embedding": (Recipe("", VECTOR, plain("Embedding", input_dim=10, output_dim=6), "index"),
                  Recipe("mask_zero", VECTOR, lambda layers, value: layers.GlobalAveragePooling1D()(
                      layers.Embedding(10, 6, mask_zero=True)(value)), "index")),
    "ReversibleEmbedding": (
        Recipe("", VECTOR, plain("ReversibleEmbedding", input_dim=10, output_dim=6), "index"),),
    "CategoryEncoding": (
        Recipe("", VECTOR, plain("CategoryEncoding", num_tokens=10), "index"),
        Recipe("one_hot", (1,), plain("CategoryEncoding", num_tokens=10, output_mode="one_hot"),
               "index")),
    "IntegerLookup": (
        Recipe("", VECTOR, plain("IntegerLookup", vocabulary=[1, 2, 5]), "index"),
        Recipe("one_hot", (1,), plain("IntegerLookup", vocabulary=[1, 2, 5], output_mode="one_hot"),
               "index")),
    "Discretization": (
        Recipe("", VECTOR, plain("Discretization", bin_boundaries=[0.0, 0.5]), "raw"),),
    "Masking": (Recipe("before an LSTM", STEPS, _masked, "raw"),),
    "Lambda": (
        Recipe("x * 2", VECTOR, lambda layers, value: layers.Lambda(lambda x: x * 2)(value)),),
    "TimeDistributed": (
        Recipe("Dense", STEPS, _with_model(lambda layers: layers.TimeDistributed(layers.Dense(5)))),
        Recipe("Conv2D", (3, *IMAGE), _with_model(
            lambda layers: layers.TimeDistributed(layers.Conv2D(4, 3))))),
    "Bidirectional": (Recipe("LSTM", STEPS, _with_model(
        lambda layers: layers.Bidirectional(layers.LSTM(4)))),),
    "SpectralNormalization": (Recipe("Dense", VECTOR, _with_model(
        lambda layers: layers.SpectralNormalization(layers.Dense(5)))),),
    "LSTMCell": (
        Recipe("in RNN", STEPS, _with_model(lambda layers: layers.RNN(layers.LSTMCell(4)))),),
    "GRUCell": (
        Recipe("in RNN", STEPS, _with_model(lambda layers: layers.RNN(layers.GRUCell(4)))),),
    "SimpleRNNCell": (
        Recipe("in RNN", STEPS, _with_model(lambda layers: layers.RNN(layers.SimpleRNNCell(4)))),),
    "RNN": (Recipe("SimpleRNNCell", STEPS, _with_model(
        lambda layers: layers.RNN(layers.SimpleRNNCell(4), return_sequences=True))),),
    "StackedRNNCells": (Recipe("in RNN", STEPS, _with_model(lambda layers: layers.RNN(
        layers.StackedRNNCells([layers.SimpleRNNCell(4), layers.LSTMCell(3)])))),),
    "ConvLSTM1D": (Recipe("", (3, *STEPS), plain("ConvLSTM1D", filters=3, kernel_size=2)),),
    "ConvLSTM2D": (Recipe("", (3, *IMAGE), plain("ConvLSTM2D", filters=3, kernel_size=2)),),
    "ConvLSTM3D": (Recipe("", (2, *VOLUME), plain("ConvLSTM3D", filters=2, kernel_size=2)),),
    "MelSpectrogram": (Recipe("", (4096,), plain("MelSpectrogram"), "raw"),),
    "STFTSpectrogram": (Recipe("", (1024, 1), plain("STFTSpectrogram"), "raw"),),
    "Pipeline": (Recipe("Rescaling", PIXELS, _with_model(
        lambda layers: layers.Pipeline([layers.Rescaling(1 / 255.0)])), "pixels"),),
}  # fmt: skip


def recipes(name: str) -> Iterator[Recipe]:
    """The ways to use a layer that are measured; what nobody thought of is tried plainly."""
    if name in _SPECIAL:
        yield from _SPECIAL[name]
        return
    for shape, group in (
        (IMAGE, _IMAGES), (STEPS, _SEQUENCES), (VECTOR, _VECTORS), (VOLUME, _VOLUMES),
    ):  # fmt: skip
        for settings in group.get(name, ()):
            yield Recipe(_words(settings), shape, plain(name, **settings))
        if name in group:
            return
    if name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"):
        yield Recipe("", VECTOR, _merged(name))
        return
    # What is left augments pictures, or is new in Keras.
    settings = _PIXELS.get(name, {})
    yield Recipe(_words(settings), PIXELS, plain(name, **settings), "pixels")


def _words(settings: dict[str, Any]) -> str:
    """Settings as they are written, without those that every such layer needs."""
    usual = {"filters", "units", "kernel_size", "rate", "n"}
    settings = {k: v for k, v in settings.items() if (k, v) != ("pool_size", 2)}
    return ", ".join(f"{key}={value!r}" for key, value in settings.items() if key not in usual)


ACTIVATION_SETTINGS: dict[str, dict[str, Any]] = {
    "threshold": {"threshold": 0.3, "default_value": 0.0}
}
"""Arguments of the activations that need some."""
REMARKS = {
    "MelSpectrogram": "as the first layer of a model it becomes a front end (frontends.md)",
    "STFTSpectrogram": "as the first layer of a model it becomes a front end (frontends.md); as a "
    "layer, a spectrum spans more than 8 bits tell, and more than 16 where it is squared: convert "
    "refuses it by its quality check",
    "Discretization": "a value within half a step of a boundary may fall into the bin beside",
    "LSTMCell: in RNN": "an LSTM step by step, its state rounded at each op",
}
"""Why a figure is low, by name and note."""
