"""The signal ops and CIRCULAR_BUFFER, custom ops whose options are flexbuffers."""

import math

import numpy as np
from flatbuffers import flexbuffers

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build, single_op
from tests.oracle.check import Case, random_case
from tests.oracle.generators.values import case_seed, chance, extent, scale, shape, zero_point

CALLS = 8
_TYPE_NUMBER = {"float32": 0, "int16": 7, "int32": 2}


def op(name, inputs, outputs, **options):
    """A model of one custom op."""
    return single_op(name, inputs, outputs, custom_options=bytes(flexbuffers.Dumps(options)))


def window(rng, size):
    dimensions = shape(rng, size, extent(rng, 3))
    weights = rng.integers(-32768, 32768, dimensions[-1]).astype(np.int16)
    table = TensorSpec(weights.shape, "int16", data=weights)
    x, y = TensorSpec(dimensions, "int16"), TensorSpec(dimensions, "int16")
    model = op("SignalWindow", [x, table], [y], shift=int(rng.integers(0, 32)))
    return random_case("SignalWindow", model, seed=case_seed(rng))


def fft_auto_scale(rng, size):
    length = extent(rng, 4 * size)
    x, y = TensorSpec((length,), "int16"), TensorSpec((length,), "int16")
    model = op("SignalFftAutoScale", [x], [y, TensorSpec((), "int32")])
    reach = [1, 2, 100, 1 << 14, (1 << 14) + 1, 32768]
    calls = [[rng.integers(-r, r, length).astype(np.int16)] for r in reach]
    return Case("SignalFftAutoScale", model, [*calls, [np.zeros(length, np.int16)]])


def _signal(rng, dimensions, dtype):
    """Noise, a tone, silence, and the largest values there are."""
    if dtype == "float32":
        return [
            rng.normal(size=dimensions).astype(dtype),
            np.zeros(dimensions, dtype),
            np.sin(np.arange(math.prod(dimensions))).reshape(dimensions).astype(dtype),
        ]
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    tone = np.sin(np.arange(math.prod(dimensions)) * 0.3).reshape(dimensions) * high
    return [
        rng.integers(low, high, dimensions, dtype, endpoint=True),
        rng.integers(low // 256, high // 256, dimensions, dtype),
        rng.choice(np.asarray([low, high], dtype), dimensions),
        np.full(dimensions, low, dtype),
        np.full(dimensions, high, dtype),
        np.zeros(dimensions, dtype),
        tone.astype(dtype),
    ]


def fft(dtype, inverse):
    """A generator of FFTs; not all samples need to be given."""

    def make(rng, size):
        length = 2 ** (1 + extent(rng, size))
        front = shape(rng, 2, int(rng.integers(0, 3)))
        given = length if inverse or chance(rng, 0.5) else extent(rng, length)
        spectrum, signal = (*front, length + 2), (*front, given)
        x, y = (spectrum, signal) if inverse else (signal, spectrum)
        name = "SignalIrfft" if inverse else "SignalRfft"
        options = {"T": _TYPE_NUMBER[dtype], "fft_length": length}
        model = op(name, [TensorSpec(x, dtype)], [TensorSpec(y, dtype)], **options)
        calls = [[value] for value in _signal(rng, x, dtype)]
        return Case(f"{name} {dtype} {length}", model, calls)

    return make


def energy(rng, size):
    points = extent(rng, 2 * size)
    x, y = TensorSpec((2 * points,), "int16"), TensorSpec((points,), "uint32")
    model = op("SignalEnergy", [x], [y], start_index=0, end_index=points)
    return random_case("SignalEnergy", model, seed=case_seed(rng))


def filter_bank(rng, size):
    channels, points = extent(rng, size), extent(rng, 8 * size)
    widths = rng.integers(0, points + 1, channels + 1)
    frequencies = [int(rng.integers(0, points - w + 1)) for w in widths]
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    weights = rng.integers(-32768, 32768, max(int(widths.sum()), 1))
    tables = [weights, 4096 - weights // 8, frequencies, starts, widths]
    constants = [
        TensorSpec((len(t),), "int16", data=np.asarray(t).astype(np.int16)) for t in tables
    ]
    x, y = TensorSpec((points,), "uint32"), TensorSpec((channels,), "uint64")
    model = op("SignalFilterBank", [x, *constants], [y], num_channels=channels)
    return random_case("SignalFilterBank", model, seed=case_seed(rng))


def square_root(rng, size):
    channels = 8 * size
    x, bits = TensorSpec((channels,), "uint64"), TensorSpec((), "int32")
    model = op("SignalFilterBankSquareRoot", [x, bits], [TensorSpec((channels,), "uint32")])
    calls = []
    for shift in (0, int(rng.integers(0, 16))):
        numbers = rng.integers(0, 1 << 63, channels, np.uint64) >> rng.integers(
            0, 63, channels, np.uint64
        )
        roots = rng.integers(0, 1 << 17, channels, np.uint64)
        for values in (numbers, roots * roots, roots * roots + roots):
            values[:2] = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
            calls.append([values.astype(np.uint64), np.asarray(shift, np.int32)])
    if chance(rng, 0.2):
        fixed = TensorSpec((channels,), "uint64", data=calls[0][0])
        model = op("SignalFilterBankSquareRoot", [fixed, bits], [TensorSpec((channels,), "uint32")])
        calls = [call[1:] for call in calls]
    return Case("SignalFilterBankSquareRoot", model, calls)


def spectral_subtraction(rng, size):
    channels, bits = extent(rng, 2 * size), int(rng.integers(1, 20))
    x, y, noise = (TensorSpec((channels,), "uint32") for _ in range(3))
    whole = 1 << bits
    smoothing, alternate, least = (int(rng.integers(0, whole + 1)) for _ in range(3))
    options = {
        "alternate_one_minus_smoothing": whole - alternate,
        "alternate_smoothing": alternate,
        "clamping": bool(chance(rng, 0.5)),
        "min_signal_remaining": least,
        "num_channels": channels,
        "one_minus_smoothing": whole - smoothing,
        "smoothing": smoothing,
        "smoothing_bits": int(rng.integers(0, 16)),
        "spectral_subtraction_bits": bits,
    }
    model = op("SignalFilterBankSpectralSubtraction", [x], [y, noise], **options)
    reach = rng.choice([1 << 8, 1 << 16, 1 << 32], CALLS)
    calls = [[rng.integers(0, r, channels).astype(np.uint32)] for r in reach]
    return Case("SignalFilterBankSpectralSubtraction", model, calls, reset=CALLS // 2)


def pcan(rng, size):
    channels = extent(rng, 4 * size)
    x, noise, y = (TensorSpec((channels,), "uint32") for _ in range(3))
    low = int(rng.choice([0, -32768]))
    gains = TensorSpec((125,), "int16", data=rng.integers(low, 32768, 125).astype(np.int16))
    model = op("SignalPCAN", [x, noise, gains], [y], snr_shift=int(rng.integers(0, 32)))
    calls = [
        [rng.integers(0, reach, channels).astype(np.uint32) for _ in range(2)]
        for reach in (3, 1 << 10, 1 << 20, 1 << 32)
    ]
    return Case("SignalPCAN", model, calls)


def log(rng, size):
    channels = 8 * size
    x, y = TensorSpec((channels,), "uint32"), TensorSpec((channels,), "int16")
    options = {
        "input_correction_bits": int(rng.integers(0, 8)),
        "output_scale": int(rng.choice([64, 600, 1600, 65536])),
    }
    model = op("SignalFilterBankLog", [x], [y], **options)
    calls = [
        [rng.integers(0, reach, channels).astype(np.uint32)] for reach in (3, 1 << 12, 1 << 32)
    ]
    return Case("SignalFilterBankLog", model, calls)


def _stream(rng, dimensions):
    return [[rng.integers(-32768, 32768, dimensions).astype(np.int16)] for _ in range(CALLS)]


def framer(rng, size):
    step, frames = extent(rng, size), extent(rng, 3)
    prefill = chance(rng, 0.5)
    frame = step + extent(rng, 2 * size) if prefill else extent(rng, 3 * size)
    front = shape(rng, 2, int(rng.integers(0, 3)))
    x = TensorSpec((*front, frames * step), "int16")
    y = TensorSpec((*front, frames, frame), "int16")
    valid = TensorSpec((), "bool")
    options = {"frame_size": frame, "frame_step": step, "prefill": prefill}
    model = op("SignalFramer", [x], [y, valid], **options)
    invalid = 0 if prefill else -(-(-(-frame // step) - 1) // frames)
    reset = CALLS // 2
    undefined = {(k, 0) for k in range(CALLS) if k % reset < invalid}
    calls = _stream(rng, x.shape)
    return Case("SignalFramer", model, calls, undefined=undefined, reset=reset)


def stacker(rng, size):
    channels, left, right = extent(rng, size), extent(rng, 4) - 1, extent(rng, 4) - 1
    slots = left + right + 1
    step = extent(rng, min(slots, 3))
    x, y = TensorSpec((channels,), "int16"), TensorSpec((channels * slots,), "int16")
    options = {
        "num_channels": channels,
        "stacker_left_context": left,
        "stacker_right_context": right,
        "stacker_step": step,
    }
    model = op("SignalStacker", [x], [y, TensorSpec((), "bool")], **options)
    reset = CALLS - 2
    undefined = set()
    for k in range(CALLS):
        frames = (k if k < reset else k - reset) + 1
        if frames <= right or (frames - 1 - right) % step:
            undefined.add((k, 0))
    calls = _stream(rng, x.shape)
    return Case("SignalStacker", model, calls, undefined=undefined, reset=reset)


def delay(rng, size):
    dimensions = shape(rng, size, extent(rng, 3))
    x, y = TensorSpec(dimensions, "int16"), TensorSpec(dimensions, "int16")
    model = op("SignalDelay", [x], [y], delay_length=int(rng.integers(0, 3 * size)))
    return Case("SignalDelay", model, _stream(rng, dimensions), reset=CALLS // 2)


def overlap_add(dtype):
    """A generator of SignalOverlapAdd models."""

    def make(rng, size):
        frame, frames = extent(rng, 3 * size), extent(rng, 3)
        step = extent(rng, frame)
        front = shape(rng, 2, int(rng.integers(0, 2)))
        x = TensorSpec((*front, frames, frame), dtype)
        y = TensorSpec((*front, frames * step), dtype)
        options = {"T": _TYPE_NUMBER[dtype], "frame_step": step}
        model = op("SignalOverlapAdd", [x], [y], **options)
        calls = _stream(rng, x.shape)
        if dtype == "float32":
            calls = [[(value[0] / 1000).astype(dtype)] for value in calls]
        return Case(f"SignalOverlapAdd {dtype}", model, calls, reset=CALLS // 2)

    return make


def circular_buffer(rng, size):
    slots, width, depth = extent(rng, size), extent(rng, 4), extent(rng, size)
    quantization = {"scale": scale(rng), "zero_point": zero_point(rng, "int8")}
    x = TensorSpec((1, 1, width, depth), "int8", **quantization)
    y = TensorSpec((1, slots, width, depth), "int8", variable=True, **quantization)
    model = op("CIRCULAR_BUFFER", [x], [y], cycles_max=1)
    return random_case("CIRCULAR_BUFFER", model, CALLS, case_seed(rng), reset=CALLS // 2)


def circular_buffers(rng, size):
    """Two buffers in a row that go on in one of a few calls, with an op before and between them;
    in the others TFLM leaves the output as it lies in memory."""
    periods = [extent(rng, 4) for _ in "ab"]
    slots = [extent(rng, size) for _ in "ab"]
    quantization = {"scale": scale(rng), "zero_point": zero_point(rng, "int8")}
    one = (1, 1, extent(rng, 3), extent(rng, size))
    many = [(1, n, *one[2:]) for n in slots]
    mean = TensorSpec((2,), "int32", data=[1, 2])
    tensors = [
        TensorSpec(one, "int8", **quantization),
        TensorSpec(one, "int8", **quantization),
        TensorSpec(many[0], "int8", variable=True, **quantization),
        mean,
        TensorSpec((1, 1, 1, one[3]), "int8", **quantization),
        TensorSpec((1, slots[1], 1, one[3]), "int8", variable=True, **quantization),
        TensorSpec((1, slots[1], 1, one[3]), "int8", **quantization),
    ]
    ends = [bytes(flexbuffers.Dumps({"cycles_max": n})) for n in periods]
    if chance(rng, 0.2) and slots[0] not in (5, 13, 25):
        ends[0], periods[0] = b"", 2
    ops = [
        OpSpec("RELU", [0], [1]),
        OpSpec("CIRCULAR_BUFFER", [1], [2], custom_options=ends[0]),
        OpSpec("MEAN", [2, 3], [4], {"keep_dims": True}),
        OpSpec("CIRCULAR_BUFFER", [4], [5], custom_options=ends[1]),
        OpSpec("RELU", [5], [6]),
    ]
    calls, reset = 20, 11
    since = [k if k < reset else k - reset for k in range(calls)]
    undefined = {(k, 0) for k, n in enumerate(since) if (n + 1) % (periods[0] * periods[1])}
    model = build([SubgraphSpec(tensors, ops, [0], [6])])
    name = f"CIRCULAR_BUFFER {periods} {slots}"
    return random_case(name, model, calls - 2, case_seed(rng), reset=reset, undefined=undefined)


GENERATORS = {
    "CIRCULAR_BUFFER": circular_buffer,
    "CIRCULAR_BUFFER of some calls": circular_buffers,
    "SignalDelay": delay,
    "SignalEnergy": energy,
    "SignalFftAutoScale": fft_auto_scale,
    "SignalFilterBank": filter_bank,
    "SignalFilterBankLog": log,
    "SignalFilterBankSpectralSubtraction": spectral_subtraction,
    "SignalFilterBankSquareRoot": square_root,
    "SignalFramer": framer,
    "SignalPCAN": pcan,
    "SignalStacker": stacker,
    "SignalWindow": window,
    **{f"SignalIrfft {dtype}": fft(dtype, True) for dtype in _TYPE_NUMBER},
    **{f"SignalRfft {dtype}": fft(dtype, False) for dtype in _TYPE_NUMBER},
    **{f"SignalOverlapAdd {dtype}": overlap_add(dtype) for dtype in ("int16", "float32")},
}
