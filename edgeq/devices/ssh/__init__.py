"""`ssh://user@host:port`: a Linux or Android host over SSH, with nothing installed there."""

from __future__ import annotations

from edgeq.devices.address import Address
from edgeq.devices.remote.device import RemoteDevice
from edgeq.devices.remote.link import Link
from edgeq.devices.remote.options import read_options
from edgeq.devices.ssh.config import resolve
from edgeq.errors import blamed_on_the_device


def device(address: Address) -> RemoteDevice:
    """The device of an `ssh:` address; nothing is connected yet."""
    options = read_options(address, "config")
    settings = resolve(address)

    def connect(within_s: float | None) -> Link:
        from edgeq.devices.ssh import transport

        patience = None if within_s is None else transport.Patience(99, within_s)
        with blamed_on_the_device():
            return transport.connect(settings, patience)

    return RemoteDevice(address.text, connect, options)
