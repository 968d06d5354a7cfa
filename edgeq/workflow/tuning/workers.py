"""Where trials run: in this process, in local processes, or on a dask.distributed cluster."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any, Protocol

from edgeq.errors import EdgeqError, MissingDependency, UsageError
from edgeq.support.children import safe_path, variable
from edgeq.workflow.tuning.space import Candidate
from edgeq.workflow.tuning.trial import DeviceFailure, Problem, Trial, run_trial

_ATTEMPTS = 3
_INSTALL = "pip install 'edgeq[tune]'"


class Workers(Protocol):
    """Runs trials."""

    count: int
    """How many run at a time."""

    def start(self, candidate: Candidate) -> None:
        """Begin a trial."""

    def next(self) -> Trial | DeviceFailure:
        """What comes of the next trial that is finished; there must be one under way."""


class _Here:
    """Trials one after the other in this process."""

    count = 1

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._waiting: list[Candidate] = []

    def start(self, candidate: Candidate) -> None:
        """Put a trial in line."""
        self._waiting.append(candidate)

    def next(self) -> Trial | DeviceFailure:
        """Run the first in line."""
        return run_trial(self._problem, self._waiting.pop(0))


class _Cluster:
    """Trials on dask workers. What a lost worker was at is given to another one."""

    def __init__(self, client: Any, problem: Problem) -> None:
        from distributed import as_completed

        self._client = client
        self._problem = problem
        self._sent = client.scatter(problem, hash=False)
        self._failures: Counter[str] = Counter()
        self._running: dict[str, Candidate] = {}
        self._queue = as_completed()
        # A replacement needs a moment to start; until then it still counts.
        self.count = max(1, sum(client.nthreads().values()))

    def start(self, candidate: Candidate) -> None:
        """Send a trial to a worker."""
        future = self._client.submit(_trial_apart, self._sent, candidate, pure=False, retries=3)
        self._running[future.key] = candidate
        self._queue.add(future)

    def next(self) -> Trial | DeviceFailure:
        """Wait for a worker; a trial whose worker failed is begun anew."""
        while True:
            future = next(self._queue)
            candidate = self._running.pop(future.key)
            if future.status == "finished":
                result: Trial | DeviceFailure = future.result()
                return result
            self._failures[candidate.key] += 1
            if self._failures[candidate.key] > _ATTEMPTS:
                return Trial(candidate, error=f"The worker failed: {future.exception()}")
            # The worker that is gone may have held the only copy of the problem.
            self._sent = self._client.scatter(self._problem, hash=False)
            self.start(candidate)


def _trial_apart(problem: Problem, candidate: Candidate) -> Trial | DeviceFailure:
    """A trial in a process that may be ended at any moment."""
    with suppress(ImportError):
        from tqdm import tqdm

        # Its own lock is a semaphore of the system, which an ended process leaves behind, and
        # Python says so. Nobody shares a progress bar with this process.
        tqdm.set_lock(threading.RLock())
    return run_trial(problem, candidate)


@contextmanager
def open_workers(where: str | None, problem: Problem) -> Iterator[Workers]:
    """The workers of an address, for as long as the block lasts.

    Args:
        where: "tcp://HOST:PORT" of a dask scheduler, a number of local processes, or None for as
            many as there are cores, up to four.
        problem: What trials are about.

    Raises:
        EdgeqError: There is no scheduler at the address.
        MissingDependency: dask.distributed is needed and not installed.
    """
    local = _local_count(where)
    if local == 1:
        yield _Here(problem)
        return
    try:
        import distributed
    except ImportError as error:
        if where is None:
            yield _Here(problem)
            return
        raise MissingDependency("dask.distributed", "--workers", _INSTALL) from error
    # Of processes of its own, edgeq says itself what is wrong.
    logging.getLogger("distributed").setLevel(logging.CRITICAL if local else logging.ERROR)
    import dask

    with (
        tempfile.TemporaryDirectory(prefix="edgeq-tune-") as scratch,
        dask.config.set({"temporary-directory": scratch}),
        variable("TMPDIR", scratch),  # processes that are ended leave theirs there
        safe_path(),
    ):
        try:
            with _deaf_to_interrupts():
                client = distributed.Client(**_cluster(where, local), timeout="8s")
        except (OSError, TimeoutError, ValueError) as error:
            raise EdgeqError(f"There is no dask scheduler at '{where}': {error}") from None
        try:
            yield _Cluster(client, problem)
        finally:
            client.close()
            if local and client.cluster is not None:
                client.cluster.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started in the block do not see Ctrl-C, which is for the one that started them.

    It ends them itself then, without a traceback of each. What comes during the block comes after
    it: SIGTERM and SIGHUP too, which the processes do see, since they are ended with these.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The first process that multiprocessing starts brings one of its own along, after which SIGINT
    # is no longer blocked here.
    resource_tracker.ensure_running()
    came: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda given, _: came.append(given))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for late in came[:1]:
            signal.raise_signal(late)


def _local_count(where: str | None) -> int:
    """How many local processes are asked for; 0 for a cluster elsewhere."""
    if where is None:
        return min(4, len(_cores()))
    if where.isdigit() and int(where) > 0:
        return int(where)
    if "://" not in where:
        raise UsageError(
            f"--workers {where}: a number, or the address of a dask scheduler.",
            hint="--workers 2, or --workers tcp://192.168.1.20:8786",
        )
    return 0


def _cores() -> Sequence[int]:
    known = hasattr(os, "sched_getaffinity")
    return list(os.sched_getaffinity(0)) if known else list(range(os.cpu_count() or 1))


def _cluster(where: str | None, local: int) -> dict[str, Any]:
    if not local:
        return {"address": where}
    return {
        "n_workers": local,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": None,
        "silence_logs": 50,
    }
