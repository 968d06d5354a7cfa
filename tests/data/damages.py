"""Ways in which data goes wrong between a user's disk and edgeq."""

import shutil
from pathlib import Path

import numpy as np

from tests.data.damage import HARMLESS, NOT_TO_BE_SEEN, SEEN, Damage, NotPossible
from tests.data.table_damages import TABLES

# Containers with checksums over everything that a bit can hit.
_SUMMED = ("records", "png", "npz", "arrays", "csv gzip")


def draw(container, rng):
    """A random damage that goes with a container."""
    kinds = [NOTHING, cut, flip, garbage, emptied]
    if container in ("table",) or (container.startswith("csv") and container != "csv gzip"):
        kinds += TABLES * 2
    elif container.startswith(("png", "tiff", "bmp", "wav")):
        kinds += FOLDERS * 2
    elif container in ("arrays", "npz", "npz floats"):
        kinds += ARRAYS * 2
    elif container == "generator":
        kinds = [NOTHING, *GENERATORS]
    kind = kinds[rng.integers(len(kinds))]
    if kind is flip and not container.startswith(_SUMMED):
        return Damage("flip without checksum", lambda f, d, r: _flip(f, d, r, NOT_TO_BE_SEEN))
    if kind is cut and container == "csv bare":
        return Damage("cut without checksum", lambda f, d, r: _cut(f, d, r, NOT_TO_BE_SEEN))
    return kind


def _file(files, folder, rng):
    """One of the files that hold the data."""
    path = Path(str(files.data).split(":")[0].split(",")[0])
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file())
        return found[rng.integers(len(found))]
    return path


def _cut(files, folder, rng, fate=SEEN):
    file = _file(files, folder, rng)
    raw = file.read_bytes()
    left = raw[: rng.integers(0, len(raw))]
    file.write_bytes(left)
    # A table that ends with a whole line, or within its last field, is a table too; so are records.
    return NOT_TO_BE_SEEN if file.suffix == ".csv" or _whole_records(left) else fate


def _whole_records(raw):
    """Whether some bytes are plain TFRecords, the last one whole."""
    position = 0
    while len(raw) - position > 0:
        position += 16 + int.from_bytes(raw[position : position + 8], "little")
    return position == len(raw) > 0


def _flip(files, folder, rng, fate=SEEN):
    file = _file(files, folder, rng)
    raw = bytearray(file.read_bytes())
    raw[rng.integers(len(raw))] ^= 1 << rng.integers(8)
    file.write_bytes(raw)
    return fate


def _garbage(files, folder, rng):
    file = _file(files, folder, rng)
    file.write_bytes(rng.bytes(int(rng.integers(1, 500))))
    return SEEN


def _emptied(files, folder, rng):
    _file(files, folder, rng).write_bytes(b"")
    return SEEN


NOTHING = Damage("nothing", lambda files, folder, rng: HARMLESS)
cut = Damage("cut", _cut)
flip = Damage("flip", _flip)
garbage = Damage("garbage", _garbage)
emptied = Damage("emptied", _emptied)


def _on_arrays(change, fate=SEEN):
    def apply(files, folder, rng):
        path = Path(str(files.data).split(":")[0])
        with np.load(path) as found:
            arrays = dict(found)
        keys = list(arrays)
        changed = change(arrays[keys[0]], arrays[keys[1]], rng)
        np.savez(path, **dict(zip(keys, changed, strict=True)))
        return fate

    return apply


def _one_value(value):
    def change(x, y, rng):
        x = x.astype(np.float64)
        x.flat[rng.integers(x.size)] = value
        return x, y

    return change


def _one_label(value):
    def change(x, y, rng):
        if y.ndim > 1 or y.dtype.kind == "U":
            raise NotPossible
        y = y.astype(np.float64)
        y[rng.integers(len(y))] = value
        return x, y

    return change


def _odd_name(x, y, rng):
    if y.dtype.kind != "U":
        raise NotPossible
    y = y.astype("<U9")
    y[rng.integers(len(y))] = ["", "NA", "other", "7"][rng.integers(4)]
    return x, y


def _unlike(x, y, rng):
    return x, np.concatenate([y, y])


ARRAYS = [
    Damage("arrays: NaN", _on_arrays(_one_value(np.nan))),
    Damage("arrays: infinity", _on_arrays(_one_value(-np.inf))),
    Damage("arrays: huge", _on_arrays(_one_value(1e300))),
    Damage("arrays: label NaN", _on_arrays(_one_label(np.nan))),
    Damage("arrays: label out of range", _on_arrays(_one_label(10))),
    Damage("arrays: label negative", _on_arrays(_one_label(-1))),
    Damage("arrays: label 1.5", _on_arrays(_one_label(1.5))),
    Damage("arrays: odd name", _on_arrays(_odd_name)),
    Damage("arrays: count", _on_arrays(_unlike)),
    Damage("arrays: shape", _on_arrays(lambda x, y, rng: (x.reshape(len(x), -1)[:, :60], y))),
    Damage("arrays: flat", _on_arrays(lambda x, y, rng: (x.ravel(), y))),
    Damage("arrays: no axis", _on_arrays(lambda x, y, rng: (x.ravel()[0], y))),
    Damage("arrays: text", _on_arrays(lambda x, y, rng: (x.astype(str), y))),
    Damage("arrays: complex", _on_arrays(lambda x, y, rng: (x + 0j, y))),
    Damage("arrays: empty", _on_arrays(lambda x, y, rng: (x[:0], y[:0]))),
    Damage("arrays: label 0-d", _on_arrays(lambda x, y, rng: (x, y.ravel()[0]))),
]


def _empty_class(files, folder, rng):
    (Path(files.data) / "11").mkdir()
    return SEEN


def _hidden(files, folder, rng):
    name = [".ipynb_checkpoints", "__MACOSX", ".git"][rng.integers(3)]
    (Path(files.data) / name).mkdir()
    file = _file(files, folder, rng)
    if name not in str(file):
        shutil.copy(file, Path(files.data) / name / file.name)
    return HARMLESS


def _loose(files, folder, rng):
    shutil.copy(_file(files, folder, rng), Path(files.data))
    return SEEN


def _class_lost(files, folder, rng):
    label = int(rng.integers(10))
    if (files.digits.labels == label).all():
        raise NotPossible
    kept = files.digits.labels != label
    shutil.rmtree(Path(files.data) / str(label))
    files.digits = type(files.digits)(
        files.digits.pixels[kept], files.digits.labels[kept], files.digits.judge
    )
    return SEEN


def _splits(files, folder, rng):
    shutil.move(files.data, folder / "set" / "train")
    files.data = folder / "set"
    return SEEN


def _grouped(files, folder, rng):
    """A class folder with folders of its own, such as speakers."""
    file = _file(files, folder, rng)
    (file.parent / "more").mkdir()
    shutil.move(file, file.parent / "more" / file.name)
    return HARMLESS


def _text_file(files, folder, rng):
    (Path(files.data) / "0" / "readme.txt").write_text("a text")
    return HARMLESS


def _foreign(files, folder, rng):
    """A file of the other kind: a recording among images, an image among recordings."""
    file = _file(files, folder, rng)
    other = ".png" if file.suffix == ".wav" else ".wav"
    (file.parent / f"foreign{other}").write_bytes(b"nothing")
    return SEEN


FOLDERS = [
    Damage("folder: empty class", _empty_class),
    Damage("folder: hidden", _hidden),
    Damage("folder: loose file", _loose),
    Damage("folder: class lost", _class_lost),
    Damage("folder: splits", _splits),
    Damage("folder: groups", _grouped),
    Damage("folder: text file", _text_file),
    Damage("folder: other kind", _foreign),
]


def _yielding(line, fate=SEEN):
    def apply(files, folder, rng):
        (folder / "mine.py").write_text(
            "import numpy as np\n"
            "def pairs():\n"
            f"    with np.load({str(folder / 'g.npz')!r}) as file:\n"
            "        pairs = list(zip(file['x'].astype(float), file['y']))\n"
            f"    {line}\n"
        )
        return fate

    return apply


_TWICE = "i, (x, y) in enumerate([*pairs, *pairs])"
_LINES = {
    "no labels": "yield from (x for x, _ in pairs)",
    "None": "yield from ((x, None) for x, _ in pairs)",
    "fails": "yield pairs[0]; raise KeyError('gone')",
    "nothing": "return; yield",
    "ragged": "yield from (([[1], [2, 3]], y) for _, y in pairs)",
    "numbers, then names": f"yield from ((x, 'a' if i else y) for {_TWICE})",
    "names, then numbers": f"yield from ((x, y if i else 'a') for {_TWICE})",
    "objects": "yield from ((object(), y) for _, y in pairs)",
    "three": "yield from ((x, y, 1) for x, y in pairs)",
    "label array": "yield from ((x, np.array([y, y])) for x, y in pairs)",
    "label huge": "yield from ((x, 10**30) for x, _ in pairs)",
    "label object": "yield from ((x, {'y': y}) for x, y in pairs)",
}
_FINE = {
    "lists": "yield from ((x.tolist(), int(y)) for x, y in pairs)",
    "batch of one": "yield from ((x[None], [y]) for x, y in pairs)",
}
GENERATORS = [
    *(Damage(f"generator: {name}", _yielding(line)) for name, line in _LINES.items()),
    *(Damage(f"generator: {name}", _yielding(line, HARMLESS)) for name, line in _FINE.items()),
]
