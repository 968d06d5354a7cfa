import os
import subprocess
import sys

import pytest

from edgeq.analysis import doctor


def test_what_is_missing_comes_with_its_install_command():
    tool = doctor.Tool("no-such-program-here", "program", "nothing", "apt install it")
    (finding,) = doctor.check_installation([tool])
    assert not finding.found
    assert finding.install == "apt install it"


def test_the_command_lists_every_tool(cli):
    done = cli("doctor", "--json")
    assert done.code == 0
    assert {tool["name"] for tool in done.json["tools"]} == {tool.name for tool in doctor.TOOLS}
    numpy = next(tool for tool in done.json["tools"] if tool["name"] == "numpy")
    assert numpy["found"]
    assert numpy["version"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_marks_have_their_colours_on_a_terminal_and_nowhere_else(cli):
    assert "\nok  numpy " in cli("doctor").out
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", 0) as terminal, os.fdopen(theirs, "wb", 0) as there:
        command = [sys.executable, "-m", "edgeq", "doctor"]
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        with subprocess.Popen(command, stdout=there, env=environment) as running:
            there.close()
            shown = b"".join(iter(lambda: _read(terminal), b""))
        assert running.returncode == 0
    assert b"\x1b[32mok\x1b[0m  numpy " in shown


def _read(terminal):
    try:
        return terminal.read(4096)
    except OSError:  # how Linux says that nobody is on the other side any more
        return b""
