"""`vela:ethos-u55-128`: what a model takes on an Ethos-U NPU, as Arm's compiler estimates it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeq.boards.delegates.facts import all_delegates
from edgeq.compiler.build.vela import NpuLayer, NpuProgram, compile_for_npu
from edgeq.compiler.options import CompileOptions
from edgeq.devices import query
from edgeq.devices.address import Address
from edgeq.devices.base import Measurement, Memory, OpProfile, ProfileOptions, Session
from edgeq.errors import EdgeqError, UsageError
from edgeq.model.graph import Graph
from edgeq.model.model_file import read_graph
from edgeq.support.array import Array

_RUNS_NOTHING = "Vela compiles models and estimates what they take; it runs none."


def device(address: Address) -> VelaDevice:
    """The device of an address such as "vela:ethos-u55-128?system=NAME&memory=NAME".

    Raises:
        UsageError: There is no such NPU.
    """
    query.allow_only(address, ("system", "memory"))
    check_npu(address.rest)
    if len(address.query) == 1:
        raise UsageError(
            f"'{address.text}' says {next(iter(address.query))} alone.",
            hint="system= and memory= belong together: vela --list-configs Arm/vela.ini",
        )
    return VelaDevice(address)


def check_npu(name: str) -> None:
    """Refuse a name that is no NPU's.

    Raises:
        UsageError: It is none; the message has those that there are.
    """
    known = [config for found in all_delegates() for config in found.vela]
    if name not in known:
        raise UsageError(f"'{name}' is no NPU.", hint=f"one of: {', '.join(known)}")


class VelaDevice:
    """An Ethos-U NPU that is known by its compiler alone."""

    def __init__(self, address: Address) -> None:
        self.address = address.text
        self._address = address

    def open(self, model: Path, options: CompileOptions) -> VelaSession:  # noqa: ARG002
        """A session with `model` compiled; options of generated C have no meaning here."""
        return VelaSession(self._address, model)


class VelaSession(Session):
    """One model compiled for one NPU."""

    def __init__(self, address: Address, model: Path) -> None:
        self._address = address
        self._graph = read_graph(model)
        self._folder = tempfile.TemporaryDirectory(prefix="edgeq-")
        try:
            self.program = compile_for_npu(
                model,
                address.rest,
                Path(self._folder.name),
                system=address.query.get("system"),
                memory=address.query.get("memory"),
            )
        except EdgeqError:
            self._folder.cleanup()
            raise

    def run(self, inputs: Sequence[Array]) -> list[Array]:  # noqa: ARG002
        """Nothing runs here."""
        raise self._no_run()

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:  # noqa: ARG002
        """Nothing runs here."""
        raise self._no_run()

    def reset(self) -> None:
        """There is no state."""

    def profile(self, options: ProfileOptions) -> Measurement:
        """Vela's report: cycles of the NPU, SRAM, flash, cycles by op."""
        found = self.program
        ram = found.sram_bytes + found.dram_bytes
        return Measurement(
            device={
                "address": self._address.text,
                "target": found.config,
                "cpu": found.config,
                "runtime": "vela",
                "runtime_version": found.version,
                "clock_hz": found.clock_hz,
                "system": found.system,
                "memory_mode": found.memory_mode,
                "estimated_by": f"Vela {found.version}, {found.system}, {found.memory_mode}",
            },
            cycles=found.cycles,
            cycles_estimated=True,
            memory_bytes=Memory(arena=ram, ram_total=ram, flash_const=found.flash_bytes),
            ops=_ops(self._graph, found) if options.ops else (),
            warnings=_left_to_the_cpu(found),
        )

    def close(self) -> None:
        """Delete what Vela wrote."""
        self._folder.cleanup()

    def _no_run(self) -> EdgeqError:
        return EdgeqError(
            _RUNS_NOTHING, self._address.text, "edgeq profile, and --on tflm for the bytes"
        )


def _left_to_the_cpu(found: NpuProgram) -> tuple[str, ...]:
    if not found.left:
        return ()
    return (f"the cycles are without ops that are left to the CPU: {', '.join(found.left)}",)


def _ops(graph: Graph, found: NpuProgram) -> list[OpProfile]:
    """Vela's steps by the op of the model that they are of.

    A step that makes an op's output ends that op's; those before it, of the same kind, lead to it.
    """
    main = graph.main
    makers = {main.tensors[tensor].name: op.index for op in main.ops for tensor in op.outputs}
    total = sum(layer.cycles for layer in found.layers) or 1
    ended: list[tuple[int | None, list[NpuLayer]]] = []
    waiting: list[NpuLayer] = []
    for layer in found.layers:
        if waiting and waiting[-1].made_of != layer.made_of:
            ended.append((None, waiting))
            waiting = []
        maker = makers.get(layer.name)
        if maker is None:
            waiting.append(layer)
        elif ended and ended[-1][0] == maker:
            ended[-1][1].extend([*waiting, layer])
            waiting = []
        else:
            ended.append((maker, [*waiting, layer]))
            waiting = []
    if waiting:
        ended.append((None, waiting))
    rows = []
    for maker, layers in ended:
        cycles = sum(layer.cycles for layer in layers)
        rows.append(
            OpProfile(
                index=-1 if maker is None else maker,
                op=layers[0].made_of if maker is None else main.ops[maker].name,
                name=layers[-1].name,
                macs=sum(layer.macs for layer in layers),
                cycles=cycles,
                share=cycles / total,
                delegated=all(layer.on_npu for layer in layers),
            )
        )
    return rows
