"""What is printed cannot steer the terminal, whoever wrote it."""

import os
import subprocess
import sys

import pytest
from rich.table import Table

from edgeq.support.terminal import console, say
from edgeq.support.text import line_problem, lines_of, visible, visible_line, whole_number

ATTACKS = {
    "\x1b]0;title\x07": "\\x1b]0;title\\x07",
    "\x1b[2J": "\\x1b[2J",
    "\x9b2J": "\\x9b2J",
    "a\u202eb": "a\\u202eb",
    "\u2066x": "\\u2066x",
    "\r": "\\r",
    "\x08": "\\x08",
    "\u2028": "\\u2028",
    "\udcff": "\\udcff",
    "\U000e0041": "\\U000e0041",
    "Größe µ 日本": "Größe µ 日本",
    "می\u200cروم \U0001f469\u200d\U0001f52c": "می\u200cروم \U0001f469\u200d\U0001f52c",
    "a\u200db": "a\\u200db",  # between letters that nothing joins
    "\u200cم": "\\u200cم",
}


@pytest.mark.parametrize(("text", "shown"), ATTACKS.items())
def test_visible(text, shown):
    assert visible(text) == shown
    assert visible("a\n\tb" + text) == "a\n\tb" + shown
    assert visible_line("a\nb" + text) == "a\\nb" + shown


def test_lines_end_where_other_programs_end_them():
    assert lines_of("a\nb\r\nc\rd") == ["a", "b", "c", "d"]
    assert lines_of("a\n\nb\n") == ["a", "", "b"]
    assert lines_of("") == [] and lines_of("\n") == [""]
    odd = "one\u2028two\x85three\x0bfour\x0cfive\x1csix"
    assert len(odd.splitlines()) == 6 and lines_of(odd + "\n") == [odd]


@pytest.mark.parametrize(("text", "shown"), ATTACKS.items())
def test_every_way_to_print(capsys, text, shown):
    say(text)
    say(text, err=True)
    console().print(text)
    console(err=True).print(f"[bold]{text}[/nothing]")  # brackets in a name are no markup
    table = Table("name", box=None)
    table.add_row(text)
    console().print(table)
    out, err = capsys.readouterr()
    assert [line.strip() for line in out.splitlines()] == [shown, shown, "name", shown]
    assert [line.strip() for line in err.splitlines()] == [shown, f"[bold]{shown}[/nothing]"]


def test_a_terminal_without_utf_8():
    code = "from edgeq.cli.main import main; main(['inspect', '日.tflite'])"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 1
    assert b"\\u65e5.tflite" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream(closed):
    """Nobody reads what is printed there; the command does its work all the same."""
    command = f"exec {sys.executable} -m edgeq targets nucleo-f446re {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert done.returncode == 0
    assert done.stderr == b""
    assert (b"nucleo-f446re" in done.stdout) == (closed in ("2>&-", "<&-"))


def test_short_lines():
    assert not line_problem("NUCLEO-F446RE, 180 MHz")
    for bad in ("", " ", "a\nb", "\u202e", "x" * 300, 3, None, ["a"]):
        assert line_problem(bad)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), (" 12\n", 12), ("9" * 19, int("9" * 19)), ("9" * 5000, None), ("-1", None),
     ("", None), ("1.5", None), ("٣", None), ("1_0", None), ("²", None)],
)  # fmt: skip
def test_whole_numbers_of_a_device(text, value):
    assert whole_number(text) == value


def test_progress_is_plain_where_stderr_is_no_terminal(capsys):
    from edgeq.support.progress import track

    assert list(track([1, 2], "\x1b[2J")) == [1, 2]
    assert capsys.readouterr() == ("", "")
