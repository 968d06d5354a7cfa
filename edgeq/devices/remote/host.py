"""A host behind a link, as its sessions know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeq.devices.remote.link import Link
from edgeq.devices.remote.options import RemoteOptions

# Seconds that may pass -> a connection; None for the usual patience.
Connect = Callable[[float | None], Link]


@dataclass(frozen=True)
class Host:
    """How it is reached, and how a model runs there."""

    address: str
    connect: Connect
    options: RemoteOptions
