"""Pillow goes by a file's content, and of more formats than images need: only a few are read."""

import io
import os
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from edgeq.data import DatasetOptions, Expected, InputSpec, open_dataset
from edgeq.data.images import _FORMATS, image_size
from edgeq.errors import EdgeqError

SPEC = [InputSpec("x", (8, 8, 3), "float32")]
READ = {"PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"}
OTHERS = ("EPS", "PDF", "ICNS", "ICO", "PCX", "TGA", "SGI", "DDS", "SPIDER")


def saved(kind):
    buffer = io.BytesIO()
    picture = Image.new("L" if kind == "SPIDER" else "RGB", (8, 8), 0x335577)
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A stand-in that leaves a mark where it is started."""
    mark, program = tmp_path / "started", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\ntouch {mark}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return mark


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_other_formats_are_refused_under_any_name(tmp_path, ghostscript, kind, suffix):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"a.{suffix}").write_bytes(saved(kind))
    with pytest.raises(EdgeqError, match=r"image cannot be read"):
        list(open_dataset(tmp_path / "in", SPEC))
    assert not ghostscript.exists()


@pytest.mark.parametrize("kind", sorted(READ))
def test_formats_that_are_read_go_by_their_content(tmp_path, kind):
    (tmp_path / "a.png").write_bytes(saved(kind))
    (sample,) = open_dataset(tmp_path, SPEC)
    assert np.shape(sample.inputs[0])[-3:] == (8, 8, 3)
    assert set(_FORMATS) == READ


def test_odd_names_of_classes_stay_in_one_line(tmp_path):
    names = ["a\nb", "c\x1b[2J", "x" * 200, "d"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(saved("PNG"))
    with pytest.raises(EdgeqError) as caught:
        open_dataset(tmp_path, SPEC, labelled=True, expected=Expected(count=7))
    assert "a\\nb, c\\x1b[2J, d, xxx" in str(caught.value)
    assert "x" * 61 not in str(caught.value)


def tiff(values, bits, white_is, kind=1):
    """A grey TIFF of one row, by the specification: packed values, little-endian words."""
    if kind == 3:
        data = np.array(values, "<f4").tobytes()
    elif bits == 16:
        data = np.array(values, "<u2").tobytes()
    else:
        packed = "".join(f"{value:0{bits}b}" for value in values)
        data = bytes(int(packed[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(packed), 8))
    tags = [
        (256, 4, len(values)), (257, 4, 1), (258, 3, bits), (259, 3, 1), (262, 3, white_is),
        (273, 4, 8 + 2 + 12 * 10 + 4), (277, 3, 1), (278, 4, 1), (279, 4, len(data)),
        (339, 3, kind),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def pixels(folder, content, shape, **options):
    folder.mkdir()
    (folder / "a.tif").write_bytes(content)
    found = open_dataset(folder, [InputSpec("x", shape)], options=DatasetOptions(**options))
    return next(iter(found)).inputs[0].ravel()


@pytest.mark.parametrize(("bits", "white_is"), [(8, 0), (8, 1), (12, 1), (16, 0), (16, 1)])
def test_deep_pictures_keep_their_scale_and_are_no_negatives(bits, white_is, tmp_path):
    """TIFF 6.0, PhotometricInterpretation: with 0, the lowest value is imaged as white."""
    most = (1 << bits) - 1
    content = tiff([0, most // 4, most // 2, most], bits, white_is)
    exact = np.array([0, 255 * (most // 4) / most, 255 * (most // 2) / most, 255])
    found = pixels(tmp_path / "in", content, (1, 4, 1))
    np.testing.assert_allclose(found, exact if white_is else 255 - exact, atol=1e-4)


def test_a_negative_in_floats_is_refused(tmp_path):
    values = [0.0, 0.5, 1.0, 2.0]
    assert pixels(tmp_path / "in", tiff(values, 32, 1, 3), (1, 4, 1)).tolist() == values
    with pytest.raises(EdgeqError, match="lowest value is white"):
        pixels(tmp_path / "negative", tiff(values, 32, 0, 3), (1, 4, 1))


def test_a_grey_map_of_16_bits_has_them(tmp_path):
    content = b"P5 4 1 1023\n" + np.array([0, 256, 512, 1023], ">u2").tobytes()
    found = pixels(tmp_path / "in", content, (1, 4, 1))
    np.testing.assert_allclose(found, np.array([0, 256, 512, 1023]) * 255 / 1023, atol=0.01)


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000), (3000, 2), (40, 8)])
def test_something_is_left_of_a_long_picture(size, tmp_path):
    buffer = io.BytesIO()
    Image.new("L", size, 200).save(buffer, "PNG")
    found = pixels(tmp_path / "in", buffer.getvalue(), (8, 8, 1), resize="pad").reshape(8, 8)
    assert (found == 200).sum() == (16 if size == (40, 8) else 8)
    assert set(np.unique(found)) == {0, 200}


@pytest.mark.parametrize("own", ["uint8", "int8"])
def test_float_pixels_stay_as_they_are_whatever_the_model_s_integers(own, tmp_path):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.tif")
    (sample,) = open_dataset(tmp_path, [InputSpec("x", (8, 8, 1), "float32", own, 0.0, 1.0)])
    np.testing.assert_array_equal(sample.inputs[0][..., 0], values)


def test_blanks_at_the_ends_of_folders_names_are_a_part_of_them(tmp_path):
    """'dog' was not among the classes, for a folder 'dog '."""
    for name in ("cat", "dog ", "dog"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "a.png")
    found = open_dataset(tmp_path, [InputSpec("x", (2, 2), "float32")], labelled=True)
    assert [sample.label for sample in found] == [0, 1, 2]
    assert found.classes == ("cat", "dog", "dog ")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (6, 4)), (6, (4, 6)), (9, (6, 4))])
def test_the_size_that_boxes_go_by_is_that_of_the_picture_as_it_is_read(kind, orientation, size):
    picture, exif, file = Image.new("RGB", (6, 4)), Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, kind, exif=exif)
    shown = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))
    assert image_size(file.getvalue()) == shown.size == size
