"""Reads ssh_config files as OpenSSH reads them; `ssh -G` is the oracle of the tests.

Two things are different on purpose: `Match exec` starts no program and never applies, and keywords
that edgeq does not obey are passed over, whatever their arguments.

Source: openssh-portable 9.2, readconf.c (process_config_line_depth, match_cfg_line) and misc.c
(strdelim, argv_split).
"""

from __future__ import annotations

import glob
import os
import re
import socket
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeq.devices.ssh.patterns import matches
from edgeq.errors import EdgeqError
from edgeq.support.folders import home, user_name

_INCLUDE_DEPTH = 16  # READCONF_MAX_DEPTH
_BLANKS = " \t\r\n\f"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FLAGS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}

Options = dict[str, list[str]]


def read_options(alias: str, user: str = "", config: Path | None = None) -> Options:
    """The options that apply to a host: arguments by keyword in lower case, checked.

    A keyword's first line wins; only `identityfile` collects the arguments of all.

    Args:
        alias: The host's name as the user typed it.
        user: The user of the destination, for `Match user`.
        config: A file to read instead of ~/.ssh/config and /etc/ssh/ssh_config.

    Raises:
        EdgeqError: The file named by `config` does not exist, or a line cannot be understood.
    """
    if config is not None and not config.is_file():
        raise EdgeqError(f"'{config}' is no SSH configuration file.")
    own = home() / ".ssh" / "config"
    files = [config] if config else [own, Path("/etc/ssh/ssh_config")]
    reader = _Reader(alias, alias, user)
    for final in (False, True):
        reader.final = final
        for path in files:
            if path.is_file():
                reader.read(path, own.parent, guarded=path == own)
        if not reader.wants_final:
            break
        # As OpenSSH does, which has the name when it reads the files again: it stays.
        reader.host = reader.hostname()
        reader.found["hostname"] = [reader.host.replace("%", "%%")]
    return reader.found


@dataclass
class _Reader:
    """One reading of the files for one host.

    Attributes:
        host: What `Host` lines are compared with.
        alias: The name as the user typed it.
        final: Whether this is the second pass, which `Match final` asks for.
    """

    host: str
    alias: str
    user: str
    found: Options = field(default_factory=dict)
    final: bool = False
    wants_final: bool = False
    _place: str = ""
    _active: bool = True
    _never: bool = False  # inside a file that is included where nothing applies

    def hostname(self) -> str:
        """The host's real name as far as it is known now."""
        name = self.found.get("hostname", ["%h"])[0]
        return expand(name, {"h": self.host, "%": "%"})

    def read(self, path: Path, folder: Path, *, guarded: bool, depth: int = 0) -> None:
        """Read one file.

        Args:
            path: The file.
            folder: Where relative names of included files start.
            guarded: Whether a file that others may change is refused.
            depth: Of inclusion.
        """
        if guarded:
            _check_owner(path)
        if path.is_relative_to("/etc/ssh"):
            folder = Path("/etc/ssh")
        outer = self._active if depth else True
        self._active = outer
        try:
            lines = path.read_text(errors="replace").split("\n")
        except OSError as error:
            raise EdgeqError(f"'{path}' cannot be read: {error.strerror}.") from None
        for number, line in enumerate(lines, 1):
            self._place = f"{path}, line {number}"
            if "\0" in line or line.startswith("\ufeff"):
                raise self._wrong("it is no text, or begins with a byte order mark")
            keyword, rest = _keyword(line.rstrip(_BLANKS))
            if keyword == "include":
                self._include(self._words(rest), folder, depth)
            elif keyword:
                self._obey(keyword, rest)
        self._active = outer

    def _include(self, words: Sequence[str], folder: Path, depth: int) -> None:
        if depth + 1 >= _INCLUDE_DEPTH:
            raise self._wrong("too many files that include each other")
        active, never, place = self._active, self._never, self._place
        for word in words:
            pattern = os.path.expanduser(word)  # noqa: PTH111  (a pattern, no path yet)
            whole = pattern if pattern.startswith("/") else f"{folder}/{pattern}"
            for name in sorted(glob.glob(whole)):  # noqa: PTH207  (absolute pattern)
                if not Path(name).is_file():
                    continue
                self._active, self._never = active, never or not active
                self.read(Path(name), folder, guarded=True, depth=depth + 1)
                self._place = place
        self._active, self._never = active, never

    def _obey(self, keyword: str, rest: str) -> None:
        if keyword == "host":
            patterns = self._words(rest)
            self._active = not self._never and matches(self.host, patterns)
        elif keyword == "match":
            applies = self._match(rest)
            self._active = not self._never and applies
        elif keyword in _READERS:
            values = _READERS[keyword](self, rest)
            if not self._active:
                return
            if keyword == "proxyjump" and "proxycommand" in self.found:
                return  # even where that is none
            if keyword == "identityfile":
                known = self.found.setdefault(keyword, [])
                known += [value for value in values if value not in known]
            else:
                self.found.setdefault(keyword, values)

    def _match(self, rest: str) -> bool:
        """Whether a `Match` line applies."""
        result, count = True, 0
        while True:
            word, rest = _strdelim(rest, equals=True)
            if not word or word.startswith("#"):
                break
            wanted = not word.startswith("!")
            name = word.removeprefix("!").lower()
            if name == "all":
                more, _ = _strdelim(rest, equals=True)
                if count > 1 or (more and not more.startswith("#")):
                    raise self._wrong("'all' stands alone in a Match")
                return result and wanted
            count += 1
            if name in ("canonical", "final"):
                self.wants_final |= name == "final"
                result &= self.final == wanted
                continue
            patterns, rest = _strdelim(rest, equals=True)
            if not patterns or patterns.startswith("#"):
                raise self._wrong(f"Match {name} lacks its argument")
            result &= self._criterion(name, patterns, wanted=wanted)
        if not count:
            raise self._wrong("Match lacks its criteria")
        return result

    def _criterion(self, name: str, patterns: str, *, wanted: bool) -> bool:
        if name == "exec":
            return False  # reading a file must not start programs
        subjects: dict[str, tuple[Callable[[], str], bool]] = {
            "host": (self.hostname, True),
            "originalhost": (lambda: self.alias, True),
            "user": (lambda: self.user or self.found.get("user", [user_name()])[0], False),
            "localuser": (user_name, False),
        }
        if name not in subjects:
            raise self._wrong(f"'{name}' is no criterion of Match that edgeq knows")
        subject, lower = subjects[name]
        value = subject()
        if lower:
            value, patterns = value.lower(), patterns.lower()
        return matches(value, patterns.split(",")) == wanted

    def _words(self, rest: str) -> list[str]:
        words = _argv(rest)
        if words is None:
            raise self._wrong("a quotation mark is missing")
        if not words or "" in words:
            raise self._wrong("an argument is missing")
        return words

    def one(self, rest: str) -> str:
        """The only argument of a line."""
        words = self._words(rest)
        if len(words) > 1:
            raise self._wrong(f"'{words[1]}' is one argument too many")
        return words[0]

    def _wrong(self, what: str) -> EdgeqError:
        return EdgeqError(
            f"The SSH configuration cannot be read: {what}.", self._place,
            "ssh -G HOST shows what OpenSSH makes of it",
        )  # fmt: skip

    # What each keyword takes.

    def text(self, rest: str) -> list[str]:
        """Any text."""
        return [self.one(rest)]

    def texts(self, rest: str) -> list[str]:
        """One text or more; `none` stands alone."""
        words = self._words(rest)
        if len(words) > 1 and any(word.lower() == "none" for word in words):
            raise self._wrong("'none' stands alone")
        return words

    def command(self, rest: str) -> list[str]:
        """The line as it is: a shell will read it."""
        if not rest:
            raise self._wrong("an argument is missing")
        return [rest.lstrip(_BLANKS + "=")]

    def hops(self, rest: str) -> list[str]:
        """`[user@]host[:port]` or `ssh://...`, separated by commas; blanks and # end them."""
        found = re.match(r"[\s=]*([^\s#]+)", rest)
        if not found or not all(re.fullmatch(r"[^\s\"']+", hop) for hop in found[1].split(",")):
            raise self._wrong(f"'{rest.strip()}' is no ProxyJump")
        return found[1].split(",")

    def flag(self, rest: str) -> list[str]:
        """Yes or no, in the words that ssh takes for them."""
        word = self.one(rest)
        if word.lower() not in _FLAGS:
            raise self._wrong(f"'{word}' is neither yes nor no")
        return [_FLAGS[word.lower()]]

    def number(self, rest: str) -> list[str]:
        """A whole number."""
        word = self.one(rest)
        if not re.fullmatch(r"\+?\d{1,9}", word, re.ASCII):
            raise self._wrong(f"'{word}' is no number")
        return [str(int(word))]

    def port(self, rest: str) -> list[str]:
        """A port, by number or by name."""
        word = self.one(rest)
        if re.fullmatch(r"\d{1,5}", word, re.ASCII):
            value = int(word)
        else:
            try:
                value = socket.getservbyname(word, "tcp")
            except OSError:
                raise self._wrong(f"'{word}' is no number of a port") from None
        if not 0 < value < 65536:
            raise self._wrong(f"port {value} is not between 1 and 65535")
        return [str(value)]

    def seconds(self, rest: str) -> list[str]:
        """One of ssh's time formats, such as 90 or 1m30s; `none` is 0."""
        word = self.one(rest)
        if word.lower() == "none":
            return ["0"]
        parts = re.findall(r"(\d{1,9})([smhdw]?)", word.lower(), re.ASCII)
        if not parts or "".join(number + unit for number, unit in parts) != word.lower():
            raise self._wrong(f"'{word}' is no time")
        return [str(sum(int(number) * _SECONDS[unit] for number, unit in parts))]


_READERS: dict[str, Callable[[_Reader, str], list[str]]] = {
    "hostname": _Reader.text,
    "user": _Reader.text,
    "port": _Reader.port,
    "hostkeyalias": _Reader.text,
    "identityfile": _Reader.text,
    "identityagent": _Reader.text,
    "identitiesonly": _Reader.flag,
    "userknownhostsfile": _Reader.texts,
    "globalknownhostsfile": _Reader.texts,
    "proxyjump": _Reader.hops,
    "proxycommand": _Reader.command,
    "connecttimeout": _Reader.seconds,
    "serveraliveinterval": _Reader.seconds,
    "serveralivecountmax": _Reader.number,
}


def expand(text: str, tokens: dict[str, str]) -> str:
    """A text with ssh's `%` tokens replaced.

    Raises:
        EdgeqError: It has one that does not stand in `tokens`.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise EdgeqError(f"'{text}' in the SSH configuration has an unknown token {match[0]}.")
        return tokens[match[1]]

    return re.sub(r"%(.?)", value, text)


def _check_owner(path: Path) -> None:
    """Refuse a file that others may change: it says which programs are started."""
    if os.name != "posix":
        return
    found = path.stat()
    if found.st_uid not in (0, os.getuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EdgeqError(
            "Others may change this SSH configuration.", str(path), f"chmod 600 '{path}'"
        )


def _keyword(line: str) -> tuple[str, str]:
    """A line's keyword in lower case and the rest of it; "" for a blank line or a comment."""
    word, rest = _strdelim(line.lstrip(_BLANKS), equals=True)
    if word is None or word.startswith("#"):
        return "", ""
    return word.lower(), rest.lstrip(_BLANKS)


def _strdelim(text: str, *, equals: bool = False) -> tuple[str | None, str]:
    """The first word and what follows it; None where a quotation mark is missing."""
    end = re.search(r'[\s"=]' if equals else r'[\s"]', text)
    if end is None:
        return text, ""
    head, rest = text[: end.start()], text[end.end() :]
    if end[0] == '"':
        inside, mark, rest = rest.partition('"')
        return (head + inside, rest.lstrip(_BLANKS)) if mark else (None, "")
    rest = rest.lstrip(_BLANKS)
    if equals and end[0] != "=" and rest.startswith("="):
        rest = rest[1:].lstrip(_BLANKS)
    return head, rest


def _argv(text: str) -> list[str] | None:
    """Words as a shell would have them, up to a comment; None where a quotation mark is missing."""
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        word, at = _argument(text, at)
        if word is None:
            return None
        words.append(word)
    return words


def _argument(text: str, at: int) -> tuple[str | None, int]:
    word, quote = "", ""
    while at < len(text):
        letter = text[at]
        following = text[at + 1 : at + 2]
        if letter == "\\" and (following in ("'", '"', "\\") or (not quote and following == " ")):
            word += following
            at += 1
        elif not quote and letter in " \t":
            break
        elif not quote and letter in "'\"":
            quote = letter
        elif letter == quote:
            quote = ""
        else:
            word += letter
        at += 1
    return (None if quote else word), at
