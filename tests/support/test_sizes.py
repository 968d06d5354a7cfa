"""Sizes as people write them."""

import pytest

from edgeq.errors import UsageError
from edgeq.support.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("32K", 32768), ("1.5 MiB", 1572864), ("1G", 1 << 30), ("2gb", 2 << 30)],
)
def test_sizes(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1T", "٣K", "1e3", "9" * 400, "inf"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="is no size"):
        parse_bytes(text)
