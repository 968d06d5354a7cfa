"""Records, archives and pictures: read alike, and damages noticed by their checksums."""

import io
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.data import InputSpec, open_dataset
from edgeq.errors import EdgeqError
from tests.data import digits

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")


def evaluate(model, data, **values):
    return edgeq.evaluate(model, data=data, dataset_options=digits.options(**values))


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_records_resize_images_as_folders_do(tmp_path, model, resize):
    """The same wide pictures in records and in folders: one figure, whatever the way."""

    def wide(pixels):
        return Image.fromarray(np.pad(pixels, ((0, 0), (6, 2)), mode="edge").repeat(2, 1))

    def encode(pixels):
        stream = io.BytesIO()
        wide(pixels).save(stream, "png")
        return stream.getvalue()

    folders, _ = digits._image_folder(wide)(tmp_path, digits.load())
    records, _ = digits._records(encode)(tmp_path, digits.load())
    figures = [
        evaluate(model, data, resize=resize).score.details["confusion"].tolist()
        for data in (folders, records)
    ]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("packing", ["", "GZIP", "ZLIB"])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_records_are_noticed(tmp_path, model, packing, damage):
    data, _ = digits._records(digits._png_bytes, packing=packing)(tmp_path, digits.load())
    file = Path(data)
    raw = bytearray(file.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 4
    else:
        del raw[-5:]
    file.write_bytes(raw)
    with pytest.raises(EdgeqError, match=r"damaged|cannot be read|cut short"):
        evaluate(model, data)


def test_what_a_feature_holds_is_named(tmp_path, model):
    data, _ = digits._records(lambda p: b"\x07\x00" * 70)(tmp_path, digits.load())
    with pytest.raises(EdgeqError, match=r"'image' holds 140 bytes .*07 00 07 00") as caught:
        evaluate(model, data)
    assert caught.value.where.endswith("record 0")


def test_a_checksum_at_the_end_of_an_archive(tmp_path):
    """A flipped bit in the last value of an array that is stored as it is."""
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 3), np.float32))
    raw = bytearray((tmp_path / "d.npz").read_bytes())
    raw[raw.index(b"PK\x01\x02") - 2] ^= 1
    (tmp_path / "d.npz").write_bytes(raw)
    with pytest.raises(EdgeqError, match="CRC"):
        list(open_dataset(tmp_path / "d.npz", [InputSpec("x", (3,))]))


def test_a_flipped_bit_in_a_picture(tmp_path, model):
    data, _ = digits.png(tmp_path, digits.load())
    file = min(data.rglob("*.png"))
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"IDAT") + 8] ^= 1
    file.write_bytes(raw)
    with pytest.raises(EdgeqError, match="checksum does not match") as caught:
        evaluate(model, data)
    assert caught.value.where == str(file)
