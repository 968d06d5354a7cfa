"""From the text of an address to the device behind it."""

from __future__ import annotations

import importlib
import importlib.util

from edgeq.devices.address import Address, parse_address
from edgeq.devices.base import Device
from edgeq.errors import EdgeqError, UsageError

# Imported only when used: a serial port must not cost the start-up time of paramiko.
_MODULES = {
    "local": "edgeq.devices.local",
    "tflm": "edgeq.devices.tflm",
    "c": "edgeq.devices.host_c",
    "wasm": "edgeq.devices.wasm",
    "sim": "edgeq.devices.emulator",
    "qemu": "edgeq.devices.qemu",
    "serial": "edgeq.devices.serial",
    "ssh": "edgeq.devices.ssh",
    "adb": "edgeq.devices.adb",
    "vela": "edgeq.devices.vela",
}


# For devices that share a host, and workers of one search: they measure one after the other.
PATIENCE_S = 900.0

HERE = "here"


def open_device(text: str) -> Device:
    """The device of an address; nothing is connected or started yet.

    Args:
        text: An address such as "sim:cortex-m4", or the name of a device of the inventory.

    Raises:
        UsageError: The text is no address, or an option or a CPU in it is unknown.
        EdgeqError: The inventory has no such name, or this version no such devices.
    """
    address = address_of(text)
    if importlib.util.find_spec(_MODULES[address.scheme]) is None:
        raise EdgeqError(f"This version of edgeq has no '{address.scheme}:' devices.", text)
    module = importlib.import_module(_MODULES[address.scheme])
    device: Device = module.device(address)
    return device


def address_of(text: str) -> Address:
    """The address that a text is, or that it is a name for.

    What a device can do is told by this one: the text alone says nothing where it is a name.

    Raises:
        UsageError: The text is no address.
        EdgeqError: The inventory has no such name.
    """
    address = parse_address(text)
    return _from_inventory(address) if address.scheme == "name" else address


def patient_address(on: str) -> str:
    """The address of a device that is waited for while others measure on it.

    For a quarter of an hour, unless it says for how long: by itself it is waited for for seconds.
    """
    address = address_of(on)
    if address.scheme not in ("ssh", "adb") or "wait" in address.query:
        return address.text
    return f"{address.text}{'&' if '?' in address.text else '?'}wait={PATIENCE_S:.0f}"


def machine_of(on: str) -> str:
    """The machine that does a device's work; HERE for this one.

    One behind a link that goes by several names is known by these only.
    """
    address = address_of(on)
    if address.scheme not in ("ssh", "adb", "serial"):
        return HERE  # an emulator keeps this machine busy, too
    return f"{address.scheme}:{address.rest.rpartition('@')[2]}"


def on_runtime(on: str, runtime: str) -> str:
    """The address of a device with a runtime on it.

    Raises:
        UsageError: Such a device has none to choose from, or not this one, or the address says one.
    """
    address = open_device(on).address
    parsed = parse_address(address)
    if parsed.scheme not in ("ssh", "adb"):
        raise UsageError(
            f"--runtime has no meaning on {address}.", hint="it is for ssh: and adb: devices"
        )
    if "runtime" in parsed.query:
        raise UsageError(f"{address} says which runtime, and --runtime does, too.")
    found = f"{address}{'&' if '?' in address else '?'}runtime={runtime}"
    return open_device(found).address


def _from_inventory(address: Address) -> Address:
    from edgeq.devices import inventory

    found = parse_address(inventory.resolve(address.text))
    if found.scheme == "name":
        raise EdgeqError(
            f"The inventory's '{address.rest}' points to another name, '{found.text}'."
        )
    return found
