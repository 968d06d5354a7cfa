"""Random front ends of motion against scipy and numpy, and of images against TensorFlow and Pillow.

Motion is float32 on every core, images are integers on every core: a kind has one form.
"""

from itertools import pairwise

import numpy as np

from edgeq.errors import EdgeqError
from edgeq.frontend.description import read_description
from tests.frontend.signals import CPUS, emulated, however_cut

STATISTICS = (
    "mean", "std", "rms", "min", "max", "mean_abs", "skewness", "kurtosis", "zero_crossings",
    "peaks",
)  # fmt: skip
FORMATS = ("rgb888", "bgr888", "rgb565", "rgb565-be", "gray8", "yuv422", "nv12")
_LEAST_POWER = 1e-9  # of a window's whole power: what float32's transform leaves of it in a band


def random_motion(rng):
    """Filters, windows, statistics and bands, as plain values."""
    from scipy import signal

    rate = int(rng.choice([10, 25, 50, 100, 104, 200, 400, 1000]))
    step = int(rng.integers(2, 100))
    chosen = {
        "kind": "motion", "sample_rate": rate, "axes": int(rng.integers(1, 7)),
        "unit": float(10.0 ** rng.uniform(-4, 0)), "frame_step": step,
        "frame_length": step * int(rng.integers(1, 6)),
    }  # fmt: skip
    if rng.integers(2):
        shape = str(rng.choice(["lowpass", "highpass", "bandpass"]))
        edges = np.sort(rng.uniform(0.05, 0.9, 2)) * rate / 2
        edges[1] = max(edges[1], edges[0] + 0.05 * rate / 2)
        edge = edges if shape == "bandpass" else edges[0]
        order = int(rng.integers(1, 5))
        chosen["sos"] = signal.butter(order, edge, shape, fs=rate, output="sos").tolist()
    if rng.integers(3):
        count = int(rng.integers(1, len(STATISTICS) + 1))
        chosen["statistics"] = rng.permutation(STATISTICS)[:count].tolist()
    if rng.integers(2) and chosen["frame_length"] >= 8:
        edges = np.sort(rng.uniform(0, rate / 2, int(rng.integers(2, 8)))).round(3)
        # A band that no bin lies in is refused; there are half as many as frames are long, or more.
        bin_hz = 2 * rate / chosen["frame_length"]
        apart = [edges[0], *(b for a, b in pairwise(edges) if b - a > bin_hz)]
        if len(apart) > 1:
            chosen |= {"bands": np.unique(apart).tolist(), "log_power": bool(rng.integers(2))}
    if rng.integers(3) == 0:
        features = read_description(chosen).features
        chosen["mean"] = rng.normal(0, 1, features).tolist()
        chosen["std"] = rng.uniform(0.5, 4, features).tolist()
    return chosen


def check_motion(description, rng, *, emulate=False):
    """Raise AssertionError where a front end is not what it should be; False if it is refused."""
    try:
        d = read_description(description)
    except EdgeqError:
        return False
    x = _moved(rng, int(rng.integers(1, 4)) * d.frame_length + d.frame_step + 7, d.axes)
    found = however_cut(description, "float32", x.ravel())
    exact, far = _motion(d, x)
    assert found.shape == exact.shape
    scale = np.asarray(d.std or [1.0])
    real = found * scale + np.asarray(d.mean or [0.0])
    # What is taken off and divided is rounded to float32, too.
    far = far + 1e-5 * (np.abs(exact) + np.abs(np.asarray(d.mean or [0.0])) + scale)
    wrong = np.abs(real - exact) > far
    assert not wrong.any(), (real[wrong][:4], exact[wrong][:4], np.argwhere(wrong)[:4])
    if emulate:
        emulated(description, "float32", x[: 3 * d.frame_length].ravel(), str(rng.choice(CPUS)))
    return True


def _moved(rng, rows, axes):
    """int16 samples of a body that sways, is knocked, lies still, or is beyond its range."""
    t = np.arange(rows)[:, None]
    swing = 10.0 ** rng.uniform(2, 4.2, axes)
    found = swing * np.sin(2 * np.pi * rng.uniform(0.001, 0.45, axes) * t + rng.uniform(0, 6, axes))
    found = found + rng.normal(0, 1, (rows, axes)) * 10.0 ** rng.uniform(0, 3, axes)
    found = found + rng.uniform(-1, 1, axes) * swing
    found[int(rng.integers(rows))] += 20000
    return np.clip(np.rint(found), -32768, 32767).astype(np.int16)


def _motion(d, x):
    """The features of all windows in float64, and how far float32 may be from each."""
    from scipy import signal

    real = x * d.unit
    if d.sos:
        real = signal.sosfilt(np.asarray(d.sos), real, axis=0)
    rows = np.lib.stride_tricks.sliding_window_view(real, d.frame_length, 0)[:: d.frame_step]
    rows = rows.transpose(0, 2, 1)  # windows, times, axes
    # What is left of samples and states after some filters, in float32.
    least = 3e-5 * np.abs(x * d.unit).max() * (1 + 3 * len(d.sos))
    parts = [_statistic(name, rows, least) for name in d.statistics]
    if d.bands:
        parts += _bands(d, rows)
    if not parts:
        return rows.reshape(len(rows), -1), np.full((1, 1), least)
    shapes = [np.broadcast_arrays(value, far) for value, far in parts]
    return tuple(np.concatenate([pair[i] for pair in shapes], 1) for i in (0, 1))


def _statistic(name, rows, least):
    """One of each window and axis, and how far float32 may be from it."""
    from scipy import stats

    std = rows.std(1)
    plain = {
        "mean": lambda: rows.mean(1),
        "rms": lambda: np.sqrt((rows**2).mean(1)),
        "min": lambda: rows.min(1),
        "max": lambda: rows.max(1),
        "mean_abs": lambda: np.abs(rows).mean(1),
    }
    if name in plain:
        return plain[name](), least
    if name == "std":
        return std, least + least**2 / np.maximum(std, least)
    if name in ("skewness", "kurtosis"):
        value = {"skewness": stats.skew, "kurtosis": stats.kurtosis}[name](rows, 1)
        return value, 50 * least / np.maximum(std, least) * (1 + np.abs(value))
    # What is as good as 0, or as its neighbour, may be on either side.
    if name == "zero_crossings":
        value = (np.signbit(rows[:, 1:]) != np.signbit(rows[:, :-1])).sum(1)
        return value, 2.0 * (np.abs(rows) < least).sum(1)
    middle, before, after = rows[:, 1:-1], rows[:, :-2], rows[:, 2:]
    near = (np.abs(np.diff(rows, axis=1)) < least) & (np.diff(rows, axis=1) != 0)
    return ((middle > before) & (middle > after)).sum(1), 2.0 * near.sum(1)


def _bands(d, rows):
    from scipy import signal

    size = 1 << max(d.frame_length - 1, 3).bit_length()
    f, density = signal.welch(
        rows, d.sample_rate, nperseg=d.frame_length, nfft=size, axis=1, detrend=_centred
    )
    density = density * (f[1] - f[0])
    noise = _LEAST_POWER * (rows**2).mean(1)
    for low, high in pairwise(d.bands):
        power = density[:, (f >= low) & (f < high)].sum(1)
        far = 1e-3 * power + 10 * noise
        if not d.log_power:
            yield power, far
            continue
        told = power > 1e4 * noise + 1e-9
        yield np.log(np.maximum(power, 1e-12)), np.where(told, 3e-3, np.inf)


def _centred(values, axis=-1):
    return values - values.mean(axis, keepdims=True)


def random_image(rng):
    """A camera's frame, a part of it, a size and an order, as plain values."""
    chosen = {
        "kind": "image", "format": str(rng.choice(FORMATS)),
        "width": 2 * int(rng.integers(1, 33)), "height": 2 * int(rng.integers(1, 25)),
        "out_width": int(rng.integers(1, 49)), "out_height": int(rng.integers(1, 49)),
        "out_channels": int(rng.choice([1, 3])), "order": str(rng.choice(["rgb", "bgr"])),
        "resize": str(rng.choice(["nearest", "bilinear", "area"])),
        "yuv_range": str(rng.choice(["video", "full"])),
    }  # fmt: skip
    if rng.integers(2):
        width, height = (int(rng.integers(1, chosen[k] + 1)) for k in ("width", "height"))
        left = int(rng.integers(0, chosen["width"] - width + 1))
        chosen["crop"] = [left, int(rng.integers(0, chosen["height"] - height + 1)), width, height]
    return chosen


def check_image(description, rng, *, emulate=False):
    """As `check_motion`, for images."""
    d = read_description(description)
    raws, frames = zip(*(_frame(d, rng) for _ in range(2)), strict=True)
    found = however_cut(description, "int16", np.concatenate(raws))
    assert len(found) == 2
    for ours, rgb in zip(found, frames, strict=True):
        exact, told = _picture(d, rgb)
        ours = ours.reshape(exact.shape).astype(float)
        wrong = (np.abs(ours - exact) > _pixels_off(d)) & told
        assert not wrong.any(), (ours[wrong][:4], exact[wrong][:4], np.argwhere(wrong)[:4])
    if emulate:
        emulated(description, "int16", raws[0], str(rng.choice(CPUS)))
    return True


def _pixels_off(d):
    """By how many of 255: rounding of the colours, of the size, of gray."""
    colours = {"rgb565": 1, "rgb565-be": 1, "yuv422": 1, "nv12": 1}.get(d.format, 0)
    colours += d.format in ("yuv422", "nv12") and d.yuv_range == "video"
    return colours + (d.resize != "nearest") + (d.out_channels == 1) + 1e-3


def _frame(d, rng):
    """A camera's bytes, and the colours that they stand for, 0 to 255."""
    smooth = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1)))[: d.height, : d.width]
    noisy = np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    if d.format in ("rgb888", "bgr888"):
        return noisy.ravel(), noisy[..., :: 1 if d.format == "rgb888" else -1].astype(float)
    if d.format == "gray8":
        return noisy[..., 0].ravel(), np.repeat(noisy[..., :1], 3, -1).astype(float)
    if d.format.startswith("rgb565"):
        r, g, b = (noisy[..., c].astype(np.uint16) >> (2 if c == 1 else 3) for c in range(3))
        words = (r << 11 | g << 5 | b).astype("<u2" if d.format == "rgb565" else ">u2")
        rgb = np.stack([r * 255 / 31, g * 255 / 63, b * 255 / 31], -1)
        return words.view(np.uint8).ravel(), rgb
    return _yuv(d, noisy)


def _yuv(d, ycc):
    """Luma of every pixel, chroma of every second one (and of every second row, in nv12)."""
    down = 2 if d.format == "nv12" else 1
    chroma = ycc[::down, ::2, 1:]
    whole = np.repeat(np.repeat(chroma, down, 0), 2, 1)
    ycc = np.concatenate([ycc[..., :1], whole], -1)
    if d.format == "nv12":
        raw = np.concatenate([ycc[..., 0].ravel(), chroma.ravel()])
    else:
        raw = np.stack(
            [ycc[:, ::2, 0], ycc[:, ::2, 1], ycc[:, 1::2, 0], ycc[:, ::2, 2]], -1
        ).ravel()  # fmt: skip
    if d.yuv_range == "full":
        from PIL import Image

        return raw, np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB")).astype(float)
    y, u, v = (ycc[..., c].astype(float) - (16, 128, 128)[c] for c in range(3))
    rgb = 1.164 * y[..., None] + np.stack([1.596 * v, -0.392 * u - 0.813 * v, 2.017 * u], -1)
    return raw, np.clip(rgb, 0, 255)


def _picture(d, rgb):
    """The model's picture in floats, and of which pixels it can be told."""
    import tensorflow as tf

    left, top, width, height = d.crop or (0, 0, d.width, d.height)
    part = rgb[top : top + height, left : left + width]
    size = (d.out_height, d.out_width)
    made = tf.image.resize(part[None].astype(np.float32), size, d.resize).numpy()[0].astype(float)
    told = np.ones(made.shape[:2], bool)
    if d.resize == "nearest":
        for axis, (out, given) in enumerate(zip(size, (height, width), strict=True)):
            place = (np.arange(out) + 0.5) * given / out
            certain = np.abs(place - np.rint(place)) > 1e-4
            told &= certain[:, None] if axis == 0 else certain
    if d.out_channels == 1:
        return (made @ [0.299, 0.587, 0.114])[..., None], told[..., None]
    made = made[..., ::-1] if d.order == "bgr" else made
    return made, np.repeat(told[..., None], 3, -1)


KINDS = {"motion": (random_motion, check_motion), "image": (random_image, check_image)}
"""By name: what makes a description, and what judges it."""
