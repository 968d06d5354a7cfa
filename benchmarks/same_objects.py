"""A compiler launcher that compiles the same sources with the same flags once.

    CMAKE_C_COMPILER_LAUNCHER="python;-I;-S;same_objects.py;CACHE" cmake ...

What is the same: the source, every header that it may include, and the flags in any order, but for
folders and what changes no code (warnings, debug information, lists of dependencies).
"""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def seen(source: Path, headers: "dict[str, Path]") -> "list[bytes]":
    """The texts of a source and of what it includes, in a fixed order."""
    waiting, names, texts = [source], {source.name}, []
    while waiting:
        texts.append(waiting.pop().read_bytes())
        for found in INCLUDE.findall(texts[-1]):
            name = found.decode().rpartition("/")[2]
            if name in headers and name not in names:
                names.add(name)
                waiting.append(headers[name])
    return texts


def main() -> int:
    cache, command = Path(sys.argv[1]), sys.argv[2:]
    if "-c" not in command:
        return os.spawnvp(os.P_WAIT, command[0], command)
    source = Path(command[command.index("-c") + 1])
    made = Path(command[command.index("-o") + 1])
    folders = [Path(word[2:]) for word in command if word.startswith("-I")]
    headers = {file.name: file for folder in folders for file in folder.rglob("*.h")}
    named = {command.index(flag) + 1 for flag in ("-c", "-o", "-MF", "-MT") if flag in command}
    flags = {
        word
        for position, word in enumerate(command)
        if position not in named and not word.startswith(("-I", "-W", "-M", "-g", "-c", "-o"))
    }
    flags -= {command[0]}
    compiler = shutil.which(command[0]) or command[0]
    digest = hashlib.sha256(" ".join([compiler, *sorted(flags)]).encode())
    for text in seen(source, headers):
        digest.update(b"\0" + text)
    known = cache / digest.hexdigest()
    if not known.exists():
        quick = [word for word in command if word != "-g" and not word.startswith("-W")]
        status = os.spawnvp(os.P_WAIT, quick[0], quick)
        if status:
            return status
        scratch = known.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, scratch)
        scratch.replace(known)
        return 0
    shutil.copyfile(known, made)
    if "-MF" in command:
        Path(command[command.index("-MF") + 1]).write_text(f"{made}:\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
