"""Labels against the class names that a model carries itself."""

import numpy as np
import pytest

from edgeq.conversion.describe import read_labels
from edgeq.data import InputSpec, open_dataset
from edgeq.data.base import Expected
from edgeq.errors import EdgeqError
from edgeq.model.decision import Decision, rules_of

SPEC = [InputSpec("x", (2,), "float32")]
X = np.zeros((4, 2), np.float32)


def labels_of(y, names):
    opened = open_dataset((X, np.array(y)), SPEC, labelled=True, expected=Expected(names, 4))
    return [sample.label for sample in opened], opened.remarks


def test_a_name_that_two_classes_have_is_no_label():
    """ImageNet has two cranes: all of them were taken for the last."""
    names = ("crane", "b", "crane", "d")
    with pytest.raises(EdgeqError, match="classes 0 and 2 are both called 'crane'") as caught:
        labels_of(["d", "b", "crane", "d"], names)
    assert "class numbers" in caught.value.hint
    assert labels_of(["d", "b", "b", "d"], names)[0] == [3, 1, 1, 3]
    assert labels_of([2, 0, 1, 3], names)[0] == [2, 0, 1, 3]


def test_class_numbers_for_a_model_whose_names_are_other_numbers():
    found, remarks = labels_of([3, 1, 2, 0], ("3", "1", "2", "0"))
    assert found == [3, 1, 2, 0]
    assert any("read as numbers of classes" in text for text in remarks.warnings)
    found, remarks = labels_of(["3", "1", "2", "0"], ("3", "1", "2", "0"))
    assert found == [0, 1, 2, 3]
    assert any("read as names" in text for text in remarks.warnings)
    found, remarks = labels_of([3, 1, 2, 0], ("0", "1", "2", "3"))
    assert found == [3, 1, 2, 0]
    assert not remarks.warnings
    # As text that is not all of their names: of numbers of classes nothing was said.
    found, remarks = labels_of(["0", "1", "2", "3"], ("3", "1", "2", "4"))
    assert found == [0, 1, 2, 3]
    assert any("read as numbers of classes" in text for text in remarks.warnings)


def test_names_with_joiners():
    """Words of Persian, Hindi or Sinhala were none of the model's, which showed alike."""
    names = ("می\u200cروم", "क्\u200dष", "b", "c")
    assert labels_of([names[1], names[0], "b", "c"], names)[0] == [1, 0, 2, 3]


def test_a_decision_over_a_model_with_two_classes_of_one_name():
    names = ("crane", "b", "crane", "d")
    with pytest.raises(EdgeqError, match="several classes of the model are called crane"):
        rules_of(Decision(), 4, 1, 1, 0.1, labels=names)
    named = Decision(labels=("a", "b", "c", "d"))
    assert rules_of(named, 4, 1, 1, 0.1, labels=names).labels[2] == "c"


def test_a_label_that_nobody_would_read(tmp_path):
    """convert wrote it, and every reader took the model for one without labels."""
    path = tmp_path / "labels.txt"
    path.write_text(f"a\n{'b' * 1000}\n")
    assert read_labels(path) == ("a", "b" * 1000)
    path.write_text(f"a\n{'b' * 1001}\n")
    with pytest.raises(EdgeqError, match="A label has 1,001 characters; 1,000 are read at most"):
        read_labels(path)


@pytest.mark.parametrize("where", ["data", "labels", "generator", "a label of a generator"])
def test_what_lies_behind_a_mask_is_no_data(where):
    """It was taken for data: a sensor's -999, and labels that nobody had given."""
    masked = np.ma.masked_equal(np.array([[1.0, -999.0], [3.0, 4.0]]), -999.0)
    whole, labels = masked.filled(0), np.ma.masked_equal([0, 1], 1)
    given = {
        "data": (masked, [0, 1]),
        "labels": (whole, labels),
        "generator": lambda: zip(masked, [0, 1], strict=True),
        "a label of a generator": lambda: zip(whole, labels, strict=True),
    }[where]
    with pytest.raises(EdgeqError, match=r"masked|no label"):
        list(open_dataset(given, SPEC, labelled=True))
    clean = np.ma.masked_less(whole, -1)
    assert len(list(open_dataset((clean, [0, 1]), SPEC, labelled=True))) == 2
