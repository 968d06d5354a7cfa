"""Which runtime a device gets: chosen from what the probe found, or forced by `?runtime=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq import __version__
from edgeq.devices.base import CompileOptions
from edgeq.devices.remote import artifacts
from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts, PythonFacts
from edgeq.devices.remote.runner import generated_runner, litert_runner
from edgeq.devices.remote.shell import quoted
from edgeq.errors import EdgeqError

RUNTIMES = ("litert", "installed", "wheel", "c")
AGENTS = ("python", "native")
_AGENT_MODULES = {"ctypes", "select", "socket", "binascii"}


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


@dataclass(frozen=True)
class Request:
    """What is to run, and where.

    Attributes:
        facts: What the probe found.
        agent: One of AGENTS, or "" for the one that fits.
        model: The .tflite file.
        compile_options: For generated C.
        ask: Runs a line of shell on the device.
    """

    facts: HostFacts
    agent: str
    model: Path
    compile_options: CompileOptions
    ask: Callable[[str], tuple[int, str]]


def choose(request: Request, wanted: str) -> Plan:
    """The first runtime, in the documented order, that the device can run.

    Args:
        request: What is to run, and where.
        wanted: One of RUNTIMES, or "" for the first that fits.

    Raises:
        EdgeqError: None fits; the reasons are listed.
    """
    reasons: list[str] = []
    for name, make in _MAKERS.items():
        if wanted in ("", name):
            try:
                return make(request)
            except EdgeqError as error:
                hint = f" (try: {error.hint})" if error.hint else ""
                reasons.append(f"{name}: {error.what}{hint}")
    raise EdgeqError(
        "No runtime can run this model on this device:\n  " + "\n  ".join(reasons),
        hint="edgeq devices probe ADDRESS shows what the device has",
    )


def _python_agent(facts: HostFacts) -> Artifact:
    if facts.python is None:
        raise EdgeqError("there is no Python on the device")
    if facts.python.version < (3, 7):
        version = ".".join(map(str, facts.python.version))
        raise EdgeqError(f"Python {version} is too old, 3.7 is needed")
    missing = _AGENT_MODULES - facts.python.modules
    if missing:
        raise EdgeqError(f"its Python lacks {', '.join(sorted(missing))}")
    return artifacts.agent()


def _litert(request: Request) -> Plan:
    facts = request.facts
    if facts.glibc is None or facts.glibc < artifacts.LITERT_GLIBC:
        raise EdgeqError(f"libLiteRt.so needs glibc 2.34, the device has {facts.libc}")
    _check_executable(facts)
    library = artifacts.litert_library(facts.architecture)
    version = artifacts.litert_version()
    if request.agent != "native":
        try:
            program = _python_agent(facts)
        except EdgeqError:
            # python3-minimal, for one, has no ctypes: the agent in C needs no Python at all.
            if request.agent == "python":
                raise
        else:
            return Plan("litert", version, program, library, interpreted=True)
    return Plan("litert", version, litert_runner(facts), library, interpreted=False)


def _installed(request: Request) -> Plan:
    python = _python_of(request)
    for module in ("ai_edge_litert", "tflite_runtime"):
        found = _import(request, f"{module}.interpreter", python)
        if found is not None:
            return Plan(module, found, artifacts.agent(), None, interpreted=True)
    raise EdgeqError("neither ai_edge_litert nor tflite_runtime is installed there")


def _wheel(request: Request) -> Plan:
    python = _python_of(request)
    if request.facts.architecture != "armv7l":
        raise EdgeqError("tflite-runtime is brought along for 32-bit Arm only")
    if python.version[:2] not in artifacts.TFLITE_RUNTIME_PYTHONS:
        raise EdgeqError("tflite-runtime needs Python 3.9 to 3.11")
    numpy = _import(request, "numpy", python)
    if numpy is None or not numpy.startswith("1."):
        raise EdgeqError(
            f"tflite-runtime needs numpy below 2, the device has {numpy or 'none'}",
            hint="apt install python3-numpy on the device",
        )
    _check_executable(request.facts)
    wheel = artifacts.tflite_runtime_wheel(python.version)
    return Plan("tflite_runtime", "2.14.0", artifacts.agent(), wheel, interpreted=True)


def _generated(request: Request) -> Plan:
    if request.agent == "python":
        raise EdgeqError("generated C is a program of its own, without Python")
    _check_executable(request.facts)
    program = generated_runner(request.facts, request.model, request.compile_options)
    return Plan("c", __version__, program, None, interpreted=False)


def _check_executable(facts: HostFacts) -> None:
    if facts.root is not None and not facts.executable:
        raise EdgeqError(
            f"programs may not run from {facts.root} (mounted noexec)",
            hint="another folder: ?dir=/path/on/the/device",
        )


def _python_of(request: Request) -> PythonFacts:
    if request.agent == "native":
        raise EdgeqError("it needs the agent in Python")
    _python_agent(request.facts)
    assert request.facts.python is not None
    return request.facts.python


def _import(request: Request, module: str, python: PythonFacts) -> str | None:
    """The version of a module of the device's Python; None if it cannot be imported."""
    status, version = request.ask(
        f"{quoted(python.path)} -EBc 'import {module} as m; "
        f'print(getattr(m, "__version__", ""))\' 2>/dev/null'
    )
    return version.strip() if status == 0 else None


_MAKERS: dict[str, Callable[[Request], Plan]] = {
    "litert": _litert,
    "installed": _installed,
    "wheel": _wheel,
    "c": _generated,
}
