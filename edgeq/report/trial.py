"""The panel in which a page runs its model: WebAssembly, with the loader of `web` projects."""

from __future__ import annotations

import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from edgeq.boards.target import load_target
from edgeq.compiler.codegen.literals import identifier
from edgeq.compiler.codegen.memory import Memory
from edgeq.compiler.compilation import generate
from edgeq.compiler.options import CompileOptions
from edgeq.errors import EdgeqError
from edgeq.firmware.app_binaries import compile_binaries, data_file
from edgeq.firmware.model import FirmwareModel, firmware_model
from edgeq.firmware.names import project_name
from edgeq.firmware.project import render_project
from edgeq.frontend.build import front_end
from edgeq.frontend.stamp import is_of_another
from edgeq.model.joining import FrontEnd
from edgeq.support.foreign import read_bytes
from edgeq.support.output import file_digest, write_whole

MOST_BYTES = 1 << 20
"""Of a .tflite file that goes into a page; its weights are there once, and a third larger."""

MOST_PANELS = 4
"""On one page: each takes some seconds to compile."""

_TEMPLATE = "web"
_LEAST_SIDE, _MOST_ASPECT = 6, 3


@dataclass(frozen=True)
class Trial:
    """A model that runs inside a page.

    Attributes:
        loader: The ES module of the `web` project.
        title: What its `load` function's name ends in.
        plain, vectors: The WebAssembly module's code in its two forms, in base64.
        data: What follows both, its weights.
        way: What the panel takes beside numbers: "image", "sound" or "numbers".
        kilobytes: Size of what a browser loads, in thousands of bytes.
        scores: How many values its output has; 0 where it has several outputs.
    """

    loader: str
    title: str
    plain: str
    vectors: str
    data: str
    way: str
    kilobytes: float
    scores: int


def model_trial(model: Path, front: FrontEnd | None = None) -> Trial | str:
    """The panel's parts for a model, or why there are none and what to do about that.

    Args:
        model: A .tflite file.
        front: What turns samples into its input.
    """
    if model.stat().st_size > MOST_BYTES:
        return f"The page holds models of up to {MOST_BYTES:,} bytes; this one is larger."
    if front is not None and not front.stream.sound:
        return "The panel hears sound; this model's front end takes what other sensors give."
    try:
        return _built(model, front)
    except EdgeqError as error:
        return " ".join(filter(None, (error.what, error.hint)))


def trial_beside(model: Path, front: FrontEnd | None = None) -> Trial | str:
    """The same, with the front end that lies beside the model, as `convert` leaves it, if any."""
    described = model.with_suffix(".frontend.toml")
    try:
        if front is None and described.is_file():
            if is_of_another(read_bytes(described, "front end"), model.read_bytes()):
                return f"{described.name} was written for another model."
            front = front_end(described)
        return model_trial(model, front)
    except EdgeqError as error:
        return error.what


def page_trials(
    sections: Sequence[Mapping[str, Any]], folders: Sequence[Path]
) -> dict[str, Trial | str]:
    """The panels of the sections whose models are found, by the models' SHA-256.

    Args:
        sections: Of a page.
        folders: Where its results lie.
    """
    made: dict[str, Trial | str] = {}
    for section in sections:
        found = find_model(section["model"], folders)
        if found is not None and len(made) < MOST_PANELS:
            made[section["model"]["sha256"]] = trial_beside(found)
    return made


def find_model(model: Mapping[str, Any], folders: Sequence[Path]) -> Path | None:
    """The .tflite file that a result is of: beside results, or where its path leads from here.

    Only a file of the very same bytes is it.
    """
    path = str(model.get("path", ""))
    if not path.endswith(".tflite") or "\0" in path:
        return None
    for place in (*(folder / PurePath(path).name for folder in folders), Path(path)):
        try:
            if place.is_file() and file_digest(place) == model.get("sha256"):
                return place
        except (OSError, EdgeqError):
            continue
    return None


def _built(model: Path, front: FrontEnd | None) -> Trial | str:
    sources = generate(
        model,
        name=identifier(model.stem),
        target=load_target("wasm32"),
        options=CompileOptions(frontend=front),
        memory=Memory.REENTRANT,
    )
    if any("#include <math.h>" in text for text in sources.files.values()):
        return "The panel is for models without floats; this one has some."
    made = firmware_model(sources, replay=False)
    title = project_name(made.name, _TEMPLATE)
    texts = render_project([made], load_target("wasm32"), _TEMPLATE, title, force=True)
    with tempfile.TemporaryDirectory(prefix="edgeq-") as scratch:
        folder = Path(scratch)
        for path, text in texts.items():
            write_whole(folder / path, text)
        compile_binaries(_TEMPLATE, title, folder, without=f"{title}.relaxed.wasm")
        files = (f"{title}.wasm", f"{title}.simd.wasm", data_file(title))
        plain, vectors, data = ((folder / file).read_bytes() for file in files)
    return Trial(
        texts["index.js"],
        made.title,
        b64encode(plain).decode(),
        b64encode(vectors).decode(),
        b64encode(data).decode(),
        _way(made),
        (len(vectors) + len(data)) / 1000,
        made.outputs[0].elements if len(made.outputs) == 1 else 0,
    )


def _way(model: FirmwareModel) -> str:
    """What people have that the model takes."""
    if model.stream is not None:
        return "sound"
    if len(model.inputs) != 1:
        return "numbers"
    shape = model.inputs[0].shape
    sides = shape[1:3]
    image = (
        len(shape) == 4
        and shape[3] in (1, 3)
        and min(sides) >= _LEAST_SIDE
        and max(sides) <= _MOST_ASPECT * min(sides)
    )
    return "image" if image else "numbers"


def trial_facts(section: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """What the panel's script is told: plain data, as `trial.js` reads it."""
    judged = [found for found in section["evaluations"] if found["of"] != "float"]
    # Names of classes are those of outputs where there are as many.
    every = [found.get("classes") or () for found in judged]
    names = next((each for each in reversed(every) if len(each) == trial.scores), ())
    data = (judged[-1].get("data") if judged else None) or {}
    ranges = [each["after"] for each in data.get("inputs") or () if each.get("after")]
    return {
        "way": trial.way,
        "labels": [str(name) for name in names],
        "range": [float(end) for end in ranges[0]] if len(ranges) == 1 else None,
    }
