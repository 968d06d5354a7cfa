"""The far side of adb, as a phone has it: enough of adbd to serve the real adb client.

Source: platform/packages/modules/adb, protocol.txt and shell_service (shell protocol v2).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

VERSION, MOST_DATA = 0x01000001, 1 << 18
CNXN, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)


class Phone:
    """Serves one adb client after the other; its shell is this machine's, or one that lies."""

    def __init__(self, folder: Path, shell: str = "/bin/sh") -> None:
        self._folder = folder
        self._shell = shell
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=Connection(client, self._folder, self._shell).run, daemon=True
            ).start()


class Connection:
    def __init__(self, link: socket.socket, folder: Path, shell: str) -> None:
        self._link = link
        self.shell = shell
        self._folder = folder
        self._sending = threading.Lock()
        self._streams: dict[int, Stream] = {}

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack(
            "<6I", command, first, second, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF
        )
        with self._sending:
            self._link.sendall(head + data)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._link.recv(count - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return data

    def run(self) -> None:
        try:
            while True:
                command, first, second, length, _, _ = struct.unpack("<6I", self._exactly(24))
                self._obey(command, first, second, self._exactly(length))
        except OSError:
            for stream in self._streams.values():
                stream.close()

    def _obey(self, command: int, first: int, second: int, data: bytes) -> None:
        if command == CNXN:
            self.send(CNXN, VERSION, MOST_DATA, b"device::ro.product.name=test;features=shell_v2")
        elif command == OPEN:
            service = data.rstrip(b"\0").decode()
            kind, _, words = service.partition(":")
            if not {"shell", "v2", "raw"} <= set(kind.split(",")):
                self.send(CLSE, 0, first)
                return
            local = len(self._streams) + 1
            self._streams[local] = Stream(self, local, first, words)
        elif command == OKAY and second in self._streams:
            self._streams[second].may_send.set()
        elif command == WRTE and second in self._streams:
            self._streams[second].receive(data)
            self.send(OKAY, second, first)
        elif command == CLSE and second in self._streams:
            self._streams[second].close()

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/dev/null/home",  # not even root can make that
            "TMPDIR": str(self._folder),
            "EDGEQ_TEST_PHONE": str(self._folder),
        }


class Stream:
    """One `adb shell`: packets of (kind, length, bytes) inside the WRTE packets."""

    def __init__(self, link: Connection, local: int, remote: int, command: str) -> None:
        self._link, self._local, self._remote = link, local, remote
        self._buffer = b""
        self.may_send = threading.Event()
        self._turn = threading.Lock()
        self._shell = subprocess.Popen(
            [link.shell, "-c", command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=link.environment(), start_new_session=True,
        )  # fmt: skip
        link.send(OKAY, local, remote)
        self.may_send.set()
        pumps = [
            threading.Thread(target=self._pump, args=(kind, pipe), daemon=True)
            for kind, pipe in ((STDOUT, self._shell.stdout), (STDERR, self._shell.stderr))
        ]
        for pump in pumps:
            pump.start()
        threading.Thread(target=self._finish, args=(pumps,), daemon=True).start()

    def _packet(self, kind: int, data: bytes) -> None:
        with self._turn:
            if self.may_send.wait(30):
                self.may_send.clear()
                self._link.send(
                    WRTE, self._local, self._remote, struct.pack("<BI", kind, len(data)) + data
                )

    def _pump(self, kind: int, pipe) -> None:
        try:
            while data := os.read(pipe.fileno(), 1 << 15):
                self._packet(kind, data)
        except OSError:
            pass

    def _finish(self, pumps) -> None:
        for pump in pumps:
            pump.join()
        status = self._shell.wait()
        try:
            self._packet(EXIT, bytes([status & 0xFF]))
            self._link.send(CLSE, self._local, self._remote)
        except OSError:
            pass

    def receive(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 5:
            kind, length = struct.unpack("<BI", self._buffer[:5])
            if len(self._buffer) < 5 + length:
                return
            body, self._buffer = self._buffer[5 : 5 + length], self._buffer[5 + length :]
            try:
                if kind == STDIN:
                    self._shell.stdin.write(body)
                    self._shell.stdin.flush()
                elif kind == CLOSE_STDIN:
                    self._shell.stdin.close()
            except (OSError, ValueError):
                pass

    def close(self) -> None:
        """As adbd does when the client goes: the ends of the pipes close."""
        with contextlib.suppress(OSError):
            self._shell.stdin.close()
