"""Boards on a serial port: QEMU behind a pseudo-terminal, a good line and a bad one."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import tty
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.model.inputs import xorshift_input
from edgeq.model.model_file import read_graph
from tests.firmware.boards import bad_line, build, on_pty
from tests.oracle.fuzz import generators

BOARD = "qemu-mps2-an386"


@pytest.fixture(scope="module")
def kws(models_folder, tmp_path_factory):
    model = models_folder / "kws_int8.tflite"
    return model, build([model], tmp_path_factory.mktemp("fw") / "kws", BOARD, name="kws")


@pytest.fixture(scope="module")
def models_folder(shared):
    return shared / "models" / "mlperf_tiny"


def random_inputs(shape, count):
    return np.stack([xorshift_input(shape, "int8", index) for index in range(count)])


def outputs(address, model, inputs):
    with open_device(address).open(model, CompileOptions()) as session:
        return session.run([inputs])[0]


@dataclass(frozen=True)
class Flashed:
    """A model, the image that holds it, and inputs with labels for it."""

    model: Path
    elf: Path
    data: Path
    inputs: Path


@pytest.fixture(scope="module", params=[("kws", (49, 10, 1), 12, 6), ("vww", (96, 96, 3), 2, 2)])
def flashed(request, models_folder, tmp_path_factory):
    name, shape, classes, count = request.param
    model, folder = models_folder / f"{name}_int8.tflite", tmp_path_factory.mktemp(name)
    x = random_inputs((1, *shape), count)
    np.save(folder / "x.npy", x)
    np.savez(folder / "xy.npz", x=x[:, 0], y=np.arange(count) % classes)
    elf = build([model], folder / "fw", BOARD, name=name)
    return Flashed(model, elf, folder / "xy.npz", folder / "x.npy")


def test_run_gives_the_bytes_of_the_host(flashed, cli, tmp_path):
    arguments = ["run", flashed.model, "--input", flashed.inputs, "--output"]
    with on_pty(flashed.elf, BOARD) as port:
        assert cli(*arguments, tmp_path / "board.npy", "--on", f"serial:{port}").code == 0
    assert cli(*arguments, tmp_path / "host.npy", "--on", "c").code == 0
    assert (tmp_path / "board.npy").read_bytes() == (tmp_path / "host.npy").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("SVDF int8", 4), ("LSTM int8", 1)])
def test_a_session_begins_with_the_initial_state(name, seed, tmp_path):
    """The board has that of its self-test, and of the session before."""
    model = tmp_path / "net.tflite"
    model.write_bytes(generators()[name](np.random.default_rng(seed), 2).model)
    first = read_graph(model).main.tensors[read_graph(model).main.inputs[0]]
    inputs = random_inputs(first.shape, 6)
    expected = outputs("c", model, inputs)
    with on_pty(build([model], tmp_path / "fw", BOARD, name="net"), BOARD) as port:
        for _ in range(2):
            assert np.array_equal(outputs(f"serial:{port}", model, inputs), expected)
        # A digest is that of the first call, however many are timed.
        assert len({digest(f"serial:{port}", model, runs) for runs in (3, 4)} | here(model)) == 1


def digest(address, model, runs):
    with open_device(address).open(model, CompileOptions()) as session:
        return session.profile(ProfileOptions(runs=runs, ops=False)).output_sha256


def here(model):
    return {digest(address, model, 3) for address in ("c", "sim:cortex-m4", "tflm")}


def test_verify_finds_equal_bytes(flashed, cli):
    arguments = ["verify", flashed.model, "--against", "c", "-n", 2, "--json"]
    with on_pty(flashed.elf, BOARD) as port:
        done = cli(*arguments, "--on", f"serial:{port}")
    assert done.code == 0, done.err
    assert done.json["equal"]
    assert done.json["compared"] == 4  # the two extremes, and two random inputs


def test_evaluate_gives_the_scores_of_the_host(flashed, cli):
    arguments = ["evaluate", flashed.model, "--data", flashed.data, "--json", "--on"]
    with on_pty(flashed.elf, BOARD) as port:
        done = cli(*arguments, f"serial:{port}", "--also-on", "c")
    assert done.code == 0, done.err
    here = cli(*arguments, "c").json
    assert done.json["also_on"]["equal"] == done.json["n"] == here["n"]
    assert (done.json["accuracy"], done.json["confusion"]) == (here["accuracy"], here["confusion"])


def test_profile_has_ops_stack_and_arena_and_says_that_nothing_real_was_measured(flashed, cli):
    with on_pty(flashed.elf, BOARD) as port:
        done = cli("profile", flashed.model, "--on", f"serial:{port}", "--json")
    assert done.code == 0, done.err
    found, here = done.json, cli("profile", flashed.model, "--on", "sim:cortex-m4", "--json").json
    assert found["output_sha256"] == here["output_sha256"]
    assert found["memory_bytes"]["arena"] == here["memory_bytes"]["arena"]
    # The board's stack holds the serial protocol's calls besides the model's.
    assert here["memory_bytes"]["stack"] < found["memory_bytes"]["stack"] < 2048
    assert [op["name"] for op in found["ops"]] == [op["name"] for op in here["ops"]]
    assert sum(op["share"] for op in found["ops"]) == pytest.approx(1)
    # QEMU's counter goes by its own clock, so the record must not look like a chip's.
    device = found["device"]
    assert (device["target"], device["cpu"], device["emulated"]) == (BOARD, "cortex-m4", True)
    assert found["cycles"] > 1000
    assert found["cycles_estimated"]
    assert found["kinds"]["cycles"] == found["kinds"]["memory_bytes.stack"] == "emulated"
    assert "nothing about the chip" in found["provenance"]["note"]
    assert found["latency_us"] is None
    assert "emulator" in found["warnings"][0]


# How many calls; 1,000 take some minutes.
CALLS = int(os.environ.get("EDGEQ_SERIAL_CALLS", "150"))


@pytest.mark.slow
def test_many_calls_over_a_line_that_damages_one_byte_in_a_hundred(kws):
    model, elf = kws
    inputs = random_inputs((1, 49, 10, 1), CALLS)
    expected = outputs("c", model, inputs)
    with (
        on_pty(elf, BOARD) as port,
        bad_line(port, 0.01) as line,
        open_device(f"serial:{line}").open(model, CompileOptions()) as session,
    ):
        found = session.run([inputs])[0]
        repeats = session._link.repeats
    assert np.array_equal(found, expected)
    assert repeats > CALLS // 10


def test_a_reset_in_the_middle_is_survived(kws, tmp_path):
    """The monitor's system_reset does to the image what a reset button does."""
    model, elf = kws
    inputs = random_inputs((1, 49, 10, 1), 60)
    monitor = tmp_path / "monitor"
    with on_pty(elf, BOARD, "-qmp", f"unix:{monitor},server=on,wait=off") as port:
        timer = threading.Timer(0.8, qmp_reset, [monitor])
        with open_device(f"serial:{port}").open(model, CompileOptions()) as session:
            timer.start()
            found = session.run([inputs])[0]
            timer.join()
            qmp_reset(monitor)
            session.reset()
            assert np.array_equal(session.run([inputs[:1]])[0], found[:1])
    assert np.array_equal(found, outputs("c", model, inputs))


def qmp_reset(path):
    import socket

    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        link.recv(4096)
        for command in ("qmp_capabilities", "system_reset"):
            link.sendall(b'{"execute": "%s"}' % command.encode())
            time.sleep(0.05)


def test_another_model_on_the_board_is_refused(kws, models_folder):
    _, elf = kws
    with on_pty(elf, BOARD) as port, pytest.raises(EdgeqError, match="it has kws"):
        open_device(f"serial:{port}").open(models_folder / "vww_int8.tflite", CompileOptions())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"ESP-ROM:esp32c3 boot:0xc\r\n", "Other firmware answers"),
        (bytes([0x80, 0xF8, 0xE0, 0x98]), "baud rate"),
        (b"", "says nothing"),
    ],
)
def test_whoever_else_answers_is_not_believed(kws, answer, message):
    model, _ = kws
    master, slave = os.openpty()
    tty.setraw(slave)
    stop = threading.Event()

    def talk():
        while not stop.wait(0.05):
            os.write(master, answer)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        with pytest.raises(EdgeqError) as caught:
            open_device(f"serial:{os.ttyname(slave)}?timeout=1").open(model, CompileOptions())
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert message in str(caught.value)


def test_a_port_that_is_not_there(kws):
    with pytest.raises(EdgeqError, match="There is no port"):
        open_device("serial:/dev/ttyNOTHING").open(kws[0], CompileOptions())


def test_a_port_that_is_in_use(kws):
    model, _ = kws
    import serial

    master, slave = os.openpty()
    device = open_device(f"serial:{os.ttyname(slave)}")
    with (
        serial.Serial(os.ttyname(slave), exclusive=True),
        pytest.raises(EdgeqError, match="in use"),
    ):
        device.open(model, CompileOptions())
    os.close(master)
    os.close(slave)


def test_monitor_shows_what_the_board_says(cli):
    master, slave = os.openpty()
    tty.setraw(slave)
    threading.Timer(0.3, os.write, [master, b"edgeq kws: self-test PASS\r\n"]).start()
    done = cli("monitor", os.ttyname(slave), "--seconds", "1.5")
    os.close(master)
    os.close(slave)
    assert "self-test PASS" in done.out


def test_of_a_board_that_never_stops_the_end_is_kept(cli, monkeypatch):
    """It took gigabytes, and went on for long after its time."""
    monkeypatch.setattr("edgeq.cli.flash._MOST_CHARACTERS", 10_000)
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    over = threading.Event()

    def flood():
        number = 0
        while not over.wait(0.001):
            try:
                number += os.write(master, b"%015d\n" % number) // 16
            except BlockingIOError:
                continue

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        done = cli("monitor", os.ttyname(slave), "--seconds", "3", "--json")
    finally:
        over.set()
        thread.join()
        os.close(master)
        os.close(slave)
    found = done.json
    lines = [int(line) for line in found["text"].splitlines()[1:-1]]
    assert len(found["text"]) <= 10_000
    assert lines == list(range(lines[0], lines[0] + len(lines)))
    # What came before the port was open is in neither.
    assert 10_000 < found["left_out_characters"] < 16 * lines[0]


@pytest.mark.parametrize("end", ["unplugged", "Ctrl-C"])
def test_what_a_monitor_has_heard_is_not_lost(end):
    """Both ended without the text; an unplugged board in a traceback."""
    master, slave = os.openpty()
    tty.setraw(slave)
    command = [sys.executable, "-m", "edgeq", "monitor", os.ttyname(slave), "--json"]
    with (
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # What starts the tests may ignore Ctrl-C, and what it starts would do so too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as running,
        ended(running),
    ):
        wait_until_open(running.pid, os.ttyname(slave))
        os.write(master, b"important\n")
        time.sleep(1)
        if end == "Ctrl-C":
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        os.close(slave)
        os.close(master)
        if end == "unplugged":
            out, err = running.communicate(timeout=60)
    assert json.loads(out)["text"] == "important\n"
    assert running.returncode == (1 if end == "unplugged" else 130)
    assert (b"The port is gone" in err) == (end == "unplugged")
    assert b"Traceback" not in err


@contextmanager
def ended(process):
    """Whatever happens, a process does not outlive the block."""
    try:
        yield
    finally:
        process.kill()


def wait_until_open(pid, port):
    """Wait until a process has a port open."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(os.path.realpath(link) == port for link in Path(f"/proc/{pid}/fd").glob("*")):
            return
        time.sleep(0.1)
    raise AssertionError(f"{port} is not opened")


def test_a_board_of_the_users_own_counts_its_own_cycles(kws, tmp_path, cli):
    """What is no emulated machine by its target file is believed to be a chip."""
    model, _ = kws
    text = load_target(BOARD).file.read_text()
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace(f'"{BOARD}"', '"my-board"').replace('"emulator"', '"board"'))
    elf = build([model], tmp_path / "fw", str(mine), name="kws")
    with on_pty(elf, BOARD) as port:
        done = cli("profile", model, "--on", f"serial:{port}", "--json", "--no-ops")
    assert done.code == 0, done.err
    device = done.json["device"]
    assert (device["target"], device["cpu"], device["emulated"]) == ("my-board", None, False)
    assert not done.json["cycles_estimated"]
    assert done.json["kinds"]["cycles"] == done.json["kinds"]["latency_us"] == "measured"
    assert done.json["provenance"]["note"] == ""
    assert done.json["latency_us"]["p50"] > 0
    assert done.json["warnings"] == done.json["ops"] == []


@pytest.mark.slow
def test_rows_of_a_model_that_runs_in_stripes(models_folder, tmp_path, cli):
    """Copies between stripes are steps of the plan, and no ops of the model."""
    model, ram = models_folder / "resnet_int8.tflite", CompileOptions("ram")
    elf = build([model], tmp_path / "fw", BOARD, options=ram)
    with on_pty(elf, BOARD) as port:
        done = cli("profile", model, "--on", f"serial:{port}", "--json")
    assert done.code == 0, done.err
    here = cli("profile", model, "--on", "sim:cortex-m4", "--optimize", "ram", "--json").json["ops"]
    rows = [(op["index"], op["op"], op["covers"]) for op in done.json["ops"]]
    assert rows == [(op["index"], op["op"], op["covers"]) for op in here]
    assert (-1, "COPY", []) in rows
