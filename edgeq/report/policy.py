"""Style and scripts of a page, and the content security policy that lets nothing else in."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

    from edgeq.report.trial import Trial

TEMPLATES = Path(__file__).parent / "templates"

# What would end a script, or change how the rest of it is read.
_ENDS = re.compile(r"<(/?script|!--)", re.IGNORECASE)


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script of the page."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def trial_script(identity: str, trial: Trial) -> str:
    """The module that runs a panel: the loader, what people give, and the start.

    Args:
        identity: Of the panel's element.
        trial: The panel.
    """
    parts = [trial.loader, asset("trial.js")]
    if trial.way == "image":
        parts.append(asset("trial_image.js"))
    elif trial.way == "sound":
        parts.append(asset("trial_sound.js"))
    return "\n".join([*parts, f'start("{identity}", load{trial.title});\n'])


def policy(style: str, scripts: Sequence[str], *, wasm: bool) -> str:
    """What a page may do: its own style and scripts by their hashes, pictures that it has made.

    Args:
        style: The style sheet.
        scripts: The scripts.
        wasm: Whether it may compile WebAssembly.
    """
    run = [*(_hash(script) for script in scripts), *["'wasm-unsafe-eval'"] * wasm] or ["'none'"]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(run)}",
            f"style-src {_hash(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def embedded(text: str) -> Markup:
    """A style sheet or script of edgeq's own as it may stand in its element."""
    from markupsafe import Markup

    assert not _ENDS.search(text)
    return Markup(text)  # noqa: S704  (no text of a model is in it)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
