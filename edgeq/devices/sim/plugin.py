"""The plugin that counts in QEMU (plugin.c): built once, told what to count, its counts read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgeq.compiler.build.compiler import build
from edgeq.compiler.build.toolchain import host_toolchain
from edgeq.devices.sim.blocks import Block, Program

_SOURCE = Path(__file__).with_name("plugin.c")
# QEMU takes a range of versions of its interface: 7 and 8 the first one, later ones not.
_VERSIONS = (1, 2, 4)
_FIELDS = 5  # of a block in counts.bin


def plugins() -> Iterator[Path]:
    """The plugin for one version of QEMU's interface after the other, where it can be built."""
    if sys.platform == "win32":  # a plugin would have to be linked with that very QEMU
        return
    link = ["-shared", *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else [])]
    files = {"plugin.c": _SOURCE.read_text()}
    for version in _VERSIONS:
        flags = ["-std=c99", "-O2", "-fPIC", f"-DEQ_PLUGIN_VERSION={version}"]
        yield build(host_toolchain(), files, flags, link, f"plugin{version}.so")


def write_plan(folder: Path, program: Program, entry: int, ops: int) -> None:
    """Say what is counted: the calls of the function at `entry`, of a model with so many ops."""
    head = [program.start, program.end, entry, ops + 2, len(program.marks)]
    marks = [number for address, op in program.marks for number in (op, address)]
    halves = np.frombuffer(program.content[: (program.end - program.start) // 2 * 2], "<u2")
    thumb = (halves & 0xE000 == 0xE000) & (halves & 0x1800 != 0)
    wide = thumb if program.thumb else halves & 3 == 3
    sizes = np.where(wide, 4, 2).astype(np.uint8)
    (folder / "plan.bin").write_bytes(np.array(head + marks, np.uint64).tobytes() + sizes.tobytes())


def read_counts(folder: Path) -> list[Block]:
    """What ran in the last call."""
    rows = np.fromfile(folder / "counts.bin", np.uint64).reshape(-1, _FIELDS).tolist()
    return [Block(*row) for row in rows]
