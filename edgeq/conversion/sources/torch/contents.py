"""What is in a `.pt2` file, and a copy of it with nothing that could run.

torch.export.load unpickles weights, constants and example inputs, has sympy evaluate the names of
sizes as Python, imports modules that a structure names, and takes any function of torch for an op.
So it is given another archive, made here of what was looked at: a graph of known ops, and weights
as plain bytes.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from edgeq.conversion.sources.torch.constants import constant_bytes, pairs
from edgeq.conversion.sources.torch.ops import FUNCTIONS, OPS
from edgeq.errors import EdgeqError
from edgeq.support.foreign import check_file, parse_json, read_members, too_large, unpacked_limit
from edgeq.support.sizes import element_count
from edgeq.support.text import visible_line

_MOST_MEMBER, _MOST_WHOLE = 1 << 30, 4 << 30
_MOST_CONSTANT = 1 << 28
_MOST_DEPTH = 64
_TRUST = "--trust loads it whole, if you know where the file comes from"
# What sympy writes of a size: symbols, whole numbers, sums of such; no other function.
_SIZE = re.compile(
    r"(?:Symbol\('[su]\d{1,6}'|(?:Integer|Add|Mul|Mod|FloorDiv|Max|Min)\(|[su]\d{1,6}(?!\d)|-?\d{1,18}(?!\d)"
    r"|(?:positive|nonnegative|integer)=True|-?int_oo|[(), ])+"
)
_MOST_SIZE_TEXT = 400
_TRAINING = "TRAINING"
_PLAIN_NODES = frozenset({"builtins.tuple", "builtins.list", "builtins.dict"})
# Bytes of a value by PyTorch's number of its type.
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 12: 1, 13: 2, 28: 2}
_WIDEST = 16
_KEPT_METADATA = ("nn_module_stack", "torch_fn")
_PATH = re.compile(r"[A-Za-z0-9_.]{0,200}")


def clean_program(path: Path) -> bytes:
    """The bytes of a `.pt2` file that holds a graph of known ops and plain weights, no more.

    Raises:
        EdgeqError: Damaged, too large, it holds code, or an op that no model for a device needs.
    """
    where = str(path)
    files = _unpacked(path, _is_text)
    models = [name for name in files if name.startswith("models/")]
    if len(models) != 1:
        raise EdgeqError(
            f"The file holds {len(models)} programs; one is needed.",
            where,
            "torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2')",
        )
    program = parse_json(files[models[0]], where, unique=True, depth=_MOST_DEPTH)
    _check_program(program, where)
    made = {"models/model.json": program}
    if files.get("byteorder", b"little") != b"little":
        raise EdgeqError("Its weights are not in little-endian order.", where)
    if any(name.endswith(".pt") for name in files):
        raise EdgeqError(
            "The weights are stored as a pickle, which may hold code: an older PyTorch wrote it.",
            where,
            "load and save it with torch.export of PyTorch 2.9 or later",
        )
    name = models[0].removeprefix("models/").removesuffix(".json")
    for kind in ("weights", "constants"):
        config = files.get(f"data/{kind}/{name}_{kind}_config.json", b"")
        config = parse_json(config or b'{"config": {}}', where, unique=True)
        _check_arrays(config, kind, where)
        made[f"data/{kind}/model_{kind}_config.json"] = config
    _check_bytes(made, path)
    most = max(unpacked_limit(path), _MOST_CONSTANT)
    if (held := constant_bytes(program)) > most:
        raise too_large("what the model computes of constants alone", held, most, where)
    named = {
        f"data/{kind}/{entry['path_name']}"
        for kind in ("weights", "constants")
        for entry in made[f"data/{kind}/model_{kind}_config.json"]["config"].values()
    }
    return _packed(made, files | _unpacked(path, named.__contains__))


def _unpacked(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The members of a name below the one folder, of any name, that PyTorch's archives have.

    Raises:
        EdgeqError: Damaged, too large, or two of one name.
    """
    where, names = str(path), Counter[str]()

    def is_wanted(name: str) -> bool:
        inner = name.partition("/")[2]
        names[inner] += 1
        return wanted(inner)

    try:
        check_file(path, "model")
        whole = min(_MOST_WHOLE, unpacked_limit(path)) if path.exists() else _MOST_WHOLE
        found = read_members(path, where, is_wanted, member=_MOST_MEMBER, whole=whole)
    except EdgeqError as error:
        raise EdgeqError(f"This is no sound .pt2 file. {error.what}", where, error.hint) from None
    if any(count > 1 and wanted(name) for name, count in names.items()):
        raise EdgeqError("The file holds several programs; one is needed.", where)
    return {name.partition("/")[2]: data for name, data in found.items()}


def _is_text(name: str) -> bool:
    """Whether a member says what is in the archive; `.pt` files are pickles of older PyTorch."""
    inside = name.startswith(("data/weights/", "data/constants/"))
    return (
        name.startswith("models/")
        or (inside and name.endswith((".json", ".pt")))
        or name in ("archive_format", "archive_version", "byteorder")
    )


def _packed(made: dict[str, Any], files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in made.items():
            archive.writestr(f"model/{name}", json.dumps(value))
        for kind in ("weights", "constants"):
            config = made[f"data/{kind}/model_{kind}_config.json"]["config"]
            for name in sorted({entry["path_name"] for entry in config.values()}):
                content = files.get(f"data/{kind}/{name}", b"")
                archive.writestr(f"model/data/{kind}/{name}", content)
        archive.writestr("model/data/sample_inputs/model.pt", b"")
        archive.writestr("model/archive_format", b"pt2")
        archive.writestr("model/archive_version", files.get("archive_version", b"0")[:8])
        archive.writestr("model/byteorder", b"little")
        archive.writestr("model/.data/version", b"3\n")
        archive.writestr("model/.data/serialization_id", b"0" * 40)
    return buffer.getvalue()


def _check_arrays(config: Any, kind: str, where: str) -> None:
    """Refuse weights that are stored as anything but plain bytes."""
    entries = config.get("config") if isinstance(config, dict) else None
    if not isinstance(entries, dict):
        raise EdgeqError(f"The list of {kind} is damaged.", where)
    for name, entry in entries.items():
        path = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(path, str) or not _PATH.fullmatch(path) or "use_pickle" not in entry:
            raise EdgeqError(f"The list of {kind} is damaged.", where)
        plain = path.startswith(("weight_", "tensor_"))
        if entry["use_pickle"] is not False or not plain or entry.get("tensor_meta") is None:
            raise EdgeqError(
                f"'{visible_line(name)}' is stored as a pickle, which may hold code.", where, _TRUST
            )


def _check_bytes(made: dict[str, Any], path: Path) -> None:
    """Refuse weights that come to far more bytes than the file has.

    Strides of 0, and many weights of one member, are views for PyTorch; its exporter writes each
    out whole.
    """
    where, total = str(path), 0
    for kind in ("weights", "constants"):
        for entry in made[f"data/{kind}/model_{kind}_config.json"]["config"].values():
            meta = entry["tensor_meta"]
            sizes = meta.get("sizes") if isinstance(meta, dict) else None
            counts: list[Any] = [
                each.get("as_int") if isinstance(each, dict) else None
                for each in (sizes if isinstance(sizes, list) else [None])
            ]
            if any(type(count) is not int or count < 0 for count in counts):
                raise EdgeqError(f"The list of {kind} is damaged.", where)
            dtype = meta.get("dtype")
            width = _WIDTHS.get(dtype, _WIDEST) if isinstance(dtype, int) else _WIDEST
            total += width * element_count(counts)
    if total > (most := unpacked_limit(path)):
        raise too_large("the model's list of weights", total, most, where)


def _check_program(program: Any, where: str) -> None:
    """Refuse ops that are not known, and text that PyTorch would evaluate.

    What nobody needs for the graph (where each op stood in the source, conditions on sizes) is
    taken out.
    """
    if not isinstance(program, dict) or not isinstance(program.get("graph_module"), dict):
        raise EdgeqError("The file holds no exported program.", where)
    program["guards_code"] = []
    # In a graph as torch.export makes one, constants of forward() are detached in place.
    verifiers = program.get("verifiers")
    program["verifiers"] = (
        [_TRAINING] if isinstance(verifiers, list) and _TRAINING in verifiers else []
    )
    _check_ranges(program.get("range_constraints") or {}, where)
    for key, value in pairs(program):
        if key == "target" and not (_is_one_of(value, FUNCTIONS) or _is_one_of(value, OPS)):
            raise EdgeqError(
                f"The op {visible_line(str(value))[:80]} is none that a model for a device needs.",
                where,
                _TRUST,
            )
        if key == "expr_str":
            _check_size(value, where)
        if key in ("in_spec", "out_spec"):
            _check_structure(value, where)
        if key in ("as_custom_obj", "as_graph", "as_operator", "as_opaque") and value is not None:
            raise EdgeqError("The program holds parts that are no arrays.", where, _TRUST)
        if key == "metadata" and isinstance(value, dict):
            for gone in set(value) - set(_KEPT_METADATA):
                del value[gone]


def _check_ranges(ranges: Any, where: str) -> None:
    if not isinstance(ranges, dict):
        raise EdgeqError("The list of ranges is damaged.", where)
    for name in ranges:
        _check_size(name, where)


def _is_one_of(value: Any, names: Container[str]) -> bool:
    """Whether a value is one of some names, whatever it is."""
    return isinstance(value, str) and value in names


def _check_size(text: Any, where: str) -> None:
    """Refuse what sympy would evaluate."""
    if not isinstance(text, str) or len(text) > _MOST_SIZE_TEXT or not _SIZE.fullmatch(text):
        raise EdgeqError(
            f"A size is computed: '{visible_line(str(text))[:80]}'.",
            where,
            f"export it with fixed shapes; {_TRUST}",
        )


def _check_structure(text: Any, where: str) -> None:
    """Refuse structures of inputs and outputs that name anything but tuples, lists and dicts."""
    if text in (None, ""):
        return
    found = parse_json(text, where) if isinstance(text, str) else None
    bad = found is None
    for key, value in pairs(found):
        named = key == "type" and value is not None and not _is_one_of(value, _PLAIN_NODES)
        context = key == "context" and not _is_plain_context(value)
        bad = bad or named or context or key in ("__enum__", "fqn")
    if bad:
        raise EdgeqError(
            "The model takes or gives structures other than tuples, lists and dictionaries.",
            where,
            f"a forward() that takes and gives tensors; {_TRUST}",
        )


def _is_plain_context(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None
    return all(c not in value for c in "{}\\")
