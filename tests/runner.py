"""Runs the command line in this process and gives back what a shell would see."""

import json
from dataclasses import dataclass

from edgeq.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout and stderr of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def make_runner(capsys):
    """A function that runs `edgeq ARGS...`."""

    def run_command(*args):
        capsys.readouterr()
        code = 0
        try:
            main([str(arg) for arg in args])
        except SystemExit as done:
            code = int(done.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_command
