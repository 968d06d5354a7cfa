"""Tables that claim to be more than they are, and tables of very many columns."""

import gzip
import time

import pytest

from edgeq.data import InputSpec, open_dataset
from edgeq.errors import EdgeqError


def test_a_packed_table_of_nothing_is_refused(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"a,b\n1,2\n")
        for _ in range(40):
            file.write(b"\n" * (1 << 20))
    with pytest.raises(EdgeqError, match="unpacks to more than"):
        list(open_dataset(path, [InputSpec("x", (2,), "float32")]))


def test_very_many_columns_take_no_time(tmp_path):
    path = tmp_path / "wide.csv"
    names = [f"c{i}" for i in range(100_000)]
    path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    start = time.process_time()
    with pytest.raises(EdgeqError):
        list(open_dataset(path, [InputSpec("x", (2,), "float32")]))
    assert time.process_time() - start < 10
