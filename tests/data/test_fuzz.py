"""A sample of the fuzz over data sets; `make fuzz` runs thousands."""

import pytest

from tests.data import fuzz

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
pytest.importorskip("PIL")


def test_a_sample_of_random_data_sets(tmp_path):
    models = fuzz.make_models(tmp_path)
    said = []
    results = fuzz.run(range(60), models, said.append)
    assert not [case for case in results if case.verdict in fuzz.BAD], "\n".join(said)
    verdicts = {case.verdict for case in results}
    assert {fuzz.RIGHT, fuzz.REFUSED} <= verdicts
