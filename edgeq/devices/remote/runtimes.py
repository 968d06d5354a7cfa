"""Which runtime a device gets: chosen from what the probe found, or forced by `?runtime=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq.devices.remote import artifacts
from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts
from edgeq.devices.remote.shell import quoted
from edgeq.errors import EdgeqError

RUNTIMES = ("litert", "installed", "wheel", "c")
AGENTS = ("python", "native")
_AGENT_MODULES = {"select", "socket", "binascii"}


@dataclass(frozen=True)
class Plan:
    """What runs a model on a device.

    Attributes:
        runtime: "litert", "ai_edge_litert", "tflite_runtime" or "c".
        version: Of the runtime.
        program: The agent: a Python zip file, or a program.
        library: A runtime that the agent loads; None where it is installed or built in.
        interpreted: Whether `program` needs the device's Python.
    """

    runtime: str
    version: str
    program: Artifact
    library: Artifact | None
    interpreted: bool

    def command(self, facts: HostFacts) -> str:
        """The shell words that start the agent."""
        path = quoted(f"{facts.root}/{self.program.name}")
        if not self.interpreted or facts.python is None:
            return path
        # -S: nothing that is installed is needed, except by an interpreter that is.
        flags = "-ESB" if self.runtime == "litert" else "-EB"
        return f"{quoted(facts.python.path)} {flags} {path}"


def choose(facts: HostFacts, wanted: str, agent: str, model: Path, ask: Ask) -> Plan:
    """The first runtime, in the documented order, that the device can run.

    Args:
        facts: What the probe found.
        wanted: One of RUNTIMES, or "" for the first that fits.
        agent: One of AGENTS, or "" for the one that fits.
        model: The .tflite file, for runtimes that are made for one model.
        ask: Runs a line of shell on the device.

    Raises:
        EdgeqError: None fits; the reasons are listed.
    """
    reasons: list[str] = []
    for name, make in _MAKERS.items():
        if wanted and name != wanted:
            continue
        try:
            return make(facts, agent, model, ask)
        except EdgeqError as error:
            reasons.append(f"{name}: {error.what}")
    raise EdgeqError(
        "No runtime can run on this device:\n  " + "\n  ".join(reasons),
        hint="?runtime=c needs nothing on the device, but a model that edgeq can compile",
    )


Ask = Callable[[str], tuple[int, str]]


def _python_agent(facts: HostFacts, *modules: str) -> Artifact:
    if facts.python is None:
        raise EdgeqError("there is no Python on the device")
    if facts.python.version < (3, 7):
        version = ".".join(map(str, facts.python.version))
        raise EdgeqError(f"Python {version} is too old, 3.7 is needed")
    missing = (_AGENT_MODULES | set(modules)) - facts.python.modules
    if missing:
        raise EdgeqError(f"its Python lacks {', '.join(sorted(missing))}")
    return artifacts.agent()


def _litert(facts: HostFacts, agent: str, model: Path, ask: Ask) -> Plan:
    del model, ask
    if facts.glibc is None:
        raise EdgeqError(f"libLiteRt.so needs glibc 2.34; this is {facts.libc}")
    if facts.glibc < artifacts.LITERT_GLIBC:
        raise EdgeqError(f"libLiteRt.so needs glibc 2.34; the device has {facts.libc}")
    if not facts.executable:
        raise EdgeqError(f"programs may not run from {facts.root} (mounted noexec)")
    library = artifacts.litert_library(facts.architecture)
    program = _python_agent(facts, "ctypes")
    return Plan("litert", artifacts.litert_version(), program, library, interpreted=True)


def _installed(facts: HostFacts, agent: str, model: Path, ask: Ask) -> Plan:
    del agent, model
    program = _python_agent(facts, "ctypes")
    assert facts.python is not None
    for module in ("ai_edge_litert", "tflite_runtime"):
        status, version = ask(
            f"{quoted(facts.python.path)} -EB -c 'import {module}.interpreter as m; "
            f'print(getattr(m, "__version__", ""))\' 2>/dev/null'
        )
        if status == 0:
            return Plan(module, version, program, None, interpreted=True)
    raise EdgeqError("neither ai_edge_litert nor tflite_runtime is installed there")


_MAKERS: dict[str, Callable[[HostFacts, str, Path, Ask], Plan]] = {
    "litert": _litert,
    "installed": _installed,
}
