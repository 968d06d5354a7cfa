"""Runs a page of the documentation as a reader would: writes its files, types its commands.

A fenced block with a title is a file. In a `console` block, lines that begin with "$ " are typed
into one shell that lives as long as the page; the lines below one are what it must print. A line
"..." stands for any lines, "..." at the end of a line for its rest. Numbers may differ by a tenth,
since training and timing do from machine to machine; all other words may not.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r'^( *)```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^\1```$', re.M | re.S
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass
class Step:
    """One command of a page, and the lines that it must print."""

    command: str
    expected: list[str]


def steps(page: str) -> list[Step | tuple[str, str]]:
    """The commands, and the files as (name, text), of a page in their order."""
    found: list[Step | tuple[str, str]] = []
    for block in _BLOCK.finditer(page):
        text = textwrap.dedent(block["text"])
        if block["title"]:
            found.append((block["title"], text))
        elif block["kind"] == "console":
            found += _commands(text)
    return found


def _commands(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:].split("   #")[0].rstrip(), []))
        else:
            found[-1].expected.append(line)
    return found


class Shell:
    """One bash for a whole page."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._heard = (folder / ".heard").open("w+b")
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=self._heard,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | environment,
            start_new_session=True,
        )

    def type(self, command: str, timeout_s: float = 300) -> str:
        """What a command prints, on both streams. One that ends with & is given a second."""
        start = self._heard.seek(0, os.SEEK_END)
        done = self.folder / ".done"
        done.unlink(missing_ok=True)
        wait = "\nsleep 1" if command.endswith("&") else ""
        self._bash.stdin.write(f"{command}{wait}\necho $? >.code; mv .code .done\n".encode())
        self._bash.stdin.flush()
        with subprocess.Popen(
            ["bash", "-c", f"while ! test -e {done}; do sleep 0.02; done"]
        ) as waiter:
            waiter.wait(timeout_s)
        self._heard.seek(start)
        said = self._heard.read().decode()
        code = int(done.read_text())
        assert code == 0, f"$ {command}\n{said}\nexit code {code}"
        return said

    def close(self) -> None:
        """End the shell and all that it started."""
        os.killpg(self._bash.pid, 9)
        self._bash.wait()
        self._heard.close()


def run(page: Path, folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a page in a folder; an AssertionError shows the first command that does not hold."""
    shell = Shell(folder, environment or {})
    terminals: dict[str, str] = {}
    try:
        for step in steps(page.read_text()):
            if isinstance(step, tuple):
                (folder / step[0]).parent.mkdir(parents=True, exist_ok=True)
                (folder / step[0]).write_text(step[1])
                continue
            command = step.command
            for shown, real in terminals.items():
                command = command.replace(shown, real)
            said = shell.type(command)
            terminals |= _terminals(step.expected, said)
            for shown, real in terminals.items():
                said = said.replace(real, shown)
            missing = first_difference(step.expected, said.splitlines())
            assert missing is None, f"$ {command}\n{said}\nnot printed: {missing}"
    finally:
        shell.close()


def _terminals(expected: list[str], said: str) -> dict[str, str]:
    """Names of pseudo-terminals, as the page shows them and as they are."""
    shown = re.findall(r"/dev/pts/\d+", "\n".join(expected))
    return dict(zip(shown, re.findall(r"/dev/pts/\d+", said), strict=False))


def first_difference(expected: list[str], said: list[str]) -> str | None:
    """The first expected line that was not printed where it should have been; None if all were."""
    said = [line for line in said if line.strip()]
    here, anywhere = 0, False
    for line in (line for line in expected if line.strip()):
        if line.strip() == "...":
            anywhere = True
            continue
        stop = len(said) if anywhere else here + 1
        hit = next((i for i in range(here, min(stop, len(said))) if alike(line, said[i])), None)
        if hit is None:
            return line
        here, anywhere = hit + 1, False
    return None


def alike(expected: str, said: str) -> bool:
    """Whether two lines are the same but for spaces and a tenth of each number."""
    words = " ".join(expected.split())
    if rest := words.endswith("..."):
        words = words[:-3].rstrip()
    pattern = _NUMBER.sub(lambda n: f"({_NUMBER.pattern})", _escaped(words))
    found = re.match(pattern + ("" if rest else "$"), " ".join(said.split()))
    if found is None:
        return False
    return all(
        abs(_value(theirs) - _value(ours)) <= 0.1 * abs(_value(theirs))
        for theirs, ours in zip(_NUMBER.findall(words), found.groups(), strict=True)
    )


def _escaped(text: str) -> str:
    # re.escape leaves digits, commas and points of numbers to be found again.
    parts = _NUMBER.split(text)
    numbers = [*_NUMBER.findall(text), ""]
    return "".join(re.escape(part) + number for part, number in zip(parts, numbers, strict=True))


def _value(text: str) -> float:
    return float(text.replace(",", ""))
