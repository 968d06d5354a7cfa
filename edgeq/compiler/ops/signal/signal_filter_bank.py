"""SignalEnergy, SignalPCAN and the SignalFilterBank ops: from a spectrum to channels of sound."""

from __future__ import annotations

import math

import numpy as np

from edgeq.compiler.ops.shared.base import (
    INPUT,
    OUTPUT,
    Arg,
    Call,
    Constant,
    Node,
    OpKind,
    Overlap,
    State,
    constant_args,
    require,
)
from edgeq.compiler.ops.shared.custom import (
    custom_options,
    int_option,
    require_elements,
    require_types,
)

_HEADER = "signal_filter_bank"
# The reference's table of gains: three numbers for every power of two up to 2^32.
_GAINS = 125


def _energy(node: Node) -> Call:
    """Source: TFLM signal/src/energy.cc, which leaves points outside its range as they are."""
    require_types(node, ("int16",), ("uint32",))
    size = node.output().elements
    end = int_option(node, "end_index", 0, min(size, node.input(0).elements // 2))
    return Call(
        _HEADER,
        "eq_signal_energy",
        "eq_signal_energy_params",
        {"size": size, "start": int_option(node, "start_index", 0, end), "end": end},
        (INPUT, OUTPUT),
    )


def _filter_bank(node: Node) -> Call:
    """Source: TFLM signal/src/filter_bank.cc."""
    require_types(node, ("uint32", *("int16",) * 5), ("uint64",))
    channels = int_option(node, "num_channels", 1, 1 << 15)
    require_elements(node.output(), channels)
    frequencies, starts, widths = (node.constant(i).astype(np.int64).ravel() for i in (3, 4, 5))
    bands = channels + 1
    require(
        min(len(frequencies), len(starts), len(widths)) >= bands,
        f"less than {bands} bands",
    )
    used = widths[:bands] > 0
    weights = min(node.input(1).elements, node.input(2).elements)
    for first, limit in ((frequencies, node.input(0).elements), (starts, weights)):
        inside = (first[:bands] >= 0) & (first[:bands] + widths[:bands] <= limit)
        require(bool(np.all(inside | ~used)), f"a band lies outside the {limit} values there are")
    # A band without width must not move a pointer outside its array.
    tables = [np.where(used, first[:bands], 0) for first in (frequencies, starts)]
    return Call(
        _HEADER,
        "eq_signal_filter_bank",
        "eq_signal_filter_bank_params",
        {"channels": channels, "positive": int(_are_positive(node))},
        (INPUT, *(Arg("input", i) for i in (1, 2)), *constant_args(3), OUTPUT),
        (
            Constant("frequency_starts", "int16_t", tables[0]),
            Constant("weight_starts", "int16_t", tables[1]),
            Constant("widths", "int16_t", widths[:bands]),
        ),
    )


def _are_positive(node: Node) -> bool:
    """Whether the weights are known and none is below 0."""
    tables = [node.input(i).data for i in (1, 2)]
    return all(table is not None and int(table.min()) >= 0 for table in tables)


def _square_root(node: Node) -> Call:
    """Source: TFLM signal/src/square_root_64.cc."""
    require_types(node, ("uint64", "int32"), ("uint32",))
    require_elements(node.input(1), 1)
    require_elements(node.output(), node.input(0).elements)
    return Call(
        _HEADER,
        "eq_signal_filter_bank_square_root",
        "eq_signal_filter_bank_square_root_params",
        {"size": node.output().elements},
        (INPUT, Arg("input", 1), OUTPUT),
        overlaps=(Overlap(0),),
    )


def _estimates(node: Node) -> State:
    return State("uint32", int_option(node, "num_channels", 1, 1 << 15))


def _spectral_subtraction(node: Node) -> Call:
    """Source: TFLM signal/src/filter_bank_spectral_subtraction.cc."""
    require_types(node, ("uint32",), ("uint32", "uint32"), state=True)
    size = int_option(node, "num_channels", 1, 1 << 15)
    for tensor in (node.input(0), node.output(), node.output(1)):
        require_elements(tensor, size)
    prefixes = ("", "alternate_")
    clamping = custom_options(node).get("clamping")
    require(isinstance(clamping, int), 'its option "clamping" is missing')
    return Call(
        _HEADER,
        "eq_signal_filter_bank_spectral_subtraction",
        "eq_signal_filter_bank_spectral_subtraction_params",
        {
            "size": size,
            "smoothing": [int_option(node, f"{prefix}smoothing") for prefix in prefixes],
            "one_minus_smoothing": [
                int_option(node, f"{prefix}one_minus_smoothing") for prefix in prefixes
            ],
            "min_signal_remaining": int_option(node, "min_signal_remaining"),
            "smoothing_bits": int_option(node, "smoothing_bits", 0, 31),
            "bits": int_option(node, "spectral_subtraction_bits", 0, 63),
            "clamping": int(bool(clamping)),
        },
        (INPUT, Arg("state", 1), OUTPUT, Arg("output", 1)),
    )


def _pcan(node: Node) -> Call:
    """Source: TFLM signal/src/pcan_argc_fixed.cc."""
    require_types(node, ("uint32", "uint32", "int16"), ("uint32",))
    size = node.input(0).elements
    require_elements(node.input(1), size)
    require_elements(node.output(), size)
    require(node.input(2).elements >= _GAINS, f"{node.input(2).elements} gains, not {_GAINS}")
    return Call(
        _HEADER,
        "eq_signal_pcan",
        "eq_signal_pcan_params",
        {"size": size, "snr_shift": int_option(node, "snr_shift", 0, 63)},
        (INPUT, Arg("input", 1), Arg("input", 2), OUTPUT),
        overlaps=(Overlap(0),),
    )


def _log(node: Node) -> Call:
    """Source: TFLM signal/src/log.cc; its table is what a line over each piece is too low."""
    require_types(node, ("uint32",), ("int16",))
    size = node.input(0).elements
    require_elements(node.output(), size)
    ends = [i / 128 for i in range(129)]
    pieces = np.asarray([round(65536 * (math.log2(1 + x) - x)) for x in ends])
    return Call(
        _HEADER,
        "eq_signal_filter_bank_log",
        "eq_signal_filter_bank_log_params",
        {
            "size": size,
            "output_scale": int_option(node, "output_scale"),
            "correction_bits": int_option(node, "input_correction_bits", 0, 31),
        },
        (INPUT, *constant_args(1), OUTPUT),
        (Constant("log2", "uint16_t", pieces, "65536 * (log2(1 + x) - x), x = i / 128"),),
    )


SIGNAL_ENERGY = OpKind("SignalEnergy", _energy, ("int16",), custom=True)
SIGNAL_FILTER_BANK = OpKind("SignalFilterBank", _filter_bank, ("uint32",), custom=True)
SIGNAL_FILTER_BANK_LOG = OpKind("SignalFilterBankLog", _log, ("uint32",), custom=True)
SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION = OpKind(
    "SignalFilterBankSpectralSubtraction",
    _spectral_subtraction,
    ("uint32",),
    state=_estimates,
    custom=True,
)
SIGNAL_FILTER_BANK_SQUARE_ROOT = OpKind(
    "SignalFilterBankSquareRoot", _square_root, ("uint64",), custom=True
)
SIGNAL_PCAN = OpKind("SignalPCAN", _pcan, ("uint32",), custom=True)
