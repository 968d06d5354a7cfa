"""A TCP proxy that breaks connections in the ways that networks do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

MODES = ("reset", "half-close", "stall", "pull")


class Proxy:
    """Forwards 127.0.0.1:port to another loopback port until it is told to break.

    Modes:
        reset: both sides get a RST.
        half-close: the client sees the end of the stream; what it sends goes nowhere.
        stall: nothing reaches the client any more; the server still hears it.
        pull: as if a cable was pulled: silence in both directions, nothing is closed.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._forgotten: list[tuple[socket.socket, socket.socket]] = []
        self._closed = threading.Event()
        self._mode = ""
        self._armed: tuple[str, int, Callable[[], None]] | None = None
        self._seen = {"up": 0, "down": 0}
        self._silent_up = threading.Event()
        self._silent_down = threading.Event()
        self.broken = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, mode: str, direction: str, after_bytes: int) -> None:
        """Break when so many more bytes have gone "up" (to the server) or "down"."""
        self.at(direction, after_bytes, lambda: self.break_now(mode))

    def at(self, direction: str, after_bytes: int, action: Callable[[], None]) -> None:
        """Do something when so many more bytes have gone up or down; they wait meanwhile."""
        self._armed = (direction, self._seen[direction] + after_bytes, action)

    def break_now(self, mode: str) -> None:
        """Break every connection that is open."""
        self._armed = None
        if mode == "reset":
            for pair in self._pairs:
                for end in pair:
                    _reset(end)
        elif mode == "half-close":
            self._silent_up.set()
            self._silent_down.set()
            for client, _ in self._pairs:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
        else:
            self._silent_down.set()
            if mode == "pull":
                self._silent_up.set()
        self.broken.set()

    def heal(self) -> None:
        """Forward new connections again; the broken ones stay as they are."""
        self._silent_up, self._silent_down = threading.Event(), threading.Event()
        self._forgotten += self._pairs
        self._pairs = []

    def close(self) -> None:
        """End all connections, those that were broken in silence too: a server must see them go."""
        self._listener.close()
        self._closed.set()
        for end in (end for pair in (*self._pairs, *self._forgotten) for end in pair):
            # To close alone tells the peer nothing while a thread still waits for its bytes.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((client, server))
            events = self._silent_up, self._silent_down
            for source, sink, direction, silent in (
                (client, server, "up", events[0]),
                (server, client, "down", events[1]),
            ):
                threading.Thread(
                    target=self._pump, args=(source, sink, direction, silent), daemon=True
                ).start()

    def _pump(self, source, sink, direction: str, silent: threading.Event) -> None:
        while True:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            if silent.is_set():
                # Neither read on nor close: the peer must find out by itself.
                self._closed.wait()
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
            self._seen[direction] += len(data)
            if self._armed and self._armed[0] == direction:
                _, limit, action = self._armed
                if self._seen[direction] >= limit:
                    self._armed = None
                    action()
                    if silent.is_set():
                        continue
            with contextlib.suppress(OSError):
                sink.sendall(data)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
