"""The account of a model in TensorFlow Lite Micro on a target, before anything is linked.

The model's bytes are known. The arena is planned with TFLM's own algorithm for 32-bit chips, and
tried on this machine; the resolver and the interpreter have sizes that builds have shown. The code,
the stack and the cycles are TFLM's and its kernels': nothing here tells them, a build does.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from edgeq.analysis.account import Account, Part
from edgeq.boards.target import Target, load_target
from edgeq.devices.base import Memory
from edgeq.firmware.tflm_arena import smallest_arena, tflm_arena
from edgeq.model.model_file import read_graph
from edgeq.support.figures import Figure, Provenance, figure

# RAM of builds of TFLM 90b983c2 for Cortex-M0+, M3, M4 and M55, reference and CMSIS-NN kernels, of
# models with 1, 5 and 6 kinds of ops: 40 bytes for each kind, and what does not depend on them.
_RESOLVER_BYTES_PER_OP = 40
_INTERPRETER_BYTES = 224
# newlib's, which all kernels but those of FULLY_CONNECTED alone pull in.
_LIBRARY_BYTES = 1064

UNTIL_BUILT = "edgeq compile --runtime tflm --project bare-metal, and edgeq build with TFLM_ROOT"


def tflm_account(model: str | Path, target: str | Target, *, kernels: str = "cmsis-nn") -> Account:
    """What a model takes with TensorFlow Lite Micro, as far as it is known without TFLM.

    Args:
        model: An integer .tflite file.
        target: The target.
        kernels: "reference" or "cmsis-nn", whose scratch buffers differ.

    Raises:
        EdgeqError: The `tflite-micro` package is missing, or has no kernel for this model.
    """
    loaded = target if isinstance(target, Target) else load_target(target)
    path, graph = Path(model), read_graph(model)
    arena = tflm_arena(path, kernels)
    ops = {op.name for op in graph.main.ops}
    runtime = f"TensorFlow Lite Micro, {kernels} kernels"
    planned = Provenance(
        core=loaded.cpu, arithmetic=runtime, note="planned for a 32-bit chip, CMSIS-NN's scratch "
        "buffers as on a Cortex-M4" if kernels == "cmsis-nn" else "planned for a 32-bit chip",
    )  # fmt: skip
    static = {
        "resolver": _RESOLVER_BYTES_PER_OP * len(ops),
        "interpreter": _INTERPRETER_BYTES,
        "C library": 0 if ops == {"FULLY_CONNECTED"} else _LIBRARY_BYTES,
    }
    exact = Provenance(arithmetic=runtime, core=loaded.cpu)
    stored = figure(graph.file_bytes, "measured", "bytes", exact)
    found = dict.fromkeys(
        (f"memory_bytes.{field.name}" for field in fields(Memory)),
        figure(None, "unknown", "bytes", Provenance(note=UNTIL_BUILT)),
    )
    found["memory_bytes.arena"] = figure(arena.bytes, "estimated", "bytes", planned)
    found["memory_bytes.static"] = figure(sum(static.values()), "estimated", "bytes", planned)
    found["memory_bytes.flash_const"] = stored
    unknown = Provenance(note=UNTIL_BUILT)
    found |= {
        "latency_us": figure(None, "unknown", "us", unknown),
        "instructions": figure(None, "unknown", "instructions", unknown),
        "cycles": figure(None, "unknown", "cycles", unknown),
        "latency_ms": figure(None, "unknown", "ms", unknown),
    }
    trial = Provenance("tflm", _host(), None, (), runtime, None, "the smallest that works here")
    tried = Figure(smallest_arena(path), "stand-in", "bytes", trial)
    parts = [Part("model", stored, None), Part("arena", None, found["memory_bytes.arena"])]
    parts += [
        Part(owner, None, figure(count, "estimated", "bytes", planned))
        for owner, count in static.items()
    ]
    parts += [Part("kernels", figure(None, "unknown", "bytes", unknown), None)]
    parts += [Part("arena by trial", None, tried)]
    return Account(loaded.name, "tflm", found, parts=tuple(parts))


def _host() -> str:
    import platform

    return platform.machine()
