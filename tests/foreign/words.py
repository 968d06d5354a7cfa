"""What Python says to programmers, which no user of edgeq should have to read."""

import re

_PYTHONS = re.compile(
    r"(Type|Value|Key|Index|Attribute|Overflow|ZeroDivision|Unicode\w*|Assertion)Error"
    r"|cannot convert float|division by zero|indices must be|not subscriptable|not iterable"
    r"|object has no|'NoneType'|unsupported operand|not supported between|index out of range"
    r"|values to unpack|positional argument|unhashable|has no attribute '_|codec can't"
    r"|could not convert string|invalid literal|maximum recursion|<class '|<built-in|object at 0x"
)


def pythons_words(text: str) -> str:
    """Words of Python's in an error; empty where there are none."""
    found = _PYTHONS.search(text)
    return found[0] if found else ""
