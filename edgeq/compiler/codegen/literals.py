"""C identifiers, literals and comments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeq.compiler.codegen.reserved import is_reserved
from edgeq.errors import UsageError
from edgeq.support.escapes import c_comment

_LONGEST = 60
_LONGEST_COMMENT = 120
_NARROW = frozenset({"int8_t", "uint8_t", "int16_t", "uint16_t"})


def check_identifier(name: str) -> str:
    """The name, if it can be the prefix of C symbols.

    Raises:
        UsageError: It cannot.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII) or len(name) > _LONGEST:
        raise UsageError(
            f"'{name}' cannot be the name of a C program.",
            hint=f"--name NAME with letters, digits and underscores, at most {_LONGEST}",
        )
    if is_reserved(name):
        raise UsageError(
            f"'{name}' cannot be the name of a C program: a header, keyword or function of C, of "
            "edgeq or of an SDK has it.",
            hint=f"--name m_{name.strip('_')}, or any other",
        )
    return name


def identifier(text: str) -> str:
    """A C identifier made from any text, such as a file name."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").lower()[:_LONGEST] or "model"
    return f"m_{name}"[:_LONGEST] if name[0].isdigit() or is_reserved(name) else name


def comment_text(text: str) -> str:
    """Text in a C comment, however hostile the model's names; long text is cut."""
    return c_comment(text[:_LONGEST_COMMENT])


def string(text: str) -> str:
    """A C string literal of any text, in UTF-8."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode("utf-8", "replace")
    )
    return f'"{plain}"'


def number(value: Any, ctype: str = "int32_t") -> str:
    """One C literal of a type."""
    if ctype == "float":
        value = np.float32(value)
        if np.isnan(value):
            return "(0.0f / 0.0f)"
        if np.isinf(value):
            return "(1.0f / 0.0f)" if value > 0 else "(-1.0f / 0.0f)"
        return _spelled(float(value))
    value = int(value)
    if ctype == "int32_t" and value == -(1 << 31):
        return "INT32_MIN"
    if ctype == "int64_t":
        return "INT64_MIN" if value == -(1 << 63) else f"INT64_C({value})"
    if ctype == "uint64_t":
        return f"UINT64_C({value})"
    if ctype == "uint32_t":
        return f"{value}u"
    return str(value)


def _spelled(value: float) -> str:
    """A finite float32 as a C literal that gives it back."""
    text = f"{value:.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def array_lines(values: NDArray[Any], ctype: str, indent: str = "    ") -> list[str]:
    """The elements of an initialiser, in lines of at most 100 columns.

    Rows of "eq_requant" and "eq_requant_wide" become braces of three.
    """
    if ctype.startswith("eq_requant"):
        items = [
            "{" + ", ".join(number(v) for v in row) + "}" for row in values.reshape(-1, 3).tolist()
        ]
    elif _plain(values, ctype):
        items = list(map(str, values.reshape(-1).tolist()))
    elif ctype == "float" and np.isfinite(floats := values.astype(np.float32)).all():
        items = [_spelled(value) for value in floats.reshape(-1).tolist()]
    else:
        items = [number(v, ctype) for v in values.reshape(-1).tolist()]
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 1 > 100:
            lines.append(line.rstrip())
            line = indent
        line += item + ", "
    lines.append(line.rstrip())
    return lines


def _plain(values: NDArray[Any], ctype: str) -> bool:
    """Whether every value is its own literal; millions of them need not be looked at singly."""
    if values.dtype.kind not in "iu" or values.size == 0:
        return False
    return ctype in _NARROW or (ctype == "int32_t" and int(values.min()) > -(1 << 31))


def initialiser(params: Mapping[str, object]) -> list[str]:
    """Designated initialisers of a params struct, one field a line.

    Args:
        params: Numbers, sequences and structs of them; C expressions as text.
    """
    return [f"        .{field} = {_value(value)}," for field, value in params.items()]


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f".{field} = {_value(v)}" for field, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "{" + ", ".join(_value(v) for v in value) + "}"
    return number(value, "float" if isinstance(value, float) else "int32_t")
