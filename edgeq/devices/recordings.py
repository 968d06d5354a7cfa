"""Recordings through a front end: the C around `NAME_push`, on this machine and in the emulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.compiler.compilation import Sources
from edgeq.devices.generated import NAME
from edgeq.devices.tensors import TensorSpec
from edgeq.errors import EdgeqError
from edgeq.model.decision import Event
from edgeq.model.detection import BoxRules
from edgeq.model.stream import Stream
from edgeq.support.array import Array

# Included before the model: an answer is taken the moment that it is there.
ANSWER_HEADER = f"""#ifndef EQ_ANSWER_H
#define EQ_ANSWER_H
void eq_on_answer(void);
#define {NAME.upper()}_ON_ANSWER() eq_on_answer()
#endif
"""


def take_lines(stream: Stream, name: str, row: str) -> list[str]:
    """C that takes an event: the condition that there is one, and lines that put it into `row`.

    Args:
        stream: With a decision.
        name: Of the model.
        row: A pointer to as many uint32_t as an event has words.
    """
    lines = [f"{row}[0] = (uint32_t)event.label;", f"{row}[1] = (uint32_t)event.score;"]
    lines.append(f"{row}[2] = event.sample;")
    if not isinstance(stream.decision, BoxRules):
        return [f"{name}_decision(&event)", *lines]
    for word, side in ((3, "min"), (4, "max")):
        lines.append(f"{row}[{word}] = (uint32_t)box.x{side} | (uint32_t)box.y{side} << 16;")
    return [f"{name}_detection(&event, &box)", *lines]


def event_variables(stream: Stream, name: str) -> list[str]:
    """C that declares what `take_lines` use."""
    boxed = isinstance(stream.decision, BoxRules)
    return [f"{name}_event event;", *([f"{name}_box box;"] if boxed else [])]


def _taken(stream: Stream) -> list[str]:
    """Whatever can be taken after an answer."""
    if stream.decision is None:
        return []
    words = event_words(stream)
    condition, *stores = take_lines(stream, NAME, "row")
    return [
        *(f"    {line}" for line in event_variables(stream, NAME)),
        f"    while ({condition}) {{",
        f"        uint32_t *row = eq_rows + {words + 1} * eq_events++;",
        *(f"        {line}" for line in stores),
        f"        row[{words}] = (uint32_t)eq_answer;",
        "    }",
    ]


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


def most_events(stream: Stream, answers: int) -> int:
    """How many events so many answers can make, if they are taken after each."""
    return 0 if stream.decision is None else answers * stream.decision.most_of_answer


def event_words(stream: Stream) -> int:
    """Numbers of an event: label, score, sample, and of a detector two for its box."""
    return 3 if stream.decision is None else stream.decision.event_words


def events_of(rows: Array, stream: Stream) -> tuple[Event, ...]:
    """The events that a harness has taken.

    Args:
        rows: uint32, shape (events, words + 1): label, score, sample, a detector's box, and the
            answers before the one after which it was taken.
        stream: How samples reach the program.
    """
    step = stream.step * stream.frame_step
    return tuple(
        Event(label, score, sample, (stream.first_answer + answer * step) & 0xFFFFFFFF, _box(words))
        for label, score, sample, *words, answer in rows.tolist()
    )


def _box(words: list[int]) -> tuple[int, int, int, int] | None:
    if not words:
        return None
    low, high = words
    return low & 0xFFFF, low >> 16, high & 0xFFFF, high >> 16


def host_stream_source(outputs: Sequence[TensorSpec], stream: Stream) -> str:
    """C that pushes a recording in pieces: `eq_stream(samples, count, chunk, outputs, events)`.

    Events are rows of numbers, as `events_of` takes them; `eq_events` counts them.
    """
    head = (
        f"int eq_stream(const {stream.dtype}_t *samples, uint32_t count, uint32_t chunk, "
        "uint8_t *const *outputs, uint32_t *events)"
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
            "static uint32_t *eq_rows;",
            "extern size_t eq_events;",
            "size_t eq_events;",
            "",
            "void eq_on_answer(void)",
            "{",
            *copies,
            *_taken(stream),
            "    eq_answer++;",
            "}",
            "",
            head + ";",
            head,
            "{",
            "    int answers = 0;",
            "    eq_answers = outputs;",
            "    eq_answer = 0;",
            "    eq_rows = events;",
            "    eq_events = 0;",
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
    """C that pushes what lies in a buffer: `eq_stream()` takes `eq_count` of `eq_samples`.

    `eq_take()` puts the oldest event into `eq_event`: label, score, sample, a detector's box.
    """
    take = ""
    if stream.decision is not None:
        condition, *stores = take_lines(stream, NAME, "eq_event")
        lines = [*event_variables(stream, NAME), f"if (!{condition}) {{", "    return 0;", "}"]
        body = "".join(f"    {line}\n" for line in [*lines, *stores, "return 1;"])
        take = (
            f"uint32_t eq_event[{event_words(stream)}];\nint eq_take(void);\n"
            f"int eq_take(void)\n{{\n{body}}}\n\n"
        )
    return (
        f'#include "{NAME}.h"\n\n{take}'
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
