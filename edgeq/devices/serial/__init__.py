"""`serial:PORT`: a board whose firmware speaks edgeq's serial protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeq.devices.address import Address
    from edgeq.devices.serial.session import SerialDevice


def device(address: Address) -> SerialDevice:
    """The device of an address such as `serial:/dev/ttyACM0?baud=115200&timeout=10`."""
    from edgeq.devices.serial import session

    return session.device(address)
