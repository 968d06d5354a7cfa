"""The options that say how data is read: one declaration for the command line and edgeq.toml."""

import datetime as dt
from pathlib import Path

import click
import pytest

from edgeq.cli.shared.data import dataset_options
from edgeq.data import DatasetOptions, Normalization
from edgeq.data.options import READING_KEYS, reading_options
from edgeq.errors import UsageError

PAGE = Path(__file__).parents[2] / "docs" / "your-data.md"


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, DatasetOptions()),
        ({"mean": "1,2", "std": "3"}, DatasetOptions(normalization=Normalization((1, 2), (3,)))),
        ({"std": [255.0]}, DatasetOptions(normalization=Normalization((0,), (255,)))),
        ({"classes": "yes, no"}, DatasetOptions(classes=("yes", "no"))),
        ({"classes": ["a", 1]}, DatasetOptions(classes=("a", "1"))),
        ({"background": "White"}, DatasetOptions(background=(255, 255, 255))),
        ({"background": "#0a0B0c"}, DatasetOptions(background=(10, 11, 12))),
        ({"background": [1, 2, 3]}, DatasetOptions(background=(1, 2, 3))),
        ({"background": "7"}, DatasetOptions(background=(7, 7, 7))),
        ({"sample_rate": "16000", "resample": True},
         DatasetOptions(sample_rate=16000, resample=True)),
        ({"resize": None, "from_logits": False}, DatasetOptions(from_logits=False)),
    ],
)  # fmt: skip
def test_what_is_typed_and_what_stands_in_a_file(given, options):
    assert reading_options(given) == options


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mean": "a"}, "--mean a"),
        ({"mean": "nan"}, "--mean nan"),
        ({"std": "0"}, "--std is above 0"),
        ({"std": "1,-1"}, "--std is above 0"),
        ({"std": "1e-300"}, "that float32 holds"),
        ({"mean": "0,1e39"}, "that float32 holds"),
        ({"classes": "a,b,a"}, "'a' stands there twice"),
        ({"background": "1,2"}, "no colour"),
        ({"background": "256,0,0"}, "no colour"),
        ({"sample_rate": "-1"}, "hertz"),
        ({"sample_rate": 1e308}, "hertz"),
        ({"sample_rate": float("inf")}, "hertz"),
        ({"sample_rate": 16000.5}, "hertz"),
        ({"mean": 10**400}, "numbers separated"),
        ({"background": 1.5}, "no colour"),
        ({"background": {"r": 1}}, "no text, number or list"),
        ({"background": dt.date(2026, 1, 1)}, "no text, number or list"),
        ({"classes": [["a"], ["b"]]}, "no text, number or list"),
        ({"resize": "zoom"}, "--resize zoom"),
        ({"resample": "yes"}, "neither true nor false"),
    ],
)
def test_what_makes_no_sense(given, words):
    with pytest.raises(UsageError, match=words):
        reading_options(given)


def test_every_option_is_on_the_command_line_and_on_the_page():
    @click.command()
    @dataset_options
    def command(reading):
        pass

    assert {option.name for option in command.params} == set(READING_KEYS)
    page = PAGE.read_text()
    for name in READING_KEYS:
        assert f"--{name.replace('_', '-')}" in page or f"\n{name} = " in page, name
