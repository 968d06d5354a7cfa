"""Addresses: what one does not take is refused, never passed over."""

import pytest

from edgeq.devices.address import SCHEMES, parse_address
from edgeq.errors import UsageError


@pytest.mark.parametrize("scheme", ["local", "c", "tflm", "wasm"])
@pytest.mark.parametrize("rest", [":x", ":cortex-m4", "://x", ":x?threads=2"])
def test_what_there_is_one_of_takes_no_name(scheme, rest):
    with pytest.raises(UsageError, match="is no device address"):
        parse_address(scheme + rest)


@pytest.mark.parametrize("scheme", sorted({*SCHEMES} - {"local", "c", "tflm", "wasm"}))
def test_what_there_are_several_of_takes_one(scheme):
    assert parse_address(f"{scheme}:x").rest == "x"
    with pytest.raises(UsageError, match="is no device address"):
        parse_address(f"{scheme}:")


def test_a_plus_is_a_plus():
    query = parse_address("ssh://pi@host?dir=/data/c++/a%20b").query
    assert query["dir"] == "/data/c++/a b"
