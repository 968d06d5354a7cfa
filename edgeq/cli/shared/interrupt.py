"""Ctrl-C, SIGTERM and a closed terminal always end a command, also while only C code runs.

Python takes a signal between two of its own instructions. A model that runs in an interpreter, in
generated C or in the emulator may be an hour, or for ever, between two of them; so a thread looks
whether the signal was taken, and ends the process where it was not.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from functools import cache
from types import FrameType

from edgeq.support.terminal import say

EXIT_CODE = 130
PATIENCE_S = 10.0
"""How long a signal may wait for Python; a second one does not wait."""

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def always_interruptible() -> None:
    """From here on, either signal raises KeyboardInterrupt, or ends the process soon after."""
    if threading.current_thread() is threading.main_thread():
        _watched()


@cache
def _watched() -> None:
    """Once for a process, which may run any number of commands: a watcher has two sockets."""
    waiting, woken = socket.socketpair()
    woken.setblocking(False)
    taken = threading.Event()

    def take(_signum: int, _frame: FrameType | None) -> None:
        taken.set()
        raise KeyboardInterrupt

    for number in _SIGNALS:
        # What was told to ignore it (nohup, a shell's background job) goes on doing so.
        usual = (signal.default_int_handler, signal.SIG_DFL)
        if number == signal.SIGTERM or signal.getsignal(number) in usual:
            signal.signal(number, take)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    if hasattr(os, "register_at_fork"):  # a child's signals are not this process's
        os.register_at_fork(after_in_child=_leave_parent_alone)
    watcher = threading.Thread(target=_watch, args=(waiting, woken, taken), daemon=True)
    watcher.start()


def _watch(waiting: socket.socket, woken: socket.socket, taken: threading.Event) -> None:
    """End the process once a signal came that Python does not take."""
    assert woken.fileno() >= 0  # held here, since the signals' file descriptor is not
    while number := waiting.recv(1):
        if number[0] not in _SIGNALS:
            continue
        waiting.settimeout(PATIENCE_S)
        try:
            while not taken.is_set() and waiting.recv(1)[0] not in _SIGNALS:
                continue
        except TimeoutError:
            pass
        waiting.settimeout(None)
        if not taken.wait(0.2):
            say("Interrupted in the middle of a call.", err=True)
            os._exit(EXIT_CODE)
        taken.clear()


def _leave_parent_alone() -> None:
    signal.set_wakeup_fd(-1)
