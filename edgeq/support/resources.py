"""Where the data that ships with edgeq lies: target files, firmware templates, C kernels."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_dir(kind: str) -> Path:
    """The folder of one kind of shipped data, in a wheel as well as in a checkout.

    Args:
        kind: "targets", "firmware_templates" or "kernels".

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    for parent in (_PACKAGE, _PACKAGE.parent):
        candidate = parent / kind
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"edgeq's {kind}/ folder is missing; reinstall edgeq")
