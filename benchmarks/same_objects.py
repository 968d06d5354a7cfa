"""A compiler launcher that compiles the same sources with the same flags once.

    CMAKE_C_COMPILER_LAUNCHER="python;-I;-S;same_objects.py;CACHE" cmake ...

Projects that differ in their folder alone, or in a file that this one does not see, get the object
that was made before. What is the same: the source, every header that it may include, and the
command line but for the project's folder and what changes no code (warnings, debug information).
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
    cache = Path(sys.argv[1])
    command = [word for word in sys.argv[2:] if word != "-g" and not word.startswith("-W")]
    if "-c" not in command:
        return os.spawnvp(os.P_WAIT, command[0], command)
    source = Path(command[command.index("-c") + 1])
    made = Path(command[command.index("-o") + 1])
    folders = [Path(word[2:]) for word in command if word.startswith("-I")]
    project = os.path.commonpath([source, *folders]) if folders else str(source.parent)
    headers = {file.name: file for folder in folders for file in folder.rglob("*.h")}
    digest = hashlib.sha256(" ".join(command).replace(project, "@").encode())
    for text in seen(source, headers):
        digest.update(b"\0" + text)
    known = cache / digest.hexdigest()
    if not known.exists():
        status = os.spawnvp(os.P_WAIT, command[0], command)
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
