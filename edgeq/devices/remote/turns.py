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


@contextmanager
def turn(link: Link, wait_s: float) -> Iterator[None]:
    """Keep others of this machine from measuring on a device in the block.

    Raises:
        EdgeqError: Somebody else does, for longer than `wait_s`.
    """
    name = hashlib.sha256(link.identity.encode()).hexdigest()
    with in_turn(cache_dir() / "turns" / name, wait_s) as mine:
        if not mine:
            raise busy(link.name, "another edgeq on this machine")
        yield
