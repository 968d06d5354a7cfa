"""Foreign text in files that a compiler, a build system, a browser or a shell reads.

One function per language. Each gives text that is only text there, whatever it was before:
in one line, printable, and unable to end the place it stands in.
"""

from __future__ import annotations

import html
import re
import shlex

from edgeq.support.text import visible_line


def c_comment(text: str) -> str:
    """For a comment of C, C++ or a linker script: it cannot end there, nor begin anew."""
    text = visible_line(text)
    for pair, apart in (("*/", "* /"), ("/*", "/ *"), ("??", "? ?")):
        text = text.replace(pair, apart)
    # After `?*/` has become `?* /`, three question marks are still two and one.
    return text.replace("??", "? ?").rstrip("\\")


def hash_comment(text: str) -> str:
    """For a comment that begins with # or ; and ends with its line: CMake, INI, TOML, shell."""
    return visible_line(text).rstrip("\\")


def cmake(text: str) -> str:
    """For between the quotes of a CMake argument: no variable is read, no command begins."""
    return re.sub(r'([\\"$;])', r"\\\1", visible_line(text))


def ini(text: str) -> str:
    """For a value of an INI file as PlatformIO reads it: one line, nothing is substituted."""
    return re.sub(r"[;#$%{}]", "_", visible_line(text))


def toml(text: str) -> str:
    """For between the quotes of a basic TOML string."""
    return visible_line(text).replace("\\", "\\\\").replace('"', '\\"')


def markup(text: str) -> str:
    """For HTML and XML, between tags and in quoted attributes."""
    return html.escape(visible_line(text))


def markdown(text: str) -> str:
    """For within a line or a cell of Markdown: no link, no picture, no HTML, no emphasis."""
    text = html.escape(visible_line(text), quote=False)
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)


def shell(text: str) -> str:
    """One word of a POSIX shell."""
    return shlex.quote(visible_line(text))
