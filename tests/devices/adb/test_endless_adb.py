"""An adb, or a phone behind it, that talks without end: little is taken, one line is said."""

import os

import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.memory import peak_mb

READY = 'case "$*" in devices) printf "List of devices attached\\nX\\tdevice\\n"; exit;; esac\n'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("cat /dev/zero", "adb does not come to an end"),
        ("yes List of devices attached", "adb does not come to an end"),
        ("cat /dev/zero >&2", "adb does not come to an end"),
        (READY + "cat /dev/zero", "it does not come to an end"),
        (READY + "yes no shell >&2", "it does not come to an end"),
        ("seq -f 'D%.0f\tdevice' 60000", "and 59,949 more"),
        ("printf 'x\\nX'; head -c 400000 /dev/zero | tr '\\0' '\\033'", "attached: none"),
        ("printf 'x\\nA\t'; head -c 400000 /dev/zero | tr '\\0' '\\033'", "attached: adb:A"),
    ],
)
def test_an_endless_answer(models, tmp_path, monkeypatch, script, said):
    program = tmp_path / "adb"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def ask():
        with pytest.raises(EdgeqError) as caught:
            open_device("adb:X").open(models / "ad01_int8.tflite", CompileOptions())
        assert said in str(caught.value)
        assert len(str(caught.value)) < 20_000

    assert peak_mb(ask) < 100
