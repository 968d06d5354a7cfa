"""The process at the end of the link: starts workers, relays, beats, and cleans up at the end."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
from types import FrameType

from .wire import Lines, Message, decode, send

_SILENCE_S = int(os.environ.get("EDGEQ_SILENCE") or 6)
_TICK_S = 0.5
_FIONREAD = 0x541B  # the same on all architectures of Linux that edgeq knows
_BEAT_S = 1.0
_LOCK_POLL_S = 0.1
_LOCK_NAME = "\0edgeq-measures"  # an abstract socket: the kernel frees it when its owner dies
_ERROR_TAIL_BYTES = 4000
_WATCH_CHARS = 16384
_FINAL_EVENTS = ("loaded", "outputs", "measured", "profiled", "error")


class Worker:
    """One fresh process, its pipes, and the last things it wrote on stderr."""

    def __init__(self, lock: socket.socket | None) -> None:
        to_worker, self.commands = os.pipe()
        answers, from_worker = os.pipe()
        errors, stderr = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            if lock:
                lock.close()  # it is the supervisor's to hold and to free
            _become_worker(to_worker, from_worker, stderr)
        for descriptor in (to_worker, from_worker, stderr):
            os.close(descriptor)
        self.answers = Lines(answers)
        self.errors = errors
        self.error_tail = b""

    def read_errors(self) -> bool:
        """Keep the tail of stderr; False at its end."""
        data = os.read(self.errors, 65536)
        self.error_tail = (self.error_tail + data)[-_ERROR_TAIL_BYTES:]
        return bool(data)

    def end(self) -> int:
        """Kill the process, if it still lives, and return its wait status."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass
        status = os.waitpid(self.pid, 0)[1]
        for descriptor in (self.commands, self.answers.descriptor, self.errors):
            os.close(descriptor)
        return status


def _become_worker(commands: int, answers: int, stderr: int) -> None:
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(stderr, 2)
        from .worker import serve

        serve(commands, answers)
        code = 0
    finally:
        os._exit(code)


class Supervisor:
    """The agent's main loop."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.lock: socket.socket | None = None
        self.watch: list[str] = []
        self.waiting: Message | None = None  # a command that waits for the lock
        self.waits_until = 0.0
        self.current: Message | None = None  # a command that the worker has not answered yet
        self.death: Message = {"kind": "state", "text": "no model is loaded"}
        self.oom_kills = _oom_kills()
        self.silent_s = 0.0
        self.unread = 0  # bytes that had come from the host a tick ago and were not read yet

    def run(self) -> None:
        """Serve until the host says `end`, its stream ends, or it has been silent too long."""
        signal.signal(signal.SIGALRM, self.tick)
        signal.signal(signal.SIGTERM, self.link_is_lost)
        signal.signal(signal.SIGHUP, self.link_is_lost)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, _TICK_S, _TICK_S)
        send(1, event="hello", pid=os.getpid(), python=".".join(map(str, sys.version_info[:3])))
        host = Lines(0)
        next_beat = time.monotonic()
        while not host.ended:
            if time.monotonic() >= next_beat:
                self.beat()
                next_beat = time.monotonic() + _BEAT_S
            self.start_waiting_command()
            pause = _LOCK_POLL_S if self.waiting else max(0.0, next_beat - time.monotonic())
            sources: list[int] = [0]
            if self.worker:
                sources += [self.worker.answers.descriptor, self.worker.errors]
            ready = select.select(sources, [], [], pause)[0]
            if self.worker and self.worker.errors in ready:
                self.worker.read_errors()
            if self.worker and self.worker.answers.descriptor in ready:
                self.relay(self.worker)
            if 0 in ready:
                self.silent_s, self.unread = 0.0, 0
                for line in host.read():
                    if self.obey(decode(line)):
                        return

    def obey(self, command: Message) -> bool:
        """Act on one command; True if it is the last."""
        if command["do"] == "watch":
            self.watch = command["sources"].split("\n")
            self.beat()
        elif command["do"] == "end":
            return True
        elif command["do"] != "ping":
            self.waiting = command
            self.waits_until = time.monotonic() + command.get("wait_s", 0)
            self.start_waiting_command()
        return False

    def start_waiting_command(self) -> None:
        """Hand the command that waits to the worker, if nobody else measures on this device."""
        if self.waiting is None:
            return
        command = self.waiting
        if not self.take_lock():
            if time.monotonic() >= self.waits_until:
                self.waiting = None
                send(1, event="error", id=command["id"], kind="busy", text=_lock_owner())
            return
        self.waiting = None
        if command["do"] == "load":
            self.end_worker()
            self.worker = Worker(self.lock)
        if self.worker is None:
            send(1, event="error", id=command["id"], **self.death)
            self.free_lock()
            return
        self.current = command
        if command["do"] == "measure":
            self.beat(begins=True)  # the state of the device just before
        try:
            send(self.worker.commands, **command)
        except OSError:
            self.worker_died(self.worker)

    def relay(self, worker: Worker) -> None:
        """Pass the worker's answers on to the host."""
        for line in worker.answers.read():
            if line.startswith('{"event":"measured"'):
                self.beat()  # and just after
            data = memoryview((line + "\n").encode())
            while data:
                data = data[os.write(1, data) :]
            # The lock is held from a command to its answer; samples in between do not end it.
            if line.startswith(tuple('{"event":"%s"' % each for each in _FINAL_EVENTS)):
                self.current = None
                self.free_lock()
        if worker.answers.ended:
            self.worker_died(worker)

    def worker_died(self, worker: Worker) -> None:
        """Tell the host how the worker ended, and by whose hand."""
        while worker.read_errors():
            pass
        status = worker.end()
        self.worker = None
        self.free_lock()
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        killed_for_memory = number == signal.SIGKILL and _oom_kills() > self.oom_kills
        # If nobody waits for an answer, whoever asks next will be told.
        self.death = {
            "kind": "memory" if killed_for_memory else "died",
            "signal": number,
            "text": worker.error_tail.decode("utf-8", "replace"),
        }
        if self.current:
            send(1, event="error", id=self.current["id"], **self.death)
        self.current = None

    def take_lock(self) -> bool:
        """Whether this agent may use the device now."""
        if self.lock:
            return True
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(_LOCK_NAME)
        except OSError as error:
            lock.close()
            return error.errno != errno.EADDRINUSE  # no such sockets here: nothing to hold
        lock.listen(8)
        self.lock = lock
        return True

    def free_lock(self) -> None:
        """Let others measure."""
        if self.lock:
            self.lock.close()
            self.lock = None

    def end_worker(self) -> None:
        """Throw the current worker away."""
        if self.worker:
            self.worker.end()
            self.worker = None

    def tick(self, number: int, frame: FrameType | None) -> None:
        """Give up when nothing has come for too long.

        What came and was not read yet counts, and time in which this process did not run does
        not: a device that is busy has not lost its link.
        """
        unread = _unread_bytes()
        self.silent_s = 0.0 if unread > self.unread else self.silent_s + _TICK_S
        self.unread = unread
        if self.silent_s >= _SILENCE_S:
            self.link_is_lost(number, frame)

    def link_is_lost(self, number: int, frame: FrameType | None) -> None:
        """Nobody is listening any more: leave nothing behind."""
        del number, frame
        if self.worker:
            self.worker.end()
        kill_session()
        os._exit(1)

    def beat(self, *, begins: bool = False) -> None:
        """Tell the clocks, the text of everything that is watched, and whether a run begins."""
        texts = [_read(source) for source in self.watch]
        now, wall = time.monotonic(), time.time()
        send(1, event="beat", begins=begins, monotonic_s=now, wall_s=wall, texts=texts)


def _unread_bytes() -> int:
    try:
        return int(struct.unpack("i", fcntl.ioctl(0, _FIONREAD, bytes(4)))[0])
    except OSError:
        return 0


def kill_session() -> None:
    """End the SSH server's process that serves this connection; a stalled link keeps it alive."""
    parent = os.getppid()
    try:
        with open("/proc/%d/comm" % parent) as file:
            if file.read().startswith(("sshd", "dropbear")):
                os.kill(parent, signal.SIGTERM)
    except OSError:
        pass


def _read(source: str) -> str:
    """The text of a file, or the output of a command that starts with `!`."""
    try:
        if source.startswith("!"):
            with os.popen(source[1:] + " 2>/dev/null") as pipe:  # noqa: S605  (the host asks for it)
                return pipe.read(_WATCH_CHARS)
        with open(source, errors="replace") as file:
            return file.read(_WATCH_CHARS)
    except OSError:
        return ""


def _oom_kills() -> int:
    for line in _read("/proc/vmstat" if os.path.exists("/proc/vmstat") else "").splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _lock_owner() -> str:
    """Who measures now, as far as the kernel tells."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(_LOCK_NAME)
        credentials = probe.getsockopt(socket.SOL_SOCKET, 17, 12)  # SO_PEERCRED
        return "process %d of user %d" % struct.unpack("3i", credentials)[:2]
    except OSError:
        return "another process"
    finally:
        probe.close()


def main() -> None:
    """Entry point of the packed agent."""
    supervisor = Supervisor()
    try:
        supervisor.run()
    except OSError:
        pass  # the host's end of a pipe is gone
    supervisor.end_worker()
