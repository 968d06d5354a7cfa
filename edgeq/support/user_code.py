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
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(name).stem, name)
            if spec is None or spec.loader is None:
                raise ImportError(f"no module in '{name}'")
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        return importlib.import_module(name)
    except Exception as error:
        raise EdgeqError(
            f"'{name}' cannot be imported: {type(error).__name__}: {error}", where
        ) from error
