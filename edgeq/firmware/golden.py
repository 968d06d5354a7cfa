"""Known inputs with known results, for the self-test that goes into a firmware."""

from __future__ import annotations

import zlib
from pathlib import Path

from edgeq.compiler.codegen.source import Golden
from edgeq.compiler.plan.program import Program
from edgeq.model.inputs import xorshift_inputs


def oracle_golden(model: str | Path, program: Program, index: int = 0) -> Golden:
    """The CRC-32 of every op's outputs for one xorshift input, computed by the oracle.

    Args:
        model: The .tflite file.
        program: Its program; one CRC is made for each of its steps.
        index: Number of the xorshift input.

    Raises:
        EdgeqError: Neither TensorFlow Lite Micro nor LiteRT can run the model here.
    """
    from edgeq.devices.oracle import open_oracle

    tensors = [program.tensor(i) for i in program.subgraph.inputs]
    inputs = xorshift_inputs([t.shape for t in tensors], [t.dtype for t in tensors], index)
    _, session = open_oracle(Path(model))
    with session:
        values = session.trace(inputs)
    crcs: list[int | None] = []
    for number, step in enumerate(program.steps):
        branches = any(mark for position, mark in program.marks.items() if position <= number)
        complete = step.completes and all(output in values for output in step.completes)
        if branches or not complete:
            crcs.append(None)
            continue
        crc = 0
        for output in step.completes:
            crc = zlib.crc32(values[output].tobytes(), crc)
        crcs.append(crc)
    return Golden(tuple(x.tobytes() for x in inputs), tuple(crcs))
