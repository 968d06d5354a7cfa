"""Results are JSON whatever their numbers are."""

import json
import math

import numpy as np

from edgeq.support.jsontext import json_text


def test_what_json_has_no_number_for_is_null():
    value = {"a": math.inf, "b": [1.5, np.float32("nan")], "c": np.array([-math.inf, 2.0]), "d": 1}
    assert json.loads(json_text(value)) == {"a": None, "b": [1.5, None], "c": [None, 2.0], "d": 1}
    assert json_text({"a": 1.0}) == '{\n  "a": 1.0\n}'
