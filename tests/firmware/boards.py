"""Firmware projects for tests: made, built without a warning, run in QEMU behind a terminal."""

from __future__ import annotations

import os
import random
import re
import select
import shutil
import struct
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeq.boards.emulators import qemu_command
from edgeq.boards.target import load_target
from edgeq.firmware.create import create_project
from tests.tools import need


def need_tools(*programs: str) -> None:
    for program in ("cmake", *programs):
        need(shutil.which(program), program)


def little_elf(data: bytes, address: int = 0x10000000) -> bytes:
    """An image for a 32-bit Arm core with one segment."""
    head = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, address, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 84, address, address, len(data), len(data), 5, 4)
    return b"\x7fELF\1\1\1" + bytes(9) + head + segment + data


def build(models: list[Path], folder: Path, target: str, **options) -> Path:
    """A bare-metal image, every warning an error."""
    need_tools("arm-none-eabi-gcc" if "riscv" not in target else "riscv64-unknown-elf-gcc")
    options.setdefault("template", "bare-metal")
    project = create_project(models, folder, target=target, **options)
    compile_project(folder)
    return folder / "build" / f"{project.name}.elf"


def compile_project(folder: Path, *options: str) -> None:
    for command in (
        ["cmake", "-B", "build", "-DCMAKE_C_FLAGS=-Werror", *options],
        ["cmake", "--build", "build", "--parallel", "2"],
    ):
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def say(elf: Path, target: str, until: str, timeout_s: float = 60) -> str:
    """What an image says on its serial port, up to a line with `until`."""
    with on_pty(elf, target) as port:
        handle = os.open(port, os.O_RDWR | os.O_NOCTTY)
        try:
            return read_until(handle, until, timeout_s)
        finally:
            os.close(handle)


def read_until(handle: int, until: str, timeout_s: float) -> str:
    heard, end = "", time.monotonic() + timeout_s
    ready = select.poll()
    ready.register(handle, select.POLLIN)
    while not re.search(until, heard) and time.monotonic() < end:
        if ready.poll(200):
            heard += os.read(handle, 4096).decode("latin-1")
    return heard


@contextmanager
def on_pty(elf: Path, target: str, *more: str) -> Iterator[str]:
    """The pseudo-terminal behind which QEMU runs an image. The image starts when it is opened."""
    command = [*qemu_command(load_target(target), str(elf)), *more]
    need(shutil.which(command[0]), command[0])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        line = process.stdout.readline()
        port = re.search(r"/dev/pts/\d+", line)
        assert port, line
        yield port[0]
    finally:
        process.kill()
        process.wait()


@contextmanager
def bad_line(port: str, rate: float, seed: int = 1) -> Iterator[str]:
    """A pseudo-terminal behind which `port` lies, over a line that damages bytes both ways.

    Of the damaged bytes a third is flipped, a third lost, a third doubled.
    """
    master, slave = os.openpty()
    board = os.open(port, os.O_RDWR | os.O_NOCTTY)
    for handle in (slave, board):
        tty.setraw(handle)
    stop = threading.Event()
    chance = random.Random(seed)

    def damage(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            kind = chance.random() / rate
            if kind < 1 / 3:
                out.append(byte ^ (1 << chance.randrange(8)))
            elif kind < 2 / 3:
                continue
            else:
                out += bytes([byte, byte]) if kind < 1 else bytes([byte])
        return bytes(out)

    def relay() -> None:
        while not stop.is_set():
            ready = select.select([master, board], [], [], 0.1)[0]
            for handle in ready:
                data = damage(os.read(handle, 4096))
                os.write(board if handle == master else master, data)

    thread = threading.Thread(target=relay, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        for handle in (master, slave, board):
            os.close(handle)
