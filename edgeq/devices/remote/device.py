"""The device of an `ssh:` or `adb:` address: which kind of session a model gets there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeq.compiler.options import CompileOptions
from edgeq.devices.remote import agent, benchmark
from edgeq.devices.remote.facts import HostFacts
from edgeq.devices.remote.host import Host
from edgeq.devices.remote.runtimes import asks_for_c, possible
from edgeq.devices.remote.session import RemoteSession


@dataclass(frozen=True)
class RemoteDevice(Host):
    """A host behind a link."""

    def open(
        self, model: Path, options: CompileOptions
    ) -> RemoteSession | benchmark.BenchmarkSession:
        """A session with `model` on the device, loaded."""
        if self.options.runtime == benchmark.RUNTIME:
            asks_for_c(options, benchmark.RUNTIME)
            return benchmark.BenchmarkSession(self, model)
        return RemoteSession(self, model, options)

    def probe(self) -> tuple[HostFacts, dict[str, str]]:
        """What the device is, and why it cannot take each runtime ("" where it can)."""
        link = self.connect(None)
        try:
            facts, request = agent.probe(link, self.options)
            return facts, possible(request)
        finally:
            link.close()
