"""SignalWindow and SignalFftAutoScale: what a frame goes through before its FFT."""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Arg, Call, Node, OpKind, Overlap, require
from edgeq.compiler.ops.shared.custom import int_option, require_elements, require_types

# The shift of the front end of TensorFlow Lite, which the kernels of cores with DSP have.
_Q12 = 12


def _window(node: Node) -> Call:
    """The kernel call for one SignalWindow.

    Source: TFLM signal/micro/kernels/window.cc.
    """
    require_types(node, ("int16", "int16"), ("int16",))
    source, length = node.input(0), node.input(1).elements
    require(
        length > 0 and source.elements % length == 0,
        f"a window of {length} for shape {source.shape}",
    )
    require_elements(node.output(), source.elements)
    shift = int_option(node, "shift", 0, 31)
    if node.isa.has("dsp") and shift == _Q12 and length % 2 == 0:
        return Call(
            "signal_window",
            "eq_signal_window_dsp_s16",
            "eq_signal_window_dsp_params",
            {"frames": source.elements // length, "length": length},
            (INPUT, Arg("input", 1), OUTPUT),
            overlaps=(Overlap(0),),
            kernels="dsp",
        )
    return Call(
        "signal_window",
        "eq_signal_window_s16",
        "eq_signal_window_params",
        {"frames": source.elements // length, "length": length, "shift": shift},
        (INPUT, Arg("input", 1), OUTPUT),
        overlaps=(Overlap(0),),
    )


def _fft_auto_scale(node: Node) -> Call:
    """The kernel call for one SignalFftAutoScale.

    Source: TFLM signal/src/fft_auto_scale.cc.
    """
    require_types(node, ("int16",), ("int16", "int32"))
    require_elements(node.output(), node.input(0).elements)
    require_elements(node.output(1), 1)
    dsp = "_dsp" if node.isa.has("dsp") and node.input(0).elements % 2 == 0 else ""
    return Call(
        "signal_window",
        f"eq_signal_fft_auto_scale{dsp}_s16",
        f"eq_signal_fft_auto_scale{dsp}_params",
        {"size": node.input(0).elements},
        (INPUT, OUTPUT, Arg("output", 1)),
        overlaps=(Overlap(0),),
        kernels="dsp" if dsp else "portable",
    )


SIGNAL_WINDOW = OpKind("SignalWindow", _window, ("int16",), custom=True)
SIGNAL_FFT_AUTO_SCALE = OpKind("SignalFftAutoScale", _fft_auto_scale, ("int16",), custom=True)
