"""Ctrl-C, SIGTERM and a closed terminal always end a command, also while only C code runs.

Python takes a signal between two of its own instructions. A model that runs in an interpreter, in
generated C or in the emulator may be an hour, or for ever, between two of them; so a thread looks
whether the signal was taken, and ends the process where it was not.

Nor does Python always say that it took one: C code that imports Python (numpy does) prints the
exception and raises an ImportError, a destructor or a weak reference's callback loses it, and so
does an `except:` in a library. Where nobody is at work on it a while later, it comes once more.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
from functools import cache
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from edgeq.support.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable

    _Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]
    _Unraisable = Callable[[sys.UnraisableHookArgs], object]

EXIT_CODE = 130
PATIENCE_S = 10.0
"""How long a signal may wait for Python; a second one does not wait."""

_AGAIN_S = 0.05
_LOOK_S, _LOOKS = 0.5, 4  # how often in a row nobody must be at work on an interrupt
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_came, _over = threading.Event(), threading.Event()


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is at the bottom of it; Python wraps one that comes in an import."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, KeyboardInterrupt):
            return True
        if isinstance(below, ImportError) and _came.is_set():
            return True
        below = below.__cause__ or below.__context__
    return False


def always_interruptible() -> None:
    """From here on, either signal raises KeyboardInterrupt, or ends the process soon after."""
    _came.clear()
    _over.clear()
    if threading.current_thread() is threading.main_thread():
        _watched()


def command_is_over() -> None:
    """From here on, nothing is left that could have lost an interrupt.

    Python remembers one that came in text that was executed (so dataclasses are made), though it
    was caught, and would end as if nobody had: by the signal. Text that runs to its end makes it
    forget.
    """
    exec("")  # noqa: S102
    _over.set()


@cache
def _watched() -> None:
    """Once for a process, which may run any number of commands: a watcher has two sockets."""
    waiting, woken = socket.socketpair()
    woken.setblocking(False)
    taken = threading.Event()

    def take(_signum: int, _frame: FrameType | None) -> None:
        taken.set()
        _came.set()
        raise KeyboardInterrupt

    for number in _SIGNALS:
        # What was told to ignore it (nohup, a shell's background job) goes on doing so.
        usual = (signal.default_int_handler, signal.SIG_DFL)
        if number == signal.SIGTERM or signal.getsignal(number) in usual:
            signal.signal(number, take)
    sys.excepthook = _not_said(sys.excepthook)
    sys.unraisablehook = _raised_again(sys.unraisablehook)
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
        threading.Thread(target=_again_if_lost, daemon=True).start()


def _again_if_lost() -> None:
    """Raise it once more where it was caught and the command goes on."""
    looks = 0
    while looks < _LOOKS and not _over.wait(_LOOK_S):
        looks = 0 if _is_at_work() else looks + 1
    if not _over.is_set():
        _once_more()


def _is_at_work() -> bool:
    """Whether the main thread is in an `except`, a `finally` or a `with` that an interrupt ends."""
    found: Any = sys._current_exceptions().get(threading.main_thread().ident or 0)
    error = found[1] if isinstance(found, tuple) else found  # a tuple before Python 3.12
    return error is not None and was_interrupted(error)


def _leave_parent_alone() -> None:
    signal.set_wakeup_fd(-1)


def _not_said(usual: _Hook) -> _Hook:
    """What C code prints of an exception that it turns into another; an interrupt is none."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            usual(kind, error, trace)

    return hook


def _raised_again(usual: _Unraisable) -> _Unraisable:
    """Where nothing can be raised, an interrupt comes a moment later once more."""

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            usual(lost)
            return
        again = threading.Timer(_AGAIN_S, _once_more)
        again.daemon = True
        again.start()

    return hook


def _once_more() -> None:
    """SIGTERM is taken, also where SIGINT is told to be ignored."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)
