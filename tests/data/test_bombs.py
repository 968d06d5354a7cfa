"""A few bytes that claim to be gigabytes: refused before memory is taken for them."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from edgeq.data import InputSpec, open_dataset
from edgeq.data.crc32c import masked_crc32c
from edgeq.errors import EdgeqError
from edgeq.model.arrays import read_arrays
from tests.memory import peak_mb


def refused(path, message, shape=(4,)):
    def read():
        with pytest.raises(EdgeqError, match=message):
            list(open_dataset(path, [InputSpec("x", shape, "float32")]))

    assert peak_mb(read) < 100


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [1 << 30, 1 << 62])
def test_a_record(tmp_path, length, packed):
    head = struct.pack("<Q", length)
    data = head + struct.pack("<I", masked_crc32c(head)) + bytes(1 << 20)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(gzip.compress(data) if packed else data)
    refused(path, "claims to have")


@pytest.mark.parametrize("side", [11_000, 20_000])
def test_an_image(tmp_path, side):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (side, side)).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    refused(tmp_path, "pixels", (8, 8, 3))


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 31, 4), (1 << 62, 1 << 62)])
def test_the_header_of_an_array(tmp_path, shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"shape": shape, "fortran_order": False, "descr": "<f4"}
    )
    (tmp_path / "x.npy").write_bytes(buffer.getvalue() + bytes(100))
    refused(tmp_path / "x.npy", "cut off")
    with pytest.raises(EdgeqError, match="cut off"):
        read_arrays(tmp_path / "x.npy")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_an_array_twice(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for value in (1.0, 2.0):
            content = io.BytesIO()
            np.save(content, np.full((3, 4), value, np.float32))
            archive.writestr("x.npy", content.getvalue())
    refused(path, "holds 'x.npy' twice")
    with pytest.raises(EdgeqError, match="twice"):
        read_arrays(path)


def test_arrays_of_two_gigabytes_in_two_megabytes(tmp_path):
    path = tmp_path / "x.npz"
    header = io.BytesIO()
    size = 2 << 30
    np.lib.format.write_array_header_1_0(
        header, {"shape": (size // 16, 4), "fortran_order": False, "descr": "<f4"}
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(128):
            file.write(bytes(16 << 20))

    def read():
        with pytest.raises(EdgeqError, match="bytes unpacked"):
            read_arrays(path)

    assert peak_mb(read) < 100
    refused(path, "bytes unpacked")


def test_an_archive_of_very_many_arrays(tmp_path):
    """Found in its directory, before any of them is opened."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for index in range(1001):
            archive.writestr(f"a{index}.npy", b"no array")
    refused(tmp_path / "x.npz", "1,001 arrays")
    with pytest.raises(EdgeqError, match="1,001 arrays"):
        read_arrays(tmp_path / "x.npz")


def test_each_array_is_found_in_a_directory_that_was_read_once(tmp_path, monkeypatch):
    arrays = {f"a{index}": np.full((2, 3), index) for index in range(50)}
    np.savez(tmp_path / "x.npz", **arrays)
    opened = []
    real = zipfile.ZipFile.__init__

    def counted(self, *args, **kwargs):
        opened.append(args)
        real(self, *args, **kwargs)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counted)
    found = read_arrays(tmp_path / "x.npz")
    assert len(opened) == 3  # for the sizes, the headers and the contents
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[key], arrays[key]) for key in arrays)


@pytest.mark.parametrize("content", [b"", b"a,b,c,d\n1,2,3,4\n", b"1 2 3 4\n"])
def test_a_table_without_the_end_of_a_line(tmp_path, content):
    """A sparse file takes no room on the disk; as one line it filled the memory for minutes."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(8 << 30)

    def read():
        with pytest.raises(EdgeqError, match="line has over 33,554,432 characters"):
            list(open_dataset(path, [InputSpec("x", (4,), "float32")]))

    assert peak_mb(read) < 400


def test_a_record_of_many_lines_without_an_end(tmp_path):
    """A field in quotes may hold line ends; as one record they filled the memory."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + '"\n12",' * 6_000_000 + "1\n")

    def read():
        with pytest.raises(EdgeqError, match="line has over 33,554,432 characters"):
            list(open_dataset(path, [InputSpec("x", (4,), "float32")]))

    assert peak_mb(read) < 1500
