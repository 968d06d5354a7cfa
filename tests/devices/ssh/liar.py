"""Stands in for a program of a device: honest until a place, where it tells something else.

Usage: liar.py PLACE LIE [ARGUMENTS of the program]. Runs on the device of the tests.
"""

import os
import re
import signal
import subprocess
import sys
import time

PLACE, LIE, *ARGUMENTS = sys.argv[1:]
ANSWERS = {"run": "measured", "result": "outputs"}


def tell(event: str = "", number: int = 0) -> None:
    signal.alarm(15)  # so that no liar outlives its test by much
    while LIE == "endless":
        os.write(1, b"a" * 65536)
    while LIE == "trickle":
        os.write(1, b"a")
        time.sleep(0.2)
    while LIE == "sip":
        os.read(0, 1)
        time.sleep(0.2)
    while LIE == "nothing":
        time.sleep(1)
    text = LIE % (event, number) if "%" in LIE else LIE
    os.write(1, text.encode() + b"\n")
    if PLACE == "push":
        while os.read(0, 1 << 16):
            pass
    else:
        time.sleep(15)


def main() -> None:
    if PLACE == "push":
        if ARGUMENTS:  # the probe looks at files
            os.execv("/bin/cat", ["cat", *ARGUMENTS])
        tell()
    if not any(word.endswith(".pyz") for word in ARGUMENTS):
        os.execv(sys.executable, [sys.executable, *ARGUMENTS])
    agent = subprocess.Popen([sys.executable, *ARGUMENTS], stdout=subprocess.PIPE)
    for line in agent.stdout:
        if line.startswith(b'{"event":"%s"' % ANSWERS[PLACE].encode()):
            agent.kill()
            tell(ANSWERS[PLACE], int(re.search(rb'"id":(\d+)', line)[1]))
        os.write(1, line)


main()
