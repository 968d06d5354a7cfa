"""Classes and functions of the user's own that Keras files name: layers, activations, losses."""

from __future__ import annotations

import inspect
import re

from edgeq.conversion.tensorflow import import_tensorflow
from edgeq.errors import EdgeqError
from edgeq.support.user_code import import_user_module

IMPORTED: set[str] = set()
"""Modules that were registered."""
_MISSING = (
    re.compile(r"Could not locate (?P<kind>class|function) '(?P<name>[^']+)'"),
    re.compile(r"Unknown (?P<kind>layer|loss|metric|\w+): '?(?P<name>[\w>]+)'?"),
)
_MODULE = re.compile(r"Full object config: \{'module': '(?P<module>[\w.]+)'")


def register_custom_objects(module: str) -> tuple[str, ...]:
    """The names that Keras finds from now on, of the classes and functions of a module.

    Those that the module registers itself (keras.saving.register_keras_serializable) keep the names
    they have there; all others are known by their plain names.

    Args:
        module: `package.module` or `path/file.py`.

    Raises:
        EdgeqError: It cannot be imported, or defines neither class nor function.
    """
    _, keras = import_tensorflow()
    imported = import_user_module(module, f"--import {module}")
    found = {
        name: value
        for name, value in vars(imported).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == imported.__name__
        and not name.startswith("_")
    }
    if not found:
        raise EdgeqError(f"'{module}' defines neither classes nor functions.", f"--import {module}")
    keras.saving.get_custom_objects().update(found)
    IMPORTED.add(imported.__name__)
    return tuple(found)


def missing_object(error: BaseException, where: str) -> EdgeqError | None:
    """What to do about a class or function that Keras does not know; None for other errors."""
    text = str(error)
    found = next((match for pattern in _MISSING if (match := pattern.search(text))), None)
    if found is None:
        return None
    plain = found["name"].rpartition(">")[2]
    module = _MODULE.search(text)
    known = module["module"] if module and module["module"] != "builtins" else "MODULE"
    return EdgeqError(
        f"The {found['kind']} '{plain}' in the model is not Keras's own.",
        where,
        f"--import {known}: a Python module (or file.py) that defines it",
    )
