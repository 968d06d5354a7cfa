"""Recordings replayed on devices that make calls: each takes a piece, and gives what came of it.

What runs over there is NAME_replay.c beside the model. A call's input is a word (how many samples,
the highest bit for a start from the initial state) and the samples; its output two words (answers,
events), the events and the answer. No piece is longer than the way from one answer to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.compiler.codegen.header import ordinal
from edgeq.devices.base import Heard
from edgeq.devices.recordings import (
    answer_arrays,
    check_samples,
    event_variables,
    event_words,
    events_of,
    take_lines,
)
from edgeq.devices.tensors import TensorSpec
from edgeq.model.inputs import xorshift_input
from edgeq.model.stream import Stream
from edgeq.support.array import Array

BOARD_BYTES = 1024  # of samples in a call: a board holds them besides its own
HOST_BYTES = 1 << 20
_ANEW = 1 << 31


def piece(stream: Stream, most_bytes: int = BOARD_BYTES) -> int:
    """The most samples in a call that has room for so many bytes of them."""
    return min(stream.step * stream.frame_step, most_bytes // np.dtype(stream.dtype).itemsize)


def input_spec(stream: Stream, most_bytes: int = BOARD_BYTES) -> TensorSpec:
    """The input of a call."""
    size = 4 + piece(stream, most_bytes) * np.dtype(stream.dtype).itemsize
    return TensorSpec("samples", (size + -size % 4,), "uint8")


def output_spec(stream: Stream, outputs: Sequence[TensorSpec]) -> TensorSpec:
    """The output of a call, of a model with such outputs."""
    size = 8 + 4 * event_words(stream) * _queue(stream) + sum(spec.bytes for spec in outputs)
    return TensorSpec("heard", (size + -size % 4,), "uint8")


def calls_of(
    samples: Array, stream: Stream, chunk: int | None = None, most_bytes: int = BOARD_BYTES
) -> Array:
    """The inputs of all calls that take a recording, from the initial state.

    Args:
        samples: As `Session.hear` takes them.
        stream: How samples reach the program.
        chunk: Samples in a call; `piece` at the most.
        most_bytes: Of samples in a call.

    Returns:
        uint8, shape (calls, bytes).
    """
    samples = check_samples(samples, stream)
    most = min(chunk or piece(stream, most_bytes), piece(stream, most_bytes))
    count = -(-len(samples) // most)
    calls = np.zeros((count, *input_spec(stream, most_bytes).shape), np.uint8)
    heads = np.full(count, most, np.uint32)
    heads[-1:] = len(samples) - (count - 1) * most
    heads[:1] |= _ANEW
    calls[:, :4] = heads.view(np.uint8).reshape(-1, 4)
    whole = np.zeros(count * most, samples.dtype)
    whole[: len(samples)] = samples
    row = whole.view(np.uint8).reshape(count, -1)
    calls[:, 4 : 4 + row.shape[1]] = row
    return calls


def measured_calls(
    stream: Stream, index: int = 0, chunk: int | None = None, most_bytes: int = BOARD_BYTES
) -> tuple[Array, Array]:
    """What is fed to measure an answer: noise, in calls as `calls_of` gives them.

    Args:
        stream: How samples reach the program.
        index: Number of the reproducible input.
        chunk: Samples in a call; by default those of one frame, so that the call that makes an
            answer does the work of one frame and of the model.
        most_bytes: Of samples in a call.

    Returns:
        The calls up to the first answer, from the initial state; and those from one answer to the
        next, the last of which makes it.
    """
    period = stream.step * stream.frame_step
    noise = xorshift_input((stream.first_answer + period,), stream.dtype, index)
    parts = noise[: stream.first_answer], noise[stream.first_answer :]
    first, again = (calls_of(part, stream, chunk or stream.step, most_bytes) for part in parts)
    again[0, 3] &= 0x7F  # not anew
    return first, again


def heard_of(results: Array, samples: int, stream: Stream, outputs: Sequence[TensorSpec]) -> Heard:
    """What the outputs of all calls say.

    Args:
        results: uint8, shape (calls, bytes).
        samples: Of the recording.
        stream: How samples reach the program.
        outputs: Of the model.
    """
    words = np.ascontiguousarray(results[:, :8]).view(np.uint32)
    ready = np.flatnonzero(words[:, 0])
    answers = answer_arrays(stream, samples, outputs)
    size = event_words(stream)
    at = 8 + 4 * size * _queue(stream)
    for array, spec in zip(answers, outputs, strict=True):
        rows = np.ascontiguousarray(results[ready, at : at + spec.bytes])
        array[: len(ready)] = rows.view(spec.dtype).reshape(len(ready), *spec.shape)
        at += spec.bytes
    events = []
    for answer, call in enumerate(ready.tolist()):
        count = min(int(words[call, 1]), _queue(stream))
        rows = np.ascontiguousarray(results[call, 8 : 8 + 4 * size * count]).view(np.uint32)
        events += [(*event, answer) for event in rows.reshape(-1, size).tolist()]
    taken = np.asarray(events, np.uint32).reshape(-1, size + 1)
    return Heard(answers, events_of(taken, stream))


def replay_files(
    name: str, stream: Stream, outputs: Sequence[TensorSpec], most_bytes: int = BOARD_BYTES
) -> dict[str, str]:
    """NAME_replay.h and NAME_replay.c of a model with such a name."""
    upper, most = name.upper(), piece(stream, most_bytes)
    given = input_spec(stream, most_bytes).bytes
    header = [
        f"/* Recordings replayed through {name}_push, a piece a call. */",
        f"#ifndef {upper}_REPLAY_H",
        f"#define {upper}_REPLAY_H",
        "",
        "#include <stdint.h>",
        "",
        f"/* {given} bytes: how many samples (the highest bit: from the initial",
        " * state), and the samples. */",
        f"uint8_t *{name}_replay_input(void);",
        f"void {name}_replay_invoke(void);",
        f"/* {output_spec(stream, outputs).bytes} bytes: how many answers and events, events, and",
        " * the answer. */",
        f"const uint8_t *{name}_replay_output(void);",
        "",
        "#endif",
    ]
    return {
        f"{name}_replay.h": "\n".join(header) + "\n",
        f"{name}_replay.c": "\n".join(_source(name, stream, outputs, most)) + "\n",
    }


def _source(name: str, stream: Stream, outputs: Sequence[TensorSpec], most: int) -> list[str]:
    queue, words = _queue(stream), event_words(stream)
    fields = [f"    uint32_t rows[{words * queue}];"] if queue else []
    fields += [f"    uint8_t output_{k}[{spec.bytes}];" for k, spec in enumerate(outputs)]
    copies = [
        f"        memcpy(heard.output_{k}, {ordinal(f'{name}_output', k)}(), {spec.bytes});"
        for k, spec in enumerate(outputs)
    ]
    condition, *stores = take_lines(stream, name, "row")
    taken = [
        *(f"    {line}" for line in event_variables(stream, name)),
        f"    while (heard.events < {queue} && {condition}) {{",
        f"        uint32_t *row = heard.rows + {words} * heard.events;",
        *(f"        {line}" for line in stores),
        "        heard.events++;",
        "    }",
    ]
    return [
        f'#include "{name}_replay.h"',
        "",
        "#include <string.h>",
        "",
        f'#include "{name}.h"',
        "",
        "static struct {",
        "    uint32_t count;",
        f"    {stream.dtype}_t samples[{most}];",
        "} given;",
        "",
        "static struct {",
        "    uint32_t answers;",
        "    uint32_t events;",
        *fields,
        "} heard;",
        "",
        f"uint8_t *{name}_replay_input(void)",
        "{",
        "    return (uint8_t *)&given;",
        "}",
        "",
        f"void {name}_replay_invoke(void)",
        "{",
        "    const uint32_t count = given.count & 0x7FFFFFFFu;",
        "    if ((given.count & 0x80000000u) != 0u) {",
        f"        {name}_reset();",
        "    }",
        "    memset(&heard, 0, sizeof heard);",
        f"    if (count <= {most}u) {{",
        f"        heard.answers = (uint32_t){name}_push(given.samples, count);",
        "    }",
        "    if (heard.answers != 0u) {",
        *copies,
        "    }",
        *(taken if queue else []),
        "}",
        "",
        f"const uint8_t *{name}_replay_output(void)",
        "{",
        "    return (const uint8_t *)&heard;",
        "}",
    ]


def _queue(stream: Stream) -> int:
    return 0 if stream.decision is None else stream.decision.queue
