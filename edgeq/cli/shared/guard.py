"""What a command reads is never what it writes over, by whatever option it was named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

_OUTPUTS = ("output", "card")
IMPORTED = "edgeq.imported"
"""Where a context keeps the modules of --import."""


class GuardedContext(click.Context):
    """The context of a command, which refuses outputs that are inputs before the command runs."""

    def invoke(self, callback: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Run the command's function.

        Raises:
            EdgeqError: It would write over a file that one of its options names.
        """
        for name in _OUTPUTS:
            output = self.params.get(name)
            if output is not None and Path(str(output)).is_file():
                from edgeq.support.output import check_inputs

                check_inputs(Path(str(output)), self._given(name))
        return super().invoke(callback, *args, **kwargs)

    def _given(self, output: str) -> Iterator[str]:
        """Every text of the user's that may name a file, but for the output."""
        yield from self.meta.get(IMPORTED, ())
        for param in self.command.params:
            if param.name in (None, output):
                continue
            value = self.params.get(param.name)
            for each in value if isinstance(value, tuple | list) else (value,):
                # Names of models, schemes and targets have neither; a file beside may be called so.
                is_path = isinstance(param.type, click.Path) or any(c in str(each) for c in "./\\")
                if isinstance(each, str | Path) and is_path:
                    yield str(each)


def guarded(command: click.Command) -> click.Command:
    """The command, and all below it, with contexts of this kind."""
    command.context_class = GuardedContext
    for below in getattr(command, "commands", {}).values():
        guarded(below)
    return command
