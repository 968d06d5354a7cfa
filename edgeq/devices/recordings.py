"""Recordings through a front end: the C around `NAME_push`, on this machine and in the emulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.compiler.compilation import Sources
from edgeq.devices.generated import NAME
from edgeq.devices.tensors import TensorSpec
from edgeq.errors import EdgeqError
from edgeq.model.stream import Stream
from edgeq.support.array import Array

# Included before the model: an answer is taken the moment that it is there.
ANSWER_HEADER = f"""#ifndef EQ_ANSWER_H
#define EQ_ANSWER_H
void eq_on_answer(void);
#define {NAME.upper()}_ON_ANSWER() eq_on_answer()
#endif
"""


def stream_of(sources: Sources, where: str) -> Stream:
    """How samples reach a program.

    Raises:
        EdgeqError: It has no front end.
    """
    if sources.stream is None:
        raise EdgeqError(
            "The model has no front end: it takes no samples.", where, "--frontend NAME or FILE"
        )
    return sources.stream


def check_samples(samples: Array, stream: Stream) -> Array:
    """One recording as it can be pushed.

    Raises:
        EdgeqError: It is no row of the front end's type.
    """
    if samples.ndim != 1 or samples.dtype != stream.dtype:
        raise EdgeqError(
            f"A recording is a row of {stream.dtype} samples; {samples.dtype} of shape "
            f"{samples.shape} was given."
        )
    return np.ascontiguousarray(samples)


def answer_arrays(stream: Stream, samples: int, outputs: Sequence[TensorSpec]) -> list[Array]:
    """Arrays for all answers to a recording."""
    return [np.zeros((stream.answers(samples), *spec.shape), spec.dtype) for spec in outputs]


def host_stream_source(outputs: Sequence[TensorSpec], stream: Stream) -> str:
    """C that pushes a recording in pieces: `eq_stream(samples, count, chunk, outputs)`."""
    head = (
        f"int eq_stream(const {stream.dtype}_t *samples, uint32_t count, uint32_t chunk, "
        "uint8_t *const *outputs)"
    )
    copies = _copies(outputs, "eq_answers[{k}]")
    return "\n".join(
        [
            f'#include "{NAME}.h"',
            "",
            "#include <stddef.h>",
            "#include <string.h>",
            "",
            "static uint8_t *const *eq_answers;",
            "static size_t eq_answer;",
            "",
            "void eq_on_answer(void)",
            "{",
            *copies,
            "    eq_answer++;",
            "}",
            "",
            head + ";",
            head,
            "{",
            "    int answers = 0;",
            "    eq_answers = outputs;",
            "    eq_answer = 0;",
            f"    {NAME}_reset();",
            "    while (count > 0) {",
            "        const uint32_t taken = count < chunk ? count : chunk;",
            f"        answers += {NAME}_push(samples, taken);",
            "        samples += taken;",
            "        count -= taken;",
            "    }",
            "    return answers;",
            "}",
            "",
        ]
    )


def emulator_stream_source(samples: int, stream: Stream) -> str:
    """C that pushes what lies in a buffer: `eq_stream()` takes `eq_count` of `eq_samples`."""
    return (
        f'#include "{NAME}.h"\n\n'
        "void eq_on_answer(void)\n{\n}\n\n"
        f"{stream.dtype}_t eq_samples[{samples}];\nuint32_t eq_count;\n\n"
        "int eq_stream(void);\nint eq_stream(void)\n{\n"
        f"    return {NAME}_push(eq_samples, eq_count);\n}}\n"
    )


def _copies(outputs: Sequence[TensorSpec], place: str) -> list[str]:
    lines = []
    for k, spec in enumerate(outputs):
        source = f"{NAME}_output" + (f"_{k}" if k else "")
        size = f"(size_t){spec.bytes}"
        lines.append(f"    memcpy({place.format(k=k)} + eq_answer * {size}, {source}(), {size});")
    return lines
