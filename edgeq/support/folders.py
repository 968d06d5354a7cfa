"""The user's own folders. Source: XDG Base Directory Specification, version 0.8."""

from __future__ import annotations

import os
from pathlib import Path


def config_folder() -> Path:
    """Where edgeq keeps what the user has told it."""
    return base_folder("XDG_CONFIG_HOME", ".config") / "edgeq"


def base_folder(variable: str, usual: str) -> Path:
    """The folder that a variable names; one of the home folder where it names none.

    A relative one is passed over, as the specification says: it would be another in each folder.
    """
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else Path.home() / usual
