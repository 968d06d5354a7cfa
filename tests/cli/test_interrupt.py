"""Ctrl-C at random moments: no traceback, nothing half-written, no temporary files left."""

import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.tools import need

MOMENTS = 4


def start(arguments, folder):
    """The command in a process group of its own, with Ctrl-C as a terminal sends it."""
    (folder / "tmp").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "edgeq", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
        preexec_fn=as_a_terminal_has_it,
    )


def as_a_terminal_has_it():
    """What runs the tests may ignore these signals (nohup does), and children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def files(folder):
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*")}


@pytest.mark.parametrize("command", ["compile", "deploy"])
def test_ctrl_c(models, tmp_path, command):
    model = models / "ad01_int8.tflite"
    arguments = {
        "compile": ["compile", model, "--target", "nucleo-f446re", "--project", "bare-metal"],
        "deploy": ["deploy", model, "--on", "c", "-n", "2"],
    }[command]
    begin = time.monotonic()
    process = start([*arguments, "-o", tmp_path / "whole"], tmp_path)
    assert process.wait(120) == 0, process.stderr.read()
    took_s = time.monotonic() - begin
    chance = random.Random(command)
    for number in range(MOMENTS):
        output = tmp_path / str(number) / "out"
        output.parent.mkdir()
        process = start([*arguments, "-o", output], tmp_path)
        try:
            process.wait(chance.uniform(0.3, took_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        said = "".join(process.communicate(timeout=60))
        assert process.returncode in (0, 130, -signal.SIGINT), said
        assert "Traceback" not in said
        assert {file.name for file in output.parent.iterdir()} <= {"out"}
        if output.exists():  # the command was done but for its last words
            assert files(output).keys() == files(tmp_path / "whole").keys()
        assert not list((tmp_path / "tmp").glob("edgeq-*"))


def test_ctrl_c_while_the_command_line_is_imported(tmp_path):
    """At the first import of click, which stands for any."""
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "edgeq", "targets"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_while_c_code_imports(models):
    """NumPy's extension modules print what came and raise an ImportError in its place."""
    code = f"""
import builtins, os, signal, sys
usual, sent = builtins.__import__, []
def importing(name, globals=None, locals=None, fromlist=(), level=0):
    by_c = isinstance(fromlist, list) and "numpy.linalg" in sys.modules
    if by_c and "multiarray" in name and not sent:
        sent.append(True)
        os.kill(os.getpid(), signal.SIGINT)
    return usual(name, globals, locals, fromlist, level)
builtins.__import__ = importing
sys.argv = ["edgeq", "inspect", {str(models / "ad01_int8.tflite")!r}]
from edgeq.__main__ import main
try:
    main()
finally:
    assert sent, "nothing was interrupted"
"""
    done = ended(code)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr == "Interrupted; nothing half-written was left behind.\n"


def test_an_interrupt_in_a_destructor_is_not_lost():
    code = """
import os, signal, time
from edgeq.cli.shared.interrupt import always_interruptible
class Closed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # here Python takes the signal, and raises what nobody gets
            pass
always_interruptible()
try:
    Closed()
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = ended(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def ended(code):
    """A program of Python's that has ended."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, timeout=50, preexec_fn=as_a_terminal_has_it,
    )  # fmt: skip


@pytest.mark.parametrize(("how", "said"), [("except BaseException", ""), ("finally", "cleaned\n")])
def test_an_interrupt_that_a_library_swallows_comes_again(how, said):
    """A command went on to its end; what is cleaned up after one is not disturbed."""
    code = f"""
import os, signal, time
from edgeq.cli import main as command_line
def command(**_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    {how}:
        if {how == "finally"}:
            time.sleep(3)
            print("cleaned")
    time.sleep(30)
    print("went on")
command_line.cli.main = command
command_line.main([])
"""
    done = ended(code)
    assert (done.returncode, done.stdout) == (130, said), done.stderr
    assert done.stderr == "Interrupted; nothing half-written was left behind.\n"


def test_the_code_is_130_wherever_it_came(tmp_path):
    """In text that was executed, too, as dataclasses are made: Python died of the signal then."""
    (tmp_path / "interrupted.py").write_text(
        "from edgeq.cli import main\n"
        "main._run = lambda args: exec('raise KeyboardInterrupt')\n"
        "main.main([])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "Interrupted; nothing half-written was left behind.\n"


def test_a_closed_terminal_leaves_no_temporary_files(models, tmp_path):
    process = start(
        ["deploy", models / "ad01_int8.tflite", "--on", "c", "-o", tmp_path / "d"], tmp_path
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "tmp").glob("edgeq-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    said = "".join(process.communicate(timeout=60))
    assert (process.returncode, "Traceback" in said) == (130, False), said
    assert not list((tmp_path / "tmp").glob("edgeq-*"))
    assert not (tmp_path / "d").exists()


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_build(models, tmp_path):
    """The compiler's processes end too, and the next build is a whole one."""
    for tool in ("cmake", "arm-none-eabi-gcc"):
        need(shutil.which(tool), tool)
    project = tmp_path / "project"
    words = [
        "compile",
        models / "ad01_int8.tflite",
        "-t",
        "nucleo-f446re",
        "--project",
        "bare-metal",
    ]
    assert start([*words, "-o", project], tmp_path).wait(120) == 0
    begin = time.monotonic()
    assert start(["build", project], tmp_path).wait(300) == 0
    took_s = time.monotonic() - begin
    image = next(project.glob("build/*.elf")).read_bytes()
    chance = random.Random("build")
    for _ in range(MOMENTS // 2):
        shutil.rmtree(project / "build")
        process = start(["build", project], tmp_path)
        try:
            process.wait(chance.uniform(0.4, took_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        said = "".join(process.communicate(timeout=60))
        assert process.returncode in (0, 130, -signal.SIGINT), said
        assert "Traceback" not in said
        assert not left_in(project)
    assert start(["build", project], tmp_path).wait(300) == 0
    assert next(project.glob("build/*.elf")).read_bytes() == image


def left_in(folder):
    """Processes that still work in a folder or name it, after a moment to end in."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if str(folder) in (entry / "cmdline").read_text() + str((entry / "cwd").readlink()):
                    found.append(entry)
            except OSError:
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("c", signal.SIGINT),
        ("local", signal.SIGTERM),
        ("sim:cortex-m4", signal.SIGINT),
        ("c", signal.SIGHUP),
        ("tflm", signal.SIGINT),
        ("tflm", signal.SIGTERM),
    ],
)
def test_a_model_that_never_ends_can_be_ended(tmp_path, address, sent):
    if address == "tflm":  # which does not let go of Python's lock
        need(importlib.util.find_spec("tflite_micro"), "the package tflite-micro")
    (tmp_path / "endless.tflite").write_bytes(endless())
    np.save(tmp_path / "x.npy", np.ones((1, 4), np.int32))
    paths = [tmp_path / "endless.tflite", "--input", tmp_path / "x.npy"]
    output = ["--output", tmp_path / "y.npy"]
    process = start(["run", *paths, *output, "--on", address], tmp_path)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(2.0)  # in the loop, or on the way there: both have to end
        process.send_signal(sent)
    assert process.wait(1) in (130, -sent)
    assert "Traceback" not in process.stderr.read()
    assert not (tmp_path / "y.npy").exists()


def endless():
    """A model with a loop that goes on while its counter, which stands still, is below 1."""
    one = TensorSpec((1,), "int32", data=[1])
    value, counter = TensorSpec((1, 4), "int32"), TensorSpec((1,), "int32")
    carried = [counter, value]
    test = [*carried, one, TensorSpec((1,), "bool")]
    options = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    zero = TensorSpec((1,), "int32", data=[0])
    return build(
        [
            SubgraphSpec(
                [zero, value, counter, value], [OpSpec("WHILE", [0, 1], [2, 3], options)], [1], [3]
            ),
            SubgraphSpec(test, [OpSpec("LESS", [0, 2], [3])], [0, 1], [3]),
            SubgraphSpec([*carried, value], [OpSpec("ADD", [1, 1], [2])], [0, 1], [0, 2]),
        ]
    )
