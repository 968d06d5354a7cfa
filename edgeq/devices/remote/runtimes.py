"""Which runtime a device gets: chosen from what the probe found, or forced by `?runtime=`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeq import __version__
from edgeq.compiler.options import CompileOptions
from edgeq.devices.remote import artifacts
from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts
from edgeq.devices.remote.runner import check_architecture, generated_runner, litert_runner
from edgeq.devices.remote.shell import quoted
from edgeq.errors import EdgeqError, UsageError

RUNTIMES = ("litert", "installed", "wheel", "c")
AGENTS = ("python", "native")
# Of LiteRT's Python package, as a distribution brings it or edgeq's pushed wheel.
INTERPRETERS = ("ai_edge_litert", "tflite_runtime")
_IMPORT_S = 30.0  # numpy alone takes 10 s on an emulated Pi
_CPU_DELEGATES = ("xnnpack", "none", "reference")
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
        isa: The level that generated C runs at (`edgeq.boards.levels`); None for other runtimes.
    """

    runtime: str
    version: str
    program: Artifact
    library: Artifact | None
    interpreted: bool
    isa: str | None = None

    @property
    def usual_delegate(self) -> str:
        """The delegate that runs if none is asked for; generated C has none."""
        return "none" if self.runtime == "c" else "xnnpack"

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
        delegate: What the address asks for; "" leaves it to the runtime.
        threads: Likewise.
        model: The .tflite file.
        compile_options: For generated C.
        ask: Runs a line of shell on the device, in so many seconds beyond a moment.
    """

    facts: HostFacts
    agent: str
    delegate: str
    threads: int
    model: Path
    compile_options: CompileOptions
    ask: Callable[[str, float], tuple[int, str]]


@dataclass(frozen=True)
class _Runtime:
    """A kind of runtime: whether a device can take it, and what it takes.

    Attributes:
        check: Raises EdgeqError if the device cannot.
        plan: Builds or fetches what is needed; raises EdgeqError if it cannot be had.
    """

    check: Callable[[Request], None]
    plan: Callable[[Request], Plan]


def choose(request: Request, wanted: str) -> Plan:
    """The first runtime, in the documented order, that the device can run.

    Args:
        request: What is to run, and where.
        wanted: One of RUNTIMES, or "" for the first that fits.

    Raises:
        EdgeqError: None fits; the reasons are listed.
    """
    reasons: list[str] = []
    if asks_for_c(request.compile_options, wanted):
        wanted = "c"
    for name, runtime in _RUNTIMES.items():
        if wanted in ("", name):
            try:
                runtime.check(request)
                return runtime.plan(request)
            except EdgeqError as error:
                reasons.append(f"{name}: {_one_line(error)}")
    raise EdgeqError(
        "No runtime can run this model on this device:\n  " + "\n  ".join(reasons),
        hint="edgeq devices probe ADDRESS shows what the device has",
    )


def asks_for_c(options: CompileOptions, wanted: str) -> bool:
    """Whether options are for generated C alone.

    Raises:
        UsageError: They are, and another runtime is wanted.
    """
    if options.frontend is None and not options.isa and not options.dispatch:
        return False
    if wanted not in ("", "c"):
        what = "--isa and --dispatch" if options.frontend is None else "Front ends"
        raise UsageError(f"{what} are for generated C, not {wanted}.", hint="?runtime=c")
    return True


def possible(request: Request) -> dict[str, str]:
    """Why a device cannot take each runtime, by its name; "" where it can."""
    found = {}
    for name, runtime in _RUNTIMES.items():
        try:
            runtime.check(request)
            found[name] = ""
        except EdgeqError as error:
            found[name] = _one_line(error)
    return found


def _one_line(error: EdgeqError) -> str:
    return f"{error.what} (try: {error.hint})" if error.hint else error.what


def _check_python(facts: HostFacts) -> None:
    if facts.python is None:
        raise EdgeqError("there is no Python on the device")
    if facts.python.version < (3, 7):
        version = ".".join(map(str, facts.python.version))
        raise EdgeqError(f"Python {version} is too old, 3.7 is needed")
    missing = _AGENT_MODULES - facts.python.modules
    if missing:
        raise EdgeqError(f"its Python lacks {', '.join(sorted(missing))}")


def _has_python(facts: HostFacts) -> bool:
    try:
        _check_python(facts)
    except EdgeqError:
        return False
    return True


def _check_litert(request: Request) -> None:
    _check_delegate(request)
    facts = request.facts
    if facts.glibc is None or facts.glibc < artifacts.LITERT_GLIBC:
        raise EdgeqError(f"libLiteRt.so needs glibc 2.34, the device has {facts.libc}")
    if facts.bits == 32 and facts.architecture in artifacts.LITERT_PLATFORMS:
        raise EdgeqError("libLiteRt.so has 64 bits, the programs on the device have 32")
    if facts.architecture not in artifacts.LITERT_PLATFORMS:
        raise EdgeqError(f"there is no libLiteRt.so for {facts.architecture}")
    _check_executable(facts)
    if request.agent == "python":
        _check_python(facts)


def _plan_litert(request: Request) -> Plan:
    facts = request.facts
    library = artifacts.litert_library(facts.architecture)
    version = artifacts.litert_version()
    if request.agent != "native" and _has_python(facts):
        return Plan("litert", version, artifacts.agent(), library, interpreted=True)
    # python3-minimal, for one, has no ctypes: the agent in C needs no Python at all.
    return Plan("litert", version, litert_runner(facts), library, interpreted=False)


def _check_installed(request: Request) -> None:
    _check_delegate(request)
    _check_interpreter(request)
    if _installed_module(request) is None:
        raise EdgeqError("neither ai_edge_litert nor tflite_runtime is installed there")


def _plan_installed(request: Request) -> Plan:
    module, version = _installed_module(request) or ("", "")
    return Plan(module, version, artifacts.agent(), None, interpreted=True)


def _installed_module(request: Request) -> tuple[str, str] | None:
    for module in INTERPRETERS:
        version = _import(request, f"{module}.interpreter")
        if version is not None:
            return module, version
    return None


def _check_wheel(request: Request) -> None:
    _check_delegate(request)
    _check_interpreter(request)
    facts = request.facts
    if facts.architecture != "armv7l":
        raise EdgeqError("tflite-runtime is brought along for 32-bit Arm only")
    if facts.python is None or facts.python.version[:2] not in artifacts.TFLITE_RUNTIME_PYTHONS:
        raise EdgeqError("tflite-runtime needs Python 3.9 to 3.11")
    numpy = _import(request, "numpy")
    if numpy is None or not numpy.startswith("1."):
        raise EdgeqError(
            f"tflite-runtime needs numpy below 2, the device has {numpy or 'none'}",
            hint="apt install python3-numpy on the device",
        )
    _check_executable(facts)


def _plan_wheel(request: Request) -> Plan:
    python = request.facts.python
    wheel = artifacts.tflite_runtime_wheel(python.version if python else ())
    return Plan("tflite_runtime", "2.14.0", artifacts.agent(), wheel, interpreted=True)


def _check_generated(request: Request) -> None:
    if request.agent == "python":
        raise EdgeqError("generated C is a program of its own, without Python")
    if request.delegate not in ("", "none"):
        raise EdgeqError(f"generated C takes no delegate, '{request.delegate}' was asked for")
    check_threads("c", request.threads)
    check_architecture(request.facts)
    _check_executable(request.facts)


def check_threads(runtime: str, threads: int) -> None:
    """Refuse threads that would not be used.

    Raises:
        UsageError: Generated C runs on one.
    """
    if runtime == "c" and threads > 1:
        raise UsageError(
            f"generated C runs on one thread, {threads} were asked for", hint="?runtime=litert"
        )


def _plan_generated(request: Request) -> Plan:
    program, isa = generated_runner(request.facts, request.model, request.compile_options)
    return Plan("c", __version__, program, None, interpreted=False, isa=isa)


def _check_delegate(request: Request) -> None:
    if request.delegate not in ("", *_CPU_DELEGATES):
        raise EdgeqError(
            f"it has no delegate '{request.delegate}', only {', '.join(_CPU_DELEGATES)}"
        )


def _check_executable(facts: HostFacts) -> None:
    if facts.root is not None and not facts.executable:
        raise EdgeqError(
            f"programs may not run from {facts.root} (mounted noexec)",
            hint="another folder: ?dir=/path/on/the/device",
        )


def _check_interpreter(request: Request) -> None:
    if request.agent == "native":
        raise EdgeqError("it needs the agent in Python")
    _check_python(request.facts)


def _import(request: Request, module: str) -> str | None:
    """The version of a module of the device's Python; None if it cannot be imported."""
    python = request.facts.python
    status, version = request.ask(
        f"{quoted(python.path if python else 'python3')} -EBc 'import {module} as m; "
        f'print(getattr(m, "__version__", ""))\' 2>/dev/null',
        _IMPORT_S,
    )
    return version.strip() if status == 0 else None


_RUNTIMES = {
    "litert": _Runtime(_check_litert, _plan_litert),
    "installed": _Runtime(_check_installed, _plan_installed),
    "wheel": _Runtime(_check_wheel, _plan_wheel),
    "c": _Runtime(_check_generated, _plan_generated),
}
