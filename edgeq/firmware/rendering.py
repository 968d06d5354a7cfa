"""The templates of firmware_templates/, each language with its own way to escape text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from edgeq.support import escapes
from edgeq.support.resources import resource_dir

if TYPE_CHECKING:
    import jinja2


def render_file(source: str, context: Mapping[str, Any]) -> str:
    """One file of firmware_templates/ with the context filled in."""
    return _environment().get_template(source).render(context)


class _Escaped(str):
    """Text that one of the languages' filters has made."""

    __slots__ = ()


# What can stand anywhere in C, CMake, Markdown and the like without ending or beginning anything.
_PLAIN = re.compile(r"[A-Za-z0-9_.,:=+/@ ()-]*")
_FILTERS = ("c_comment", "hash_comment", "cmake", "ini", "markdown", "markup", "shell")


def _finalize(value: Any) -> Any:
    """What a template may print: numbers, plain words, and text that a filter has escaped.

    Raises:
        ValueError: A template forgot the filter of its language.
    """
    if isinstance(value, str) and not isinstance(value, _Escaped) and not _PLAIN.fullmatch(value):
        raise ValueError(f"a template prints {value!r} unescaped")
    return value


def _filter(name: str) -> Callable[[str], _Escaped]:
    escape: Callable[[str], str] = getattr(escapes, name)
    return lambda text: _Escaped(escape(str(text)))


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("firmware_templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (not HTML: each language has its filter)
        finalize=_finalize,
    )
    environment.filters |= {name: _filter(name) for name in _FILTERS}
    environment.filters["code"] = _Escaped  # made by the templates or by edgeq itself
    return environment
