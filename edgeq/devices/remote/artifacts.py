"""What edgeq brings along: the agent in one file, and runtimes for the device's architecture."""

from __future__ import annotations

import hashlib
import io
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from edgeq.compiler.build.cache import cache_dir, cached
from edgeq.errors import EdgeqError
from edgeq.support.children import module_command
from edgeq.support.output import write_whole

_AGENT = Path(__file__).resolve().parent.parent / "far"
_AGENT_MODULES = ("wire", "supervisor", "worker", "litert", "interpreter")
_MAIN = "from edgeq_agent.supervisor import main\nmain()\n"
_LIBRARY = "libLiteRt.so"
_SHELF = "runtimes"  # of the cache
LITERT_PLATFORMS = {
    "x86_64": "manylinux_2_27_x86_64",
    "aarch64": "manylinux_2_27_aarch64",
}
LITERT_GLIBC = (2, 34)  # the wheel's tag says 2.27, the library needs more
TFLITE_RUNTIME = "tflite-runtime==2.14.0"
TFLITE_RUNTIME_PLATFORM = "manylinux_2_34_armv7l"
TFLITE_RUNTIME_PYTHONS = ((3, 9), (3, 10), (3, 11))


@dataclass(frozen=True)
class Artifact:
    """A file to be put on a device under the name of its own content.

    Attributes:
        path: The file on this machine.
        sha256: Digest of its content.
        suffix: End of its name on the device, such as ".so".
    """

    path: Path
    sha256: str
    suffix: str

    @property
    def name(self) -> str:
        """Its file name on the device."""
        return self.sha256 + self.suffix

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self.path.stat().st_size


def artifact(path: Path, suffix: str) -> Artifact:
    """A file of this machine, with its digest."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return Artifact(path, digest.hexdigest(), suffix)


def agent() -> Artifact:
    """The Python agent as one zip file, the same bytes for the same sources."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        sources = {"__main__.py": _MAIN, "edgeq_agent/__init__.py": ""}
        for name in _AGENT_MODULES:
            sources[f"edgeq_agent/{name}.py"] = (_AGENT / f"{name}.py").read_text()
        for name, text in sources.items():
            # Without dates, so that the name (its digest) stays the same.
            archive.writestr(zipfile.ZipInfo(name), text)
    data = packed.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    path = cache_dir() / "agents" / f"{digest}.pyz"
    if not path.exists() or path.read_bytes() != data:
        write_whole(path, data)
    return Artifact(path, digest, ".pyz")


def litert_library(architecture: str) -> Artifact:
    """libLiteRt.so for an architecture, out of the ai-edge-litert wheel for it.

    Raises:
        EdgeqError: There is none for this architecture, or the wheel cannot be had.
    """
    if architecture not in LITERT_PLATFORMS:
        raise EdgeqError(
            f"LiteRT has no library for {architecture}.", hint="?runtime=c runs generated C"
        )
    version = litert_version()
    if architecture == platform.machine() and sys.platform == "linux":
        package = util.find_spec("ai_edge_litert")
        if package and package.origin:
            return artifact(Path(package.origin).parent / _LIBRARY, ".so")

    def fetch(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as work:
            wheel = download_wheel(
                f"ai-edge-litert=={version}",
                LITERT_PLATFORMS[architecture],
                (3, 12),
                Path(work),
            )
            with zipfile.ZipFile(wheel) as archive:
                write_whole(folder / _LIBRARY, archive.read(f"ai_edge_litert/{_LIBRARY}"))

    folder = cached(["ai-edge-litert", version, architecture], fetch, _SHELF)
    return artifact(folder / _LIBRARY, ".so")


def litert_version() -> str:
    """The version of the LiteRT that edgeq is installed with, and brings along."""
    return metadata.version("ai-edge-litert")


def tflite_runtime_wheel(python: Sequence[int]) -> Artifact:
    """The tflite-runtime wheel for 32-bit Arm and a Python.

    Raises:
        EdgeqError: It cannot be had.
    """

    def fetch(folder: Path) -> None:
        download_wheel(TFLITE_RUNTIME, TFLITE_RUNTIME_PLATFORM, python, folder)

    version = f"{python[0]}.{python[1]}"
    folder = cached([TFLITE_RUNTIME, TFLITE_RUNTIME_PLATFORM, version], fetch, _SHELF)
    return artifact(next(folder.glob("*.whl")), ".whl")


def download_wheel(requirement: str, tag: str, python: Sequence[int], folder: Path) -> Path:
    """A wheel for another machine, fetched by pip.

    Raises:
        EdgeqError: pip does not find it; its last line is in the message.
    """
    if shutil.which("pip") is None and util.find_spec("pip") is None:
        raise EdgeqError("pip is not installed.", hint="python -m ensurepip")
    command = module_command(
        "pip", "download", "--quiet", "--no-deps",
        "--disable-pip-version-check", "--only-binary=:all:", "--platform", tag,
        "--implementation", "cp", "--python-version", f"{python[0]}.{python[1]}",
        "--dest", str(folder), requirement,
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise EdgeqError(
            f"The wheel {requirement} for {tag} cannot be had: {lines[-1]}",
            hint="is there a network, or a pip index that has it?",
        )
    return wheels[0]
