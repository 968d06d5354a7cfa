"""Who measures on a device now: one command of this machine after the other.

The agents on the device agree among themselves, whoever started them; a user's own tool knows
nothing of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from edgeq.compiler.build.cache import cache_dir
from edgeq.devices.remote.failures import busy
from edgeq.devices.remote.link import Link
from edgeq.support.alone import in_turn


class Turn:
    """The turns of one session on its device."""

    def __init__(self, link: Link, wait_s: float) -> None:
        self._link = link
        self._wait_s = wait_s
        self._held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others of this machine from measuring on the device in the block, or in one around.

        Raises:
            EdgeqError: Somebody else does, for longer than the time to wait.
        """
        if self._held:
            yield
            return
        name = hashlib.sha256(self._link.identity.encode()).hexdigest()
        with in_turn(cache_dir() / "turns" / name, self._wait_s) as mine:
            if not mine:
                raise busy(self._link.name, "another edgeq on this machine")
            self._held = True
            try:
                yield
            finally:
                self._held = False
