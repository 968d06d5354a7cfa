"""No regular expression of the sources takes long on text that a stranger has made for it.

A pattern that can split a text in many ways tries them all where nothing fits: in the square of the
length, or worse. Each is given long repetitions of what its own parts take, behind a beginning
that fits, with an end that does not.
"""

import ast
import gc
import itertools
import re
import time
from pathlib import Path

import pytest

try:
    from re import _parser as parser
except ImportError:  # before Python 3.11
    import sre_parse as parser

SOURCES = Path(__file__).parent.parent / "edgeq"
CALLS = ("match", "fullmatch", "search", "sub", "subn", "finditer", "findall", "split")
IN_TIME_S = 0.1  # of the processor; linear ones need microseconds for the longest
OF_CLASSES = {
    "CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a", "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_NOT_DIGIT": "a", "CATEGORY_NOT_WORD": "-",
}  # fmt: skip
# Of the user's own command line and of paths.
SHORT_TEXTS = (r"(?:[\w.]+|.*\.py):[A-Za-z_]\w*",)


def calls_by_name(trees):
    """How what is assigned to each name is used: {"_NUMBER": {"fullmatch"}}."""
    found = {}
    for node in itertools.chain.from_iterable(map(ast.walk, trees.values())):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            owner = node.value
            name = getattr(owner, "id", None) or getattr(owner, "attr", None)
            found.setdefault(name, set()).add(node.attr)
    return found


def patterns():
    """Each literal pattern with where it stands and how it is used."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(SOURCES.rglob("*.py"))}
    used = calls_by_name(trees)
    for path, tree in trees.items():
        names = {
            id(node.value): node.targets[0].id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if not call or getattr(node.func.value, "id", "") != "re" or not node.args:
                continue
            if not isinstance(node.args[0], ast.Constant):
                continue  # put together of parts that are looked at by eye
            how = {node.func.attr}
            if node.func.attr == "compile":
                how = used.get(names.get(id(node)), {"fullmatch", "search"})
            where = f"{path.relative_to(SOURCES)}:{node.lineno}"
            yield from ((where, node.args[0].value, each) for each in how & set(CALLS))


def characters(tree):
    """Characters that parts of a pattern take."""
    for kind, value in tree:
        name = str(kind)
        if name == "LITERAL":
            yield chr(value)
        elif name in ("NOT_LITERAL", "ANY"):
            yield from "a0 "
        elif name == "IN":
            yield from "a0 " if str(value[0][0]) == "NEGATE" else of_class(value)
        elif "REPEAT" in name:
            yield from characters(value[2])
        elif name == "SUBPATTERN":
            yield from characters(value[3])
        elif name == "BRANCH":
            yield from itertools.chain.from_iterable(map(characters, value[1]))


def of_class(parts):
    for kind, value in parts:
        if str(kind) == "CATEGORY":
            yield OF_CLASSES[str(value)]
        else:
            yield chr(value[0] if str(kind) == "RANGE" else value)


def beginning(tree):
    """A short text that the pattern takes, or nearly."""
    text = ""
    for kind, value in tree:
        name = str(kind)
        if "REPEAT" in name:
            text += beginning(value[2]) * max(1, value[0])
        elif name == "SUBPATTERN":
            text += beginning(value[3])
        elif name == "BRANCH":
            text += beginning(value[1][0])
        else:
            text += next(iter(characters([(kind, value)])), "")
    return text


def texts(pattern):
    tree = parser.parse(pattern)
    known = sorted(set(characters(tree)))[:10]
    pumps = [*known, *map("".join, itertools.permutations(known, 2))]
    for pump, first, count in itertools.product(pumps, ("", beginning(tree)), (18, 24, 3000)):
        yield first + pump * count + "!\0"


@pytest.fixture(autouse=True)
def uncollected():
    """Of thousands of matches the garbage is collected, which takes longer than they do."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def slowest(pattern, call):
    """Seconds of the slowest text, and the text; the first that takes too long ends the search."""
    worst = (0.0, "")
    function = getattr(re.compile(pattern), {"sub": "search", "subn": "search"}.get(call, call))
    for text in texts(pattern):
        given = text.encode("latin-1", "replace") if isinstance(pattern, bytes) else text
        begin = time.process_time()
        found = function(given)
        if call in ("finditer", "sub", "subn"):
            found = list(re.finditer(pattern, given))
        del found
        worst = max(worst, (time.process_time() - begin, text))
        if worst[0] > IN_TIME_S:
            break
    return worst


@pytest.mark.parametrize(
    ("pattern", "call"),
    [(r"[-+\d.,eE]*\d[-+\d.,eE]*", "fullmatch"), (r"(?:-?\d{1,18}|[(), ])+", "fullmatch"),
     (r"(\w+)=(\d[\d.]*)", "findall")],
)  # fmt: skip
def test_slow_ones_are_seen(pattern, call):
    # The first takes a tenth of a second here; there are faster machines.
    assert slowest(pattern, call)[0] > IN_TIME_S / 5


def test_no_pattern_tries_everything():
    slow = {}
    for where, pattern, call in patterns():
        if pattern in SHORT_TEXTS:
            continue
        seconds, text = slowest(pattern, call)
        if seconds > IN_TIME_S and slowest(pattern, call)[0] > IN_TIME_S:  # twice: no accident
            slow[where] = (pattern, call, text[:40])
    assert not slow
