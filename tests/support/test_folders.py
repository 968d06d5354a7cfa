"""Where edgeq keeps what the user has told it."""

from pathlib import Path

import pytest

from edgeq.support.folders import config_folder


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("/etc/xdg", "/etc/xdg/edgeq"),
        ("", "/home/me/.config/edgeq"),
        ("own", "/home/me/.config/edgeq"),
    ],
)
def test_a_relative_folder_is_passed_over(monkeypatch, given, found):
    """It would be another one in each folder."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CONFIG_HOME", given)
    assert config_folder() == Path(found)
