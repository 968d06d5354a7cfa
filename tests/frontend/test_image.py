"""The kind `image` against TensorFlow's resizing, Pillow's colours, and on an emulated core."""

import numpy as np
import pytest

import edgeq
from edgeq.compiler.options import CompileOptions
from edgeq.devices.host_c import HostSession
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.frontend.build import front_end
from edgeq.frontend.description import read_description
from edgeq.frontend.image import taps
from tests.frontend.signals import compiled
from tests.oracle.build import TensorSpec, single_op


def picture(height=60, width=80, seed=0):
    """RGB with smooth parts and edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (5 - c) + c) for c in range(3)]
    noisy = np.stack(waves, -1) + rng.normal(0, 10, (height, width, 3))
    noisy[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def pixels(described, frame):
    """What this machine's C makes of a frame."""
    with HostSession("c", compiled({"kind": "image", **described}, "int16")) as session:
        (found,) = session.stream(np.ascontiguousarray(frame).reshape(-1))
    d = read_description({"kind": "image", **described})
    return found[0].reshape(d.out_height, d.out_width, d.out_channels)


def of(frame, **more):
    return {"width": frame.shape[1], "height": frame.shape[0], **more}


@pytest.mark.parametrize(
    ("resize", "size"),
    [("nearest", (48, 32)), ("nearest", (90, 100)), ("bilinear", (33, 47)), ("bilinear", (90, 100)),
     ("area", (20, 20)), ("area", (33, 47)), ("area", (60, 80))],
)  # fmt: skip
def test_sizes_are_tensorflows(resize, size):
    tf = pytest.importorskip("tensorflow")
    frame = picture()
    described = of(frame, resize=resize, out_height=size[0], out_width=size[1])
    theirs = tf.image.resize(frame[None].astype(np.float32), size, resize).numpy()[0]
    found = pixels(described, frame)
    far = np.abs(found - theirs)
    assert far.max() <= (0 if resize == "nearest" else 1)


@pytest.mark.parametrize("size", [96, 160, 224, 320, 400, 640, 800, 1920])
def test_nearest_pixels_of_usual_sizes_are_tensorflows(size):
    """TensorFlow computes places in float32: of ties, as 224 -> 48 has, rounding decides."""
    tf = pytest.importorskip("tensorflow")
    column = np.arange(size, dtype=np.float32).reshape(1, size, 1, 1)
    for count in (10, 24, 36, 48, 49, 72, 80, 96, 112, 144, 150, 192, 224, 299, 320):
        theirs = tf.image.resize(column, (count, 1), "nearest").numpy().reshape(-1)
        np.testing.assert_array_equal(taps(0, size, count, "nearest")[0], theirs)


def test_a_part_of_the_frame_in_bgr():
    frame = picture()
    described = of(frame, crop=[10, 20, 40, 30], out_width=40, out_height=30, order="bgr")
    np.testing.assert_array_equal(pixels(described, frame), frame[20:50, 10:50, ::-1])
    described |= {"order": "rgb", "format": "bgr888"}
    np.testing.assert_array_equal(pixels(described, frame), frame[20:50, 10:50, ::-1])


def test_gray_is_pillows():
    image = pytest.importorskip("PIL.Image")
    frame = picture()
    described = of(frame, out_width=80, out_height=60, out_channels=1)
    gray = np.asarray(image.fromarray(frame).convert("L"))
    np.testing.assert_array_equal(pixels(described, frame)[..., 0], gray)
    described |= {"format": "gray8", "out_channels": 3}
    np.testing.assert_array_equal(pixels(described, gray), np.repeat(gray[..., None], 3, -1))


@pytest.mark.parametrize("format_", ["rgb565", "rgb565-be"])
def test_rgb565_fills_the_range(format_):
    frame = picture()
    r, g, b = (frame[..., c].astype(np.uint16) for c in range(3))
    words = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
    raw = words.astype("<u2" if format_ == "rgb565" else ">u2")
    found = pixels(of(frame, format=format_, out_width=80, out_height=60), raw.view(np.uint8))
    exact = np.stack([(r >> 3) * 255 / 31, (g >> 2) * 255 / 63, (b >> 3) * 255 / 31], -1)
    assert np.abs(found - exact).max() <= 1
    assert found.max() > 250 and found.min() < 5


@pytest.mark.parametrize("format_", ["yuv422", "nv12"])
def test_full_range_yuv_is_pillows(format_):
    image = pytest.importorskip("PIL.Image")
    blocks = np.repeat(np.repeat(picture(30, 40), 2, 0), 2, 1)  # so that shared chroma is exact
    ycc = np.asarray(image.fromarray(blocks).convert("YCbCr"))
    if format_ == "nv12":
        raw = np.concatenate([ycc[..., 0].ravel(), ycc[::2, ::2, 1:].ravel()])
    else:
        pairs = np.stack([ycc[:, ::2, 0], ycc[:, ::2, 1], ycc[:, 1::2, 0], ycc[:, ::2, 2]], -1)
        raw = pairs.ravel()
    described = of(blocks, format=format_, out_width=80, out_height=60, yuv_range="full")
    theirs = np.asarray(image.fromarray(ycc, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(pixels(described, raw) - theirs).max() <= 1
    video = pixels({**described, "yuv_range": "video"}, raw)
    y, cb, cr = (ycc[..., c].astype(float) - (16, 128, 128)[c] for c in range(3))
    exact = 1.164 * y[..., None] + np.stack([1.596 * cr, -0.392 * cb - 0.813 * cr, 2.017 * cb], -1)
    assert np.abs(video - np.clip(exact, 0, 255)).max() <= 2


def test_a_model_sees_its_own_scale_and_every_core_the_same(tmp_path):
    shape = (1, 12, 16, 3)
    scale, zero = 2 / 255, -1
    x, y = (TensorSpec(shape, "int8", scale=scale, zero_point=zero) for _ in range(2))
    path = tmp_path / "same.tflite"
    path.write_bytes(single_op("MAXIMUM", [x, x], [y]))
    frame = picture()
    described = of(frame, kind="image", out_width=16, out_height=12, mean=127, std=127.5)
    options = CompileOptions(frontend=front_end(described))
    found = []
    for address in ("c", "sim:cortex-m4"):
        with open_device(address).open(path, options) as session:
            frames = np.stack([frame, frame[::-1]]).reshape(-1)
            found.append(session.stream(frames, 4801)[0])
    assert found[0].shape == (2, *shape)
    np.testing.assert_array_equal(*found)
    plain = pixels({**of(frame), "out_width": 16, "out_height": 12}, frame)
    real = (plain.astype(float) - 127) / 127.5
    assert np.abs(found[0][0, 0] - np.clip(np.rint(real / scale) + zero, -128, 127)).max() <= 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"format": "rgb666"}, "format is 'rgb666'"),
        ({"format": "nv12", "width": 161}, "not even"),
        ({"crop": [0, 0, 500, 10]}, "no .left, top, width, height. in the frame"),
        ({"out_channels": 4}, "out_channels is 4"),
        ({"mean": 300}, "mean is 300"),
        ({"width": "160"}, "width is '160', no int"),
        ({"n_mels": 3}, "n_mels has no meaning for image"),
    ],
)
def test_what_makes_no_sense_is_said(words, problem):
    with pytest.raises(EdgeqError, match=problem):
        read_description({"kind": "image", **words})


def test_features_of_pictures_are_one_frame_each(tmp_path):
    frames = np.stack([picture(seed=seed) for seed in range(3)])
    np.savez(tmp_path / "a.npz", x=frames)
    given = {"kind": "image", **of(frames[0], out_height=16, out_width=16)}
    found = edgeq.features(given, tmp_path / "a.npz")
    assert found.x.shape == (3, 1, 16 * 16 * 3)
    exact = pixels(of(frames[0], out_height=16, out_width=16), frames[1])
    np.testing.assert_array_equal(found.x[1, 0].reshape(16, 16, 3), exact)
    with pytest.raises(EdgeqError, match="one frame, not 2"):
        edgeq.features(given, tmp_path / "a.npz", frames=2)
