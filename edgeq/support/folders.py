"""The user's own folders. Source: XDG Base Directory Specification, version 0.8."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from edgeq.errors import EdgeqError


def config_folder() -> Path:
    """Where edgeq keeps what the user has told it."""
    return base_folder("XDG_CONFIG_HOME", ".config") / "edgeq"


def base_folder(variable: str, usual: str) -> Path:
    """The folder that a variable names; one of the home folder where it names none.

    A relative one is passed over, as the specification says: it would be another in each folder.
    """
    given = Path(os.environ.get(variable, ""))
    return given if given.is_absolute() else home() / usual


def home() -> Path:
    """The user's home folder.

    Raises:
        EdgeqError: Nobody knows it: HOME is not set, and the system has no entry for the user, as
            in containers that run under a number alone.
    """
    try:
        return Path.home()
    except (RuntimeError, KeyError) as error:
        raise EdgeqError("You have no home folder here.", hint="set HOME to a folder") from error


def user_name() -> str:
    """What the user is called; the user's number where the system has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
