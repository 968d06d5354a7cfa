"""Pillow goes by a file's content, and of more formats than images need: only a few are read."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from edgeq.data import Expected, InputSpec, open_dataset
from edgeq.data.images import _FORMATS
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
