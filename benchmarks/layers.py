"""Every activation and layer of Keras, in four schemes: docs/layers.md.

    python -m benchmarks.layers [NAME ...]

measures the entries named (all of them without a name; none with --page) and writes
benchmarks/layers.json and the tables of docs/layers.md. The list is Keras's own: an entry that it
has and this does not know is tried with its defaults. Activations stand in a small net that is
trained on scikit-learn's digits;
layers in untrained ones, behind a layer with weights.
"""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import edgeq
from benchmarks.layer_recipes import ACTIVATION_SETTINGS, NO_DEVICE, REMARKS, Recipe, recipes
from edgeq.analysis.runs_on import EDGEQ_C, TFLM
from edgeq.conversion.float_model import float_model
from edgeq.conversion.proof.limits import quality_limits
from edgeq.conversion.proof.quality import measure_quality
from edgeq.conversion.tensorflow import first_line
from edgeq.errors import EdgeqError

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "layers.json", ROOT / "docs" / "layers.md"
SCHEMES = ("int8", "int16x8", "int4", "float16")
BARS = {"int8": 20.0, "int16x8": 40.0}
SAMPLES, LEARNED = 32, 0.6
Row = dict[str, Any]


def activations() -> dict[str, tuple[str, ...]]:
    """The functions of keras.activations, each by its first name, and what else it is called."""
    from keras import activations as module

    found: dict[Any, list[str]] = {}
    for name in sorted(dir(module)):
        function = getattr(module, name)
        if inspect.isfunction(function) and name not in ("deserialize", "get", "serialize"):
            found.setdefault(function, []).append(name)
    return {names[0]: tuple(names[1:]) for names in sorted(found.values())}


def layers() -> dict[str, tuple[str, ...]]:
    """The layers of keras.layers, and what else they are called."""
    from keras import layers as module

    found: dict[Any, list[str]] = {}
    for name in sorted(dir(module)):
        kind = getattr(module, name)
        if inspect.isclass(kind) and issubclass(kind, module.Layer):
            found.setdefault(kind, []).append(name)
    named = {}
    for kind, names in found.items():
        first = kind.__name__ if kind.__name__ in names else names[0]
        others = [name for name in names if name != first]
        lower = first.lower()
        functions = [lower] if inspect.isfunction(getattr(module, lower, None)) else []
        named[first] = tuple(others + functions)
    return dict(sorted(named.items()))


def _activation_net(name: str) -> tuple[Any, Any]:
    """A small net with an activation, trained on digits, and samples for it."""
    import keras
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(1)
    pictures, labels = load_digits(return_X_y=True)
    pictures = (pictures.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    function = getattr(keras.activations, name)
    settings = ACTIVATION_SETTINGS.get(name, {})
    # Activation() takes the shape to stay as it is, which glu's does not.
    layer = keras.layers.Lambda(lambda value: function(value, **settings))
    source = keras.Input((8, 8, 1))
    value = layer(keras.layers.Conv2D(8, 3)(source))
    model = keras.Model(source, keras.layers.Dense(10)(keras.layers.Flatten()(value)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    trained = model.fit(pictures[:1200], labels[:1200], epochs=8, verbose=0)
    if trained.history["accuracy"][-1] < LEARNED:
        print(f"The net with {name} learned little: {trained.history['accuracy'][-1]:.2f}")
    return model, pictures[1200 : 1200 + SAMPLES]


def _layer_net(recipe: Recipe) -> tuple[Any, Any]:
    """An untrained net with a layer, and samples for it."""
    import keras

    keras.utils.set_random_seed(1)
    random = np.random.default_rng(0)
    shape = (SAMPLES, *recipe.shape)
    if recipe.kind == "index":
        source, data = keras.Input(recipe.shape, dtype="int32"), random.integers(0, 10, shape)
        return keras.Model(source, recipe.call(keras.layers, source)), data.astype(np.int32)
    source = keras.Input(recipe.shape)
    data = random.normal(0, 1, shape).astype(np.float32)
    if recipe.kind == "pixels":
        data = random.integers(0, 256, shape).astype(np.float32)
    value = keras.layers.Dense(recipe.shape[-1])(source) if recipe.kind == "float" else source
    return keras.Model(source, recipe.call(keras.layers, value)), data


def _measured(model: Any, data: Any) -> Row:
    """What becomes of a net in each scheme."""
    row: Row = {}
    try:
        real = float_model(model)
    except EdgeqError as error:
        return {scheme: {"refused": _sentence(error)} for scheme in SCHEMES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.tflite"
        path.write_bytes(real.data)
        for scheme in SCHEMES:
            row[scheme] = _converted(path, data, scheme)
    return row


def _converted(path: Path, data: Any, scheme: str) -> Row:
    try:
        made = edgeq.convert(path, data=data, scheme=scheme, quality_check=False)
    except EdgeqError as error:
        return {"refused": _sentence(error)}
    if made.frontend is not None:
        return {"front_end": made.frontend.layer}
    assert made.float_model is not None
    found = measure_quality(
        made.float_model, made.data, ([sample] for sample in data), quality_limits(scheme)
    )
    able = () if made.runs_on is None else made.runs_on.able
    return {
        "decibels": found.outputs[0].signal_to_noise_db,
        "tflm": TFLM in able,
        "c": EDGEQ_C in able,
        "ops": sorted({op.name for op in _ops(made.data)}),
    }


def _ops(data: bytes) -> Any:
    from edgeq.model.model_file import parse_graph

    return parse_graph(data).main.ops


def _sentence(error: EdgeqError) -> str:
    """What an error says, in one line: its problems without their places, each once."""
    lines = [line.strip() for line in error.what.splitlines()]
    kept = [line for line in lines if not line.startswith(("where:", "try:"))]
    problems = [line for line in kept if not line.endswith(" problems:")]
    return " ".join(dict.fromkeys(problems))[:240]


def _cell(found: Row) -> str:
    if "refused" in found:
        return f"refused: {found['refused']}".replace("|", "/")
    if "front_end" in found:
        return "a front end"
    ratio = found["decibels"]
    figure = "exact" if ratio is None else f"{ratio:.0f} dB"
    where = "" if found["tflm"] and found["c"] else " (C only)" if found["c"] else " (LiteRT)"
    where = " (TFLM only)" if found["tflm"] and not found["c"] else where
    return figure + where


def table(rows: dict[str, Row], names: dict[str, tuple[str, ...]], usual: frozenset[str]) -> str:
    """The rows of a table, in the order of the names.

    Args:
        rows: By name and note.
        names: And what else each is called.
        usual: Ops that are those of the net around it.
    """
    lines = [
        "| | int8 | int16x8 | int4 | float16 | becomes, in int8 |",
        "|---|---|---|---|---|---|",
    ]
    for name, others in names.items():
        also = f" ({', '.join(others)})" if others else ""
        if name in NO_DEVICE:
            lines.append(f"| {name}{also} | {NO_DEVICE[name]} | | | | |")
            continue
        for key, row in rows.items():
            if key.split(": ")[0] != name:
                continue
            note = key.partition(": ")[2]
            shown = f"{name}{also}" + (f", `{note}`" if note else "")
            ops = [op for op in row["int8"].get("ops", ()) if op not in usual]
            cells = [_cell(row[scheme]) for scheme in SCHEMES]
            if len(set(cells)) == 1 and cells[0].startswith("refused"):
                cells = [cells[0], "", "", ""]
            remark = f"; {REMARKS[key]}" if key in REMARKS else ""
            lines.append(f"| {shown} | {' | '.join(cells)} | {', '.join(ops)}{remark} |")
    return "\n".join(lines)


def _keep(results: dict[str, dict[str, Row]]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _write(results: dict[str, dict[str, Row]]) -> None:
    text = PAGE.read_text()
    net = frozenset({"CONV_2D", "FULLY_CONNECTED", "RESHAPE"})
    parts = {
        "activations": table(results["activations"], activations(), net),
        "layers": table(results["layers"], layers(), frozenset()),
    }
    for name, made in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.split(end)[1]}"
    PAGE.write_text(text)


def main() -> None:
    asked = sys.argv[1:]
    if asked == ["--page"]:
        _write(json.loads(RESULTS.read_text()))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results.setdefault("activations", {})
    results.setdefault("layers", {})
    for name in activations():
        if not asked or name in asked:
            results["activations"][name] = _measured(*_activation_net(name))
            print(name, {s: _cell(results["activations"][name][s]) for s in SCHEMES}, flush=True)
            _keep(results)
    for name in layers():
        if name in NO_DEVICE or (asked and name not in asked):
            continue
        kept = {k: v for k, v in results["layers"].items() if k.split(": ")[0] != name}
        for recipe in recipes(name):
            key = f"{name}: {recipe.note}" if recipe.note else name
            try:
                model, data = _layer_net(recipe)
            except Exception as error:  # noqa: BLE001  (Keras itself cannot build it)
                words = f"Keras: {first_line(error)}"
                kept[key] = {scheme: {"refused": words} for scheme in SCHEMES}
            else:
                kept[key] = _measured(model, data)
            print(key, {s: _cell(kept[key][s]) for s in SCHEMES}, flush=True)
        results["layers"] = kept
        _keep(results)
    _write(results)


if __name__ == "__main__":
    main()
