"""The options that every device behind a link takes after the `?` of its address."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.remote.push import DEFAULT_CACHE_BYTES
from edgeq.devices.remote.runtimes import AGENTS, RUNTIMES
from edgeq.errors import UsageError

NAMES = (
    "runtime", "agent", "threads", "cpu", "delegate", "dir", "wait", "reconnect", "cache",
    "program", "patience",
)  # fmt: skip
DELEGATES = ("xnnpack", "none", "reference", "gpu", "nnapi", "qnn")


@dataclass(frozen=True)
class RemoteOptions:
    """How a model runs on a device behind a link.

    Attributes:
        runtime: One of RUNTIMES, or "benchmark_model"; "" lets the probe choose.
        program: The benchmark_model to use: a file here, or a path on the device.
        agent: "python" or "native"; "" lets the probe choose.
        cpu: Cores to stay on, such as "2,3"; "" for any.
        delegate: What was asked for; "" leaves it to the runtime.
        folder: Folder on the device for what is pushed; "" for the usual ones.
        wait_s: How long to wait while somebody else measures on the device.
        reconnect_s: How long to try again after a lost link, where work can go on.
        cache_bytes: Cap on what is kept on the device.
        patience_s: How long the device may take for one answer, beyond what was asked of it.
    """

    runtime: str = ""
    agent: str = ""
    threads: int = 1
    cpu: str = ""
    delegate: str = ""
    folder: str = ""
    wait_s: float = 5.0
    reconnect_s: float = 3.0
    cache_bytes: int = DEFAULT_CACHE_BYTES
    program: str = ""
    patience_s: float = 600.0


def read_options(address: Address, *others: str) -> RemoteOptions:
    """The options of an address.

    Args:
        address: The address.
        others: Names of options that its kind of link takes besides.

    Raises:
        UsageError: An option is unknown or has an impossible value.
    """
    query.allow_only(address, (*NAMES, *others))
    folder = address.query.get("dir", "")
    if folder and (not folder.startswith("/") or not folder.isprintable()):
        raise UsageError(f"'{address.text}': dir= takes an absolute path on the device.")
    return RemoteOptions(
        runtime=query.choice(address, "runtime", ("", *RUNTIMES, "benchmark_model"), ""),
        agent=query.choice(address, "agent", ("", *AGENTS), ""),
        threads=query.positive(address, "threads", 1),
        cpu=query.cores(address.query.get("cpu", ""), address.text),
        delegate=query.choice(address, "delegate", ("", *DELEGATES), ""),
        folder=folder,
        wait_s=_seconds(address, "wait", 5.0),
        reconnect_s=_seconds(address, "reconnect", 3.0),
        program=address.query.get("program", ""),
        patience_s=_seconds(address, "patience", 600.0),
        cache_bytes=int(_seconds(address, "cache", DEFAULT_CACHE_BYTES / 1e6) * 1e6),
    )


def _seconds(address: Address, name: str, default: float) -> float:
    text = address.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e6:
        raise UsageError(f"'{address.text}': {name}= takes a number from 0 on.")
    return value
