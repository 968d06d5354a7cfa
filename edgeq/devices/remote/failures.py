"""Why something failed on a device, in words that say what to do."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeq.devices.remote import answers
from edgeq.devices.remote.facts import HostFacts
from edgeq.errors import EdgeqError
from edgeq.model.model_file import read_graph

_LONGEST_WORDS = 8000


def busy(where: str, who: str) -> EdgeqError:
    """The error that somebody else measures on a device."""
    error = EdgeqError(
        f"The device is busy: {who} is measuring on it.",
        where, "wait for it, or let edgeq wait: ?wait=120",
    )  # fmt: skip
    error.of_device = True
    return error


def explain(
    message: Mapping[str, Any], where: str, facts: HostFacts, model: Path, doing: str
) -> EdgeqError:
    """The error that an agent's `error` event stands for."""
    kind = answers.text(message, "kind")
    text = _clean(answers.text(message, "text", _LONGEST_WORDS))
    number = message.get("signal")
    number = number if isinstance(number, int) else 0
    if kind == "busy":
        return busy(where, text)
    if kind == "memory" or (kind == "died" and number == signal.SIGKILL):
        free = facts.available_bytes
        return EdgeqError(
            "The device ran out of memory: the kernel killed the process"
            if kind == "memory"
            else "The process was killed on the device, most likely for want of memory"
            + (f" ({free / 1e6:.0f} MB were available)." if free else "."),
            f"{where}, {model.name}, {doing}",
            "a smaller model, int8 instead of float, or a device with more memory",
        )
    if kind == "died":
        names = {each.value: each.name for each in signal.Signals}
        name = names.get(number, "no signal")
        return EdgeqError(f"The process on the device died ({name}): {text}", f"{where}, {doing}")
    op = re.search(r"Op builtin_code out of range|unresolved.?custom op: (\S+)|"
                   r"(?:Encountered|Failed to).*?op:? (\S+)", text)  # fmt: skip
    if op:
        return EdgeqError(
            f"The device's runtime lacks an op of this model: {text}", f"{where}, {model.name}",
            "another runtime (?runtime=c), or convert without that op",
        )  # fmt: skip
    custom = sorted({op.custom_name for op in read_graph(model).main.ops if op.custom_name})
    if custom:
        return EdgeqError(
            f"The device's runtime lacks an op of this model: {', '.join(custom)} "
            f"(it could not {doing}: {text})",
            f"{where}, {model.name}", "convert the model without custom ops",
        )  # fmt: skip
    return EdgeqError(f"The device could not {doing} the model: {text}", f"{where}, {model.name}")


def _clean(text: str) -> str:
    """A runtime's words without its notices."""
    lines = [line for line in text.splitlines() if not line.startswith(("INFO:", "WARNING:"))]
    return "\n".join(lines).strip()
