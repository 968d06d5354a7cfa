"""Which model a front end's file belongs to: a comment with its digest, written by `convert`."""

from __future__ import annotations

import hashlib
import re

_STAMP = re.compile(rb"^# Of the model whose SHA-256 is ([0-9a-f]{64})\.\r?\n?", re.MULTILINE)


def stamped(text: bytes, model: bytes) -> bytes:
    """The file's content, saying that it is of a model, and of no other."""
    line = f"# Of the model whose SHA-256 is {hashlib.sha256(model).hexdigest()}.\n".encode()
    if _STAMP.search(text):
        return _STAMP.sub(line, text)
    return text + (b"" if text.endswith(b"\n") else b"\n") + line


def is_of_another(text: bytes, model: bytes) -> bool:
    """Whether a file says that it is of another model than this one; most files say nothing."""
    found = _STAMP.search(text)
    return found is not None and found[1].decode() != hashlib.sha256(model).hexdigest()


def is_stamped(text: bytes) -> bool:
    """Whether a file says which model it is of: it was split off that model by `convert`."""
    return _STAMP.search(text) is not None
