"""Records, archives and pictures: read alike, and damages noticed by their checksums."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

import edgeq
from edgeq.data import InputSpec, open_dataset
from edgeq.data.crc32c import crc32c, masked_crc32c
from edgeq.data.tfrecord import _records, _stream
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


def _framed(payload):
    """A record as TensorFlow frames it."""
    head = struct.pack("<Q", len(payload))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (head, payload)]
    return head + sums[0] + payload + sums[1]


def test_checksums_are_tensorflow_s(tmp_path):
    import tensorflow as tf

    payloads = [np.random.default_rng(n).bytes(n) for n in (0, 1, 2047, 2048, 5000, 100_003)]
    with tf.io.TFRecordWriter(str(tmp_path / "d.tfrecord")) as writer:
        for payload in payloads:
            writer.write(payload)
    assert (tmp_path / "d.tfrecord").read_bytes() == b"".join(map(_framed, payloads))
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720


@pytest.mark.parametrize("name", ["records floats", "records integers gzip", "records tensor"])
def test_odd_messages_with_right_checksums(tmp_path, name):
    """Whatever the payload claims, it ends in samples or in an error."""
    data, _ = digits.RECORDS[name](tmp_path, digits.load())
    payloads = list(_records(Path(data)))
    spec = [InputSpec("image", (8, 8, 1))]
    rng = np.random.default_rng(0)
    for case in range(300):
        raw = bytearray(payloads[case % len(payloads)])
        for _ in range(rng.integers(1, 5)):
            place = rng.integers(min(len(raw), 60))
            raw[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, raw[place] ^ (1 << rng.integers(8))])
        if case % 5 == 0:
            del raw[rng.integers(len(raw)) :]
        (tmp_path / "odd.tfrecord").write_bytes(_framed(bytes(raw)))
        try:
            samples = list(open_dataset(tmp_path / "odd.tfrecord", spec, labelled=True))
        except EdgeqError as error:
            assert "odd.tfrecord" in error.where
        else:
            assert [sample.inputs[0].shape for sample in samples] == [(8, 8, 1)]


def test_a_length_that_claims_too_much(tmp_path):
    head = struct.pack("<Q", 1 << 62)
    path = tmp_path / "d.tfrecord"
    path.write_bytes(head + struct.pack("<I", masked_crc32c(head)) + b"few bytes")
    with pytest.raises(EdgeqError, match="claims to have"):
        list(open_dataset(path, [InputSpec("image", (8, 8, 1))]))


def test_a_packed_file_is_unpacked_as_far_as_it_is_read(tmp_path):
    """All that a piece unpacked to was copied once for each record: minutes for 75 KB."""
    path = tmp_path / "d.tfrecord"
    path.write_bytes(zlib.compress(_framed(bytes(20)) * 200_000))
    with path.open("rb") as file:
        stream = _stream(file)
        tracemalloc.start()
        heads = [stream.read(36) for _ in range(1000)]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert heads == [_framed(bytes(20))] * 1000
    assert peak < 1 << 20  # they were seven million bytes
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(EOFError, match="cut off"), path.open("rb") as file:
        stream = _stream(file)
        while stream.read(1 << 16):
            pass
