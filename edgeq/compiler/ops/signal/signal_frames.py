"""SignalFramer, SignalStacker, SignalDelay, SignalOverlapAdd: signals cut up and put together.

What the ops remember is kept in order, not in rings as in TensorFlow Lite Micro. Where their second
output says that the first is not valid yet, the first is zeros; in TFLM it is whatever lies there.
"""

from __future__ import annotations

from edgeq.compiler.ops.shared.base import INPUT, OUTPUT, Arg, Call, Node, OpKind, State, require
from edgeq.compiler.ops.shared.custom import (
    custom_options,
    int_option,
    require_elements,
    require_types,
    rows,
)

_HEADER = "signal_frames"
_LONGEST = 1 << 15
_STATE = Arg("state", 1)


def _kept(node: Node) -> tuple[int, int]:
    """How many samples of a row wait for the next frame; how many steps the first frame needs.

    Source: TFLM signal/micro/kernels/framer.cc.
    """
    size = int_option(node, "frame_size", 1, _LONGEST)
    step = int_option(node, "frame_step", 1, _LONGEST)
    prefill = custom_options(node).get("prefill")
    require(isinstance(prefill, int), 'its option "prefill" is missing')
    if prefill:
        require(step <= size, f"frames of {size} with a step of {step} cannot be prefilled")
        return size - step, 0
    steps = -(-size // step)
    return (steps - 1) * step, steps


def _framer_state(node: Node) -> State:
    return State("int16", rows(node.input(0))[0] * _kept(node)[0] + 1)


def _framer(node: Node) -> Call:
    require_types(node, ("int16",), ("int16", "bool"), state=True)
    count, length = rows(node.input(0))
    kept, needed = _kept(node)
    size, step = int_option(node, "frame_size"), int_option(node, "frame_step")
    require(length % step == 0, f"{length} samples are no multiple of a step of {step}")
    frames = length // step
    require_elements(node.output(), count * frames * size)
    require_elements(node.output(1), 1)
    return Call(
        _HEADER,
        "eq_signal_framer",
        "eq_signal_framer_params",
        {
            "rows": count,
            "frames": frames,
            "frame_size": size,
            "frame_step": step,
            "kept": kept,
            "needed": needed,
        },
        (INPUT, _STATE, OUTPUT, Arg("output", 1)),
    )


def _stacked(node: Node) -> tuple[int, int, int]:
    """Channels, copies of the first frame, and frames in an output."""
    channels = int_option(node, "num_channels", 1, _LONGEST)
    left = int_option(node, "stacker_left_context", 0, _LONGEST - 1)
    right = int_option(node, "stacker_right_context", 0, _LONGEST - 1 - left)
    return channels, left, left + right + 1


def _stacker_state(node: Node) -> State:
    channels, _, slots = _stacked(node)
    require(channels * slots <= 1 << 24, f"{slots} frames of {channels} are too many")
    return State("int16", channels * slots + 2)


def _stacker(node: Node) -> Call:
    """Source: TFLM signal/micro/kernels/stacker.cc."""
    require_types(node, ("int16",), ("int16", "bool"), state=True)
    channels, left, slots = _stacked(node)
    require_elements(node.input(0), channels)
    require_elements(node.output(), channels * slots)
    require_elements(node.output(1), 1)
    step = int_option(node, "stacker_step", 1, slots)
    return Call(
        _HEADER,
        "eq_signal_stacker",
        "eq_signal_stacker_params",
        {"channels": channels, "slots": slots, "copies": left, "step": step},
        (INPUT, _STATE, OUTPUT, Arg("output", 1)),
    )


def _delay_state(node: Node) -> State:
    count, _ = rows(node.input(0))
    return State("int16", max(count * int_option(node, "delay_length", 0, _LONGEST), 1))


def _delay(node: Node) -> Call:
    """Source: TFLM signal/micro/kernels/delay.cc."""
    require_types(node, ("int16",), ("int16",), state=True)
    count, length = rows(node.input(0))
    require_elements(node.output(), count * length)
    delay = int_option(node, "delay_length", 0, _LONGEST)
    return Call(
        _HEADER,
        "eq_signal_delay",
        "eq_signal_delay_params",
        {"rows": count, "length": length, "delay": delay},
        (INPUT, _STATE, OUTPUT),
    )


def _framed(node: Node) -> tuple[int, int, int]:
    """Rows, frames in a row, samples in a frame."""
    shape = node.input(0).shape
    require(len(shape) > 1 and node.input(0).elements > 0, f"frames of shape {shape}")
    return node.input(0).elements // (shape[-1] * shape[-2]), shape[-2], shape[-1]


def _overlap_add_state(node: Node) -> State:
    count, _, size = _framed(node)
    return State(node.input(0).dtype, count * size)


def _overlap_add(node: Node) -> Call:
    """Source: TFLM signal/src/overlap_add.cc."""
    dtype = node.input(0).dtype
    require(dtype in ("int16", "float32"), f"{dtype} values")
    require_types(node, (dtype,), (dtype,), state=True)
    count, frames, size = _framed(node)
    step = int_option(node, "frame_step", 1, size)
    require_elements(node.output(), count * frames * step)
    return Call(
        _HEADER,
        f"eq_signal_overlap_add_{'s16' if dtype == 'int16' else 'f32'}",
        "eq_signal_overlap_add_params",
        {"rows": count, "frames": frames, "frame_size": size, "frame_step": step},
        (INPUT, _STATE, OUTPUT),
    )


SIGNAL_DELAY = OpKind("SignalDelay", _delay, ("int16",), state=_delay_state, custom=True)
SIGNAL_FRAMER = OpKind("SignalFramer", _framer, ("int16",), state=_framer_state, custom=True)
SIGNAL_OVERLAP_ADD = OpKind(
    "SignalOverlapAdd", _overlap_add, ("int16", "float32"), state=_overlap_add_state, custom=True
)
SIGNAL_STACKER = OpKind("SignalStacker", _stacker, ("int16",), state=_stacker_state, custom=True)
