"""Compiles the library into the wheel.

The compiler is $CC or cc. {{ name | upper }}_LIBRARY=FILE takes a library that was built elsewhere, and
{{ name | upper }}_PLATFORM=manylinux_2_17_aarch64 says for which machines that is.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _machine(file):
    """Word size, byte order and processor of an ELF file; nothing of others."""
    head = Path(file).open("rb").read(20)
    return (head[4:6], head[18:20]) if head[:4] == b"\x7fELF" else None


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        library = os.environ.get("{{ name | upper }}_LIBRARY") or self._compiled()
        platform = os.environ.get("{{ name | upper }}_PLATFORM")
        if not platform:
            platform = sysconfig.get_platform()
            if _machine(library) != _machine(sys.executable):
                raise SystemExit(
                    f"The library is for other machines than this one ({platform}): "
                    "{{ name | upper }}_PLATFORM=linux_aarch64, or whichever it is for, names them."
                )
        build_data["tag"] = "py3-none-" + platform.replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["force_include"][library] = "{{ name }}/lib{{ name }}.so"

    def _compiled(self):
        root = Path(self.root)
        folder = tempfile.mkdtemp()
        library = str(Path(folder) / "lib{{ name }}.so")
        command = [
            *shlex.split(os.environ.get("CC", "cc")),
            *("-std=c99", "-O3", "-fPIC", "-shared", "-s"),
            f"-Wl,--version-script={root / '{{ name }}.map'}",
            *("-o", library),
            *sorted(str(path) for path in (root / "src").glob("*.c")),
{% if threads %}
            "-pthread",
{% endif %}
{% if math %}
            "-lm",
{% endif %}
        ]
        subprocess.run(command, check=True)
        return library
