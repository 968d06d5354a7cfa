"""Damages bytes at random: anywhere, inside of archives, and in the values of JSON and TOML.

Or makes one part of them very long: what takes the square of a length takes minutes then.
"""

import contextlib
import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator

_INTERESTING = (0, 1, -1, 2, 127, 128, 255, 256, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31), 1 << 28)
_ODD_VALUES = (
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 1e999, 10**30, "", "x", "\x00", "\x1b[2J",
    "\u202e", "../../x", "a\nb", [], {}, [[]], [None], {"": {}}, "9" * 5000, [0] * 2000,
)  # fmt: skip
_KINDS = (None, True, 0, -1, 1.5, 10**30, "", "x", [], [1], [[]], [{}], {}, {"a": 1})
_ODD_TEXTS = (
    b"9" * 5000, b"[" * 3000, b"{" * 3000, b'{"a":' * 2000, b"\x00", b"\xff\xfe", b"\x1b]0;x\x07",
    b"1e999", b"NaN", b"-", b'"', b"\\", b"\n", b"\t", b",", b"=", b"inf", b"\xe2\x80\xae", b"%s",
    b"1.2.3", b"0x", b"9" * 25,
)  # fmt: skip

_TIMES = 20_000


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A few bytes changed, copied, doubled or cut off."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            break
        position = chance.randrange(len(out))
        kind = chance.randrange(10)
        if kind < 3:
            out[position] = chance.choice((chance.randrange(256), out[position] ^ 1, 0, 255))
        elif kind < 5:
            value = chance.choice((*_INTERESTING, chance.randrange(-64, 64)))
            out[position : position + 4] = struct.pack("<i", value)
        elif kind == 5:
            out[position : position + 8] = struct.pack("<q", chance.choice((1 << 40, -1, 1 << 62)))
        elif kind == 6:
            size = chance.randrange(1, 65)
            source = chance.randrange(len(out))
            out[position : position + size] = out[source : source + size]
        elif kind == 7:
            out[position:position] = chance.choice(_ODD_TEXTS)
        elif kind == 8:
            del out[position : position + chance.randrange(1, 65)]
        else:
            del out[position:]
    return bytes(out)


def repacked(chance: random.Random, data: bytes) -> bytes:
    """A zip archive with one member damaged, so that its checksums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(members))
    members[name] = (changed_json if name.endswith(".json") else damaged)(chance, members[name])
    out = io.BytesIO()
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", method) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return out.getvalue()


def changed_json(chance: random.Random, data: bytes) -> bytes:
    """A JSON text with one to three values made others, or gone."""
    try:
        value = json.loads(data)
    except ValueError:
        return damaged(chance, data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = chance.choice(places)
        if chance.randrange(4) == 0:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice(_ODD_VALUES))
    return json.dumps(value).encode()


def each_value_another(data: bytes) -> Iterator[bytes]:
    """A JSON text, or an archive that holds some, with each value in turn one of another kind."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        for name in members:
            for changed in each_value_another(members[name]):
                out = io.BytesIO()
                with zipfile.ZipFile(out, "w") as archive:
                    for each, content in {**members, name: changed}.items():
                        archive.writestr(each, content)
                yield out.getvalue()
    elif data[:1] in (b"{", b"["):
        try:
            holder = [json.loads(data)]
        except ValueError:
            return  # a TOML file begins with a bracket, too
        for inside, key in list(_places(holder)):
            kept = inside[key]
            for other in _KINDS:
                inside[key] = other
                yield json.dumps(holder[0]).encode()
            inside[key] = kept


def _places(value):
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict | list):
            for key in each if isinstance(each, dict) else range(len(each)):
                yield each, key
                todo.append(each[key])


def mutated(chance: random.Random, data: bytes) -> bytes:
    """One of the kinds that fit the data."""
    kinds = [damaged, damaged]
    if data[:2] == b"PK":
        kinds += [repacked, repacked]
    if data[:1] in (b"{", b"["):
        kinds += [changed_json] * 4
    return chance.choice(kinds)(chance, data)


def swollen(chance: random.Random, data: bytes) -> bytes:
    """With one part thousands of times: a list, a name, a line, a character, a stretch of bytes."""
    if data[:2] == b"PK":
        return _swollen_archive(chance, data)
    if data[:1] in (b"{", b"["):
        with contextlib.suppress(ValueError):
            return _swollen_json(chance, json.loads(data))
    if all(9 <= byte < 127 for byte in data[:300]):
        return _swollen_text(chance, data)
    begin, size = chance.randrange(max(1, len(data))), chance.choice((1, 2, 4, 8, 16, 32, 64, 128))
    return data[:begin] + data[begin : begin + size] * _TIMES + data[begin:]


def _swollen_archive(chance: random.Random, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(members))
    if chance.randrange(4) == 0:
        members |= {f"{name[:60]}{i}": members[name][:50] for i in range(_TIMES // 2)}
    else:
        members[name] = swollen(chance, members[name])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return out.getvalue()


def _swollen_json(chance: random.Random, value: object) -> bytes:
    holder = [value]
    inside, key = chance.choice(list(_places(holder)))
    found = inside[key]
    if isinstance(found, list) and found:
        inside[key] = (found * (_TIMES // len(found) + 1))[:_TIMES]
    elif isinstance(found, dict) and found and chance.randrange(2):
        name = chance.choice(sorted(found))
        inside[key] = found | {f"{name}{i}": found[name] for i in range(_TIMES)}
    elif isinstance(found, str):
        inside[key] = (found or "a") * (5 * _TIMES // max(1, len(found)))
    else:
        inside[key] = chance.choice(([found] * _TIMES, "1" * 5 * _TIMES))
    return json.dumps(holder[0]).encode()


def _swollen_text(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    number = chance.randrange(len(lines))
    line = lines[number]
    begin, size = chance.randrange(len(line) or 1), chance.choice((1, 1, 1, 2, 5))
    lines[number] = chance.choice(
        (
            b"\n".join([line] * _TIMES),
            b"\n".join(b"%b%d" % (line, i) for i in range(_TIMES)),
            line[:begin] + line[begin : begin + size] * (5 * _TIMES) + line[begin:],
        )
    )
    return b"\n".join(lines)
