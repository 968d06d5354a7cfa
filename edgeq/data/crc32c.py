"""CRC32C, as TFRecord files are checked with, in numpy.

Bytes are laid out as rows of one matrix, so that numpy works on all rows at once; then the rows'
checksums are joined, each moved past the bytes that follow it.

Source: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected 0x82F63B78); zlib's crc32_combine
for the joining.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_SHORT = 2048  # below, one plain loop is faster


@functools.cache
def _table() -> NDArray[np.uint32]:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = (crc >> np.uint32(1)) ^ np.where(crc & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return crc


@functools.cache
def _plain_table() -> tuple[int, ...]:
    return tuple(int(value) for value in _table())


def crc32c(data: bytes) -> int:
    """The checksum of some bytes."""
    if len(data) < _SHORT:
        return _finish(_run(data, 0xFFFFFFFF))
    width = math.isqrt(len(data))
    height = len(data) // width
    rows = np.frombuffer(data, np.uint8, width * height).reshape(height, width)
    table = _table()
    crcs = np.zeros(height, np.uint32)
    crcs[0] = 0xFFFFFFFF
    for column in np.ascontiguousarray(rows.T):
        crcs = table[(crcs ^ column) & np.uint32(0xFF)] ^ (crcs >> np.uint32(8))
    whole = 0
    advance = _advance(width)
    for crc in crcs.tolist():
        whole = _apply(advance, whole) ^ crc
    return _finish(_run(data[width * height :], whole))


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord stores it: rotated and offset.

    Source: tensorflow/core/lib/hash/crc32c.h.
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _run(data: bytes, crc: int) -> int:
    table = _plain_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def _finish(crc: int) -> int:
    return crc ^ 0xFFFFFFFF


@functools.lru_cache(maxsize=64)
def _advance(count: int) -> tuple[int, ...]:
    """What `count` bytes of zero do to each bit of a checksum: a matrix over GF(2)."""
    matrix = tuple(1 << bit for bit in range(32))
    byte = tuple(_run(b"\0", 1 << bit) for bit in range(32))
    while count:
        if count & 1:
            matrix = tuple(_apply(byte, row) for row in matrix)
        byte = tuple(_apply(byte, row) for row in byte)
        count >>= 1
    return matrix


def _apply(matrix: tuple[int, ...], crc: int) -> int:
    result = 0
    bit = 0
    while crc:
        if crc & 1:
            result ^= matrix[bit]
        crc >>= 1
        bit += 1
    return result
