"""edgeq.toml: what `edgeq deploy` is asked for, read and checked as a whole."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from edgeq.analysis.limits import Limits
from edgeq.compiler.options import MODES
from edgeq.data import DatasetOptions
from edgeq.data.options import READING_KEYS, reading_options
from edgeq.errors import EdgeqError, UsageError, raise_problems
from edgeq.frontend.description import BUILT_IN, PRECISIONS
from edgeq.support.foreign import parse_toml, read_bytes
from edgeq.support.sizes import parse_bytes
from edgeq.support.text import kind_of_value, line_problem, visible_line


@dataclass(frozen=True)
class DeployConfig:
    """One deployment.

    Attributes:
        model: Any model that `edgeq convert` takes, or a .tflite.
        data: Representative data; needed unless the model is integer already.
        eval: Labelled data; None leaves accuracy out.
        metric: How accuracy is measured.
        limit: Use at most so many samples of `eval`.
        reading: How both are read.
        scheme: Quantization scheme.
        io: Type of inputs and outputs: "int8", "uint8", "float32", or None for the scheme's own.
        stream, stream_step: As for `edgeq.convert`: a model of steps is made out of one of windows.
        image_front_end: As for `edgeq.convert`: layers that cut and resize pictures become a front
            end for cameras; `data` and `eval` are whole frames.
        target: Board or CPU.
        on: Device to profile on; None for the target's emulator.
        optimize: "balanced", "speed", "ram" or "size".
        verify: Number of random inputs in the comparison of bytes.
        output: Folder to make.
        limits: What the result must keep to.
        accept_stand_in: Whether figures of another core than the target's may meet a limit.
        trust: Whether code inside a Keras file may run.
        accept_loss: Whether an integer model that differs much from the float one is accepted.
        every: How often an inference is made, such as "1s"; None leaves average power out.
        battery: What feeds it, such as "230mAh@3V".
        power: A meter for the energy, as `edgeq profile --power` takes it; None estimates it.
        sign: Ed25519 private key that signs the manifest; None leaves it unsigned.
        frontend: What stands before the model: a built-in name or a TOML file; `data` and `eval`
            are the model's own input all the same.
        frontend_precision: "int16" or "float32"; None for what suits the core.
        recordings: Folder of recordings with events.csv, judged through the front end; None leaves
            that out.
        try_it: Whether the report has the model inside it, for people to try.
    """

    model: str
    data: str | None = None
    eval: str | None = None
    metric: str = "classification"
    limit: int | None = None
    reading: DatasetOptions = field(default_factory=DatasetOptions)
    scheme: str = "int8"
    io: str | None = None
    stream: int | None = None
    stream_step: int | None = None
    image_front_end: bool = False
    target: str = "cortex-m4"
    on: str | None = None
    optimize: str = "balanced"
    verify: int = 100
    output: str = "deployed"
    limits: Limits = field(default_factory=Limits)
    accept_stand_in: bool = False
    trust: bool = False
    accept_loss: bool = False
    every: str | None = None
    battery: str | None = None
    power: str | None = None
    sign: str | None = None
    frontend: str | None = None
    frontend_precision: str | None = None
    recordings: str | None = None
    try_it: bool = True

    def __post_init__(self) -> None:
        """Refuse words and counts that mean nothing, before any work is done.

        Raises:
            UsageError: There is no such scheme, type, form or precision; a text is empty; a number
                of samples is below 1.
        """
        from edgeq.conversion.quantization.schemes import IO_TYPES, find_scheme

        find_scheme(self.scheme)
        words = {"io": IO_TYPES, "optimize": MODES, "frontend_precision": PRECISIONS}
        for name, known in words.items():
            word = getattr(self, name)
            if word is not None and word not in known:
                raise UsageError(f"{name} = '{word}' means nothing.", hint=", ".join(known))
        for each in fields(self):
            value = getattr(self, each.name)
            if value == "":
                raise UsageError(f"{each.name} is empty.", hint="leave it out")
            if each.name in ("verify", "limit") and value is not None and value < 1:
                raise UsageError(
                    f"{each.name} = {value} is no number of samples.", hint="1 or more"
                )

    def check_together(self) -> None:
        """Refuse settings that ask for others.

        Raises:
            UsageError: One is there without what it is about.
        """
        limits = self.limits
        if self.eval is None and (limits.accuracy is not None or limits.accuracy_drop is not None):
            raise UsageError("A limit on accuracy needs labelled data.", hint="--eval test.npz")
        if self.eval is None and (self.metric != DeployConfig.metric or self.limit is not None):
            name = "metric" if self.limit is None else "limit"
            raise UsageError(f"{name} is for labelled data; none is given.", hint="--eval test.npz")
        plain = DatasetOptions()
        if self.recordings is not None:
            plain = replace(plain, resample=self.reading.resample)
        if self.eval is None and self.data is None and self.reading != plain:
            raise UsageError(
                "It is said how data is read ([reading], --mean, ...), and no data is given.",
                hint="--eval test.npz, or --data",
            )
        self.check_precision(there=self.frontend is not None or self._may_begin_with_one())
        # A decision stands in a file of its own, and none of a model's layers makes any.
        if self.recordings is not None and self.frontend is None:
            raise UsageError("Recordings need a front end.", hint="--frontend NAME or FILE")

    def check_precision(self, *, there: bool) -> None:
        """Refuse the precision of a front end that is not there.

        Raises:
            UsageError: It is given.
        """
        if self.frontend_precision is not None and not there:
            raise UsageError("A precision is of a front end.", hint="--frontend NAME or FILE")

    def _may_begin_with_one(self) -> bool:
        """Whether a front end may be part of the model."""
        from edgeq.conversion.sources.keras_front_ends import may_have_front_end

        return self.image_front_end or may_have_front_end(Path(self.model))


_MOST_BYTES = 1 << 20
_LONGEST = 1000  # of any text in the file
_PATHS = ("model", "data", "eval", "output", "sign", "recordings", "frontend")
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_SIZES = {"flash": "flash_bytes", "ram": "ram_bytes"}
_TABLES = {
    "deploy": tuple(f.name for f in fields(DeployConfig) if f.name not in ("reading", "limits")),
    "reading": READING_KEYS,
    "limits": (*_SIZES, "accuracy", "accuracy_drop", "cycles", "latency_ms", "energy_uj"),
}


def read_config(path: Path) -> DeployConfig:
    """The deployment that an edgeq.toml describes; paths in it start from its folder.

    Raises:
        EdgeqError: No such file, no TOML, unknown keys or wrong types: all of them at once.
    """
    tables = parse_toml(read_bytes(path, "configuration", _MOST_BYTES), str(path))
    raise_problems([*_unknown(tables, path), *_no_lines(tables, str(path))])
    deploy = dict(tables.get("deploy", {}))
    if "model" not in deploy:
        raise EdgeqError("there is no model.", str(path), '[deploy]\nmodel = "model.keras"')
    limits = dict(tables.get("limits", {}))
    for short, name in _SIZES.items():
        if short in limits:
            limits[name] = _size(short, limits.pop(short), f"{path}, [limits]")
    _check_types(DeployConfig, deploy, f"{path}, [deploy]")
    _check_types(Limits, limits, f"{path}, [limits]")
    for name in _PATHS:
        if deploy.get(name) and not (name == "frontend" and deploy[name] in BUILT_IN):
            deploy[name] = _from(path.parent, deploy[name])
    deploy |= _own_files(deploy, path.parent)
    reading = _reading(tables.get("reading", {}), f"{path}, [reading]")
    try:
        return DeployConfig(**deploy, reading=reading, limits=Limits(**limits))
    except UsageError as error:
        raise EdgeqError(error.what, str(path), error.hint) from None


def _unknown(tables: Mapping[str, Any], path: Path) -> list[EdgeqError]:
    problems = [
        EdgeqError(f"there is no table [{name}].", str(path), _near(name, tuple(_TABLES)))
        for name in tables
        if name not in _TABLES
    ]
    for name, known in _TABLES.items():
        found = tables.get(name, {})
        if not isinstance(found, dict):
            kind = kind_of_value(found)
            problems.append(
                EdgeqError(f"'{name}' is {kind}, and must be a table.", str(path), f"[{name}]")
            )
            continue
        problems += [
            EdgeqError(f"there is no key '{key}'.", f"{path}, [{name}]", _near(key, known))
            for key in found
            if key not in known
        ]
    return problems


def _no_lines(value: Any, where: str) -> Iterator[EdgeqError]:
    """Texts anywhere in a table that are not one line of printable characters."""
    if isinstance(value, str):
        if value and (problem := line_problem(value, _LONGEST)):
            yield EdgeqError(f"{value!r:.100} is not {problem}.", where)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _no_lines(inner, f"{where}, {visible_line(name)}")
    elif isinstance(value, list):
        for inner in value:
            yield from _no_lines(inner, where)


def _near(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, 3)
    return ", ".join(close or known)


def _check_types(kind: type, values: Mapping[str, Any], where: str) -> None:
    hints = get_type_hints(kind)
    problems = []
    for name, value in values.items():
        wanted = hints[name]
        # TOML's 1 is a fine float; its true is no number.
        fits = isinstance(value, wanted) or (isinstance(value, int) and isinstance(1.0, wanted))
        if not fits or (isinstance(value, bool) and wanted is not bool):
            right = " or ".join(_WORDS[kind] for kind in _kinds(wanted))
            text = f"{name} = {_shown(value)} has the wrong type; {right} is wanted."
            problems.append(EdgeqError(text, where))
    raise_problems(problems)


def _kinds(annotation: Any) -> list[type]:
    return [kind for kind in get_args(annotation) or [annotation] if kind in _WORDS]


def _size(name: str, value: Any, where: str) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    try:
        return parse_bytes(value if isinstance(value, str) else str(value) if whole else "")
    except UsageError as error:
        raise EdgeqError(f"{name} = {_shown(value)} is no size.", where, error.hint) from None


def _shown(value: Any) -> str:
    """A value about as its file has it."""
    if isinstance(value, dict | bool):
        return kind_of_value(value) if isinstance(value, dict) else str(value).lower()
    return f"{value!r:.100}" if isinstance(value, str | list) else str(value)


def _reading(table: Mapping[str, Any], where: str) -> DatasetOptions:
    try:
        return reading_options(table)
    except UsageError as error:
        raise EdgeqError(f"a value has the wrong type: {error.what}", where, error.hint) from None


def _own_files(deploy: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Names that may be files of the user's, which start from a folder where they are."""
    found = {}
    if ".py:" in (metric := deploy.get("metric", "")):
        found["metric"] = _from(folder, metric)
    if (target := deploy.get("target", "")).endswith(".toml"):
        found["target"] = _from(folder, target)
    scheme, colon, board = (deploy.get("on") or "").partition(":")
    if colon and scheme in ("sim", "qemu") and board.partition("?")[0].endswith(".toml"):
        found["on"] = f"{scheme}:{_from(folder, board)}"
    return found


def _from(folder: Path, text: str) -> str:
    """A path that starts from a folder; `module:function` and absolute paths stay as they are."""
    if text.startswith("~/"):
        return str(Path(text).expanduser())
    left = text.rpartition(":")[0] or text
    here = (folder / text).exists() or (folder / left).exists()
    if here or ":" not in text or left.endswith(".py"):
        return str(folder / text)
    return text
