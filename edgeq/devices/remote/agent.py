"""An agent that runs on a device: started with what it needs, spoken to, and ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeq.compiler.options import CompileOptions
from edgeq.devices.remote import answers, memory, record
from edgeq.devices.remote.artifacts import Artifact
from edgeq.devices.remote.facts import HostFacts, check_cores, read_facts
from edgeq.devices.remote.failures import explain
from edgeq.devices.remote.link import Link
from edgeq.devices.remote.options import RemoteOptions
from edgeq.devices.remote.push import push
from edgeq.devices.remote.runtimes import Plan, Request, check_threads, choose
from edgeq.devices.remote.shell import Message, Shell
from edgeq.errors import EdgeqError, blamed_on_the_device

_ANSWERS = {"load": "loaded", "run": "outputs", "measure": "measured", "ops": "profiled"}
_MOST_SNAPSHOTS = 100_000  # one a second, for more than a day


@dataclass
class Agent:
    """One agent, over one connection.

    Attributes:
        facts: What the device said about itself.
        plan: What runs the model on it.
        snapshots: The device's states, from its beats, oldest first.
        pushed_bytes: What had to be sent before it could start.
        began_s: `time.monotonic()` when the device said that the last measurement begins.
        timings: Seconds from the first packet to: "connect_s", "probe_s", "pushed_s", "agent_s".
    """

    link: Link
    shell: Shell
    facts: HostFacts
    plan: Plan
    model: Artifact
    options: RemoteOptions
    pushed_bytes: int
    timings: dict[str, float]
    snapshots: list[record.Snapshot] = field(default_factory=list)
    began_s: float = 0.0
    _next_id: int = 0

    def load(self, *, threads: int, cpu: str, delegate: str, profiling: bool) -> answers.Loaded:
        """A fresh process with the model in it; it takes the place of the one before."""
        check_threads(self.plan.runtime, threads)
        check_cores(cpu, self.facts, self.link.name)
        root, library = self.facts.root, self.plan.library
        message = self.ask(
            "load",
            model=f"{root}/{self.model.name}",
            library=f"{root}/{library.name}" if library else "",
            runtime=self.plan.runtime,
            threads=threads,
            delegate=delegate or self.plan.usual_delegate,
            cpu=cpu,
            profiling=profiling,
        )
        return answers.read_loaded(message)

    def ask(
        self,
        do: str,
        on_samples: Callable[[list[float]], None] | None = None,
        more_s: float = 0.0,
        **fields: Any,
    ) -> Message:
        """Send one command and wait for its answer; beats are kept on the way.

        Args:
            do: The command.
            on_samples: Takes the samples that come before the answer. The time that the device
                has starts anew with each parcel if it returns; it raises where there are too many.
            more_s: How long the command takes by itself.
            fields: Its arguments.

        Raises:
            EdgeqError: The agent answered with an error, not in edgeq's protocol, or too late.
            LinkLost: The link is gone.
        """
        self._next_id += 1
        self.shell.send(do=do, id=self._next_id, wait_s=self.options.wait_s, **fields)
        patience_s = self.options.patience_s + more_s
        end = time.monotonic() + self.options.wait_s + patience_s
        while True:
            message = self.shell.receive(end)
            event = message["event"]
            if event == "beat":
                self._keep(message)
                continue
            number = answers.number(message, "id")
            if number < self._next_id:
                continue  # the late answer to a command that was given up
            if number > self._next_id or event not in ("error", "samples", _ANSWERS[do]):
                raise answers.DamagedAnswer("event")
            if event == "error":
                memory.forget(self.link.identity, self.options.folder)
                raise explain(message, self.link.name, self.facts, self.model.path, do)
            if event != "samples":
                return message
            if on_samples is not None:
                on_samples(answers.read_samples(message))
                end = time.monotonic() + patience_s

    def _keep(self, beat: Message) -> None:
        if beat.get("begins") is True:
            self.began_s = time.monotonic()
            self.snapshots.clear()  # of the time in which somebody else measured there
        if len(self.snapshots) >= _MOST_SNAPSHOTS:
            raise answers.DamagedAnswer("beat")
        self.snapshots.append(record.read_snapshot(beat, self.facts))

    def close(self) -> None:
        """End the agent and the connection."""
        with contextlib.suppress(EdgeqError):
            self.shell.send(do="end")
        self.shell.close()
        self.link.close()


def start(
    link: Link,
    model: Artifact,
    options: RemoteOptions,
    compile_options: CompileOptions,
    plan: Plan | None,
    begin: float,
) -> Agent:
    """Probe the device, push what is missing, start the agent.

    Args:
        link: A connection; it is closed if this fails.
        model: The .tflite file.
        options: Of the device's address.
        compile_options: For generated C.
        plan: What was chosen before, on a connection that was lost; None to choose now.
        begin: `time.monotonic()` when connecting began.

    Raises:
        EdgeqError: No runtime fits, there is no space, the agent does not start.
        LinkLost: The link is gone.
    """
    timings = {"connect_s": time.monotonic() - begin}
    try:
        with blamed_on_the_device():
            shell = Shell(link)
            facts = _probe(link, shell, options.folder)
        timings["probe_s"] = time.monotonic() - begin
        request = Request(
            facts, options.agent, options.delegate, options.threads, model.path, compile_options,
            shell.do,
        )  # fmt: skip
        plan = plan or choose(request, options.runtime)
        wanted = [model, plan.program, *([plan.library] if plan.library else [])]
        with blamed_on_the_device():
            pushed_bytes = push(link, shell, facts, wanted, options.cache_bytes)
            timings["pushed_s"] = time.monotonic() - begin
            shell.become(plan.command(facts))
            shell.send(do="watch", sources="\n".join(record.watch_list(facts)))
        timings["agent_s"] = time.monotonic() - begin
    except BaseException:
        # Perhaps the device has changed: another Python, a folder that may not be used any more.
        memory.forget(link.identity, options.folder)
        link.close()
        raise
    return Agent(link, shell, facts, plan, model, options, pushed_bytes, timings)


def _probe(link: Link, shell: Shell, folder: str) -> HostFacts:
    known = memory.recall(link.identity, folder)
    sections = shell.probe(folder, known)
    if sections.get("boot") != known.get("boot"):
        memory.remember(link.identity, folder, sections)
    return read_facts(sections)


def probe(link: Link, options: RemoteOptions) -> tuple[HostFacts, Request]:
    """The facts of a device, all of them asked for anew, and a request to judge runtimes with."""
    shell = Shell(link)
    facts = read_facts(shell.probe(options.folder, {}))
    return facts, Request(
        facts, options.agent, options.delegate, options.threads, Path(), CompileOptions(), shell.do
    )
