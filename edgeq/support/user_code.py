"""The user's own Python, imported because a command line names it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from edgeq.errors import EdgeqError


def import_user_module(name: str, where: str) -> ModuleType:
    """A module of the user's: by its name (also from this folder), or a file that ends in .py.

    Args:
        name: `package.module` or `path/file.py`.
        where: For messages.

    Raises:
        EdgeqError: It cannot be imported.
    """
    try:
        return _from_file(Path(name)) if name.endswith(".py") else _from_here(name)
    except (Exception, SystemExit) as error:
        raise EdgeqError(
            f"'{name}' cannot be imported: {type(error).__name__}: {error}", where
        ) from error


def _from_file(path: Path) -> ModuleType:
    """The module in a file, run anew; what lies beside it is found as the last of all."""
    here = str(path.resolve().parent)
    if here not in sys.path:
        sys.path.append(here)
    # A name of its own: another folder's module may have this one's.
    spec = importlib.util.spec_from_file_location(str(path.resolve()), path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module in '{path}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and pickle look for what is in it
    spec.loader.exec_module(module)
    return module


def _from_here(name: str) -> ModuleType:
    """Import a module; this folder is the first place to look for it, and then the last for others.

    What the user's module imports when it is called is found here, too, but nothing that lies here
    takes the place of an installed package.
    """
    here = Path.cwd()
    place = str(here)
    if place in sys.path:
        return importlib.import_module(name)
    root = name.partition(".")[0]
    mine = (here / f"{root}.py").is_file() or (here / root).is_dir()
    sys.path.insert(0 if mine else len(sys.path), place)
    try:
        return importlib.import_module(name)
    finally:
        if mine:
            sys.path.remove(place)
            sys.path.append(place)


def user_file(text: str) -> Path | None:
    """The file that a function of the user's is in; None of what was never in one.

    Args:
        text: `package.module:function` or `path/file.py:function`.

    Raises:
        EdgeqError: It cannot be imported.
    """
    module = text.rpartition(":")[0]
    if module.endswith(".py"):
        return Path(module)
    file = import_user_module(module, text).__file__
    return None if file is None else Path(file)
