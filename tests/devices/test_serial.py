"""Boards on a serial port: QEMU behind a pseudo-terminal, a good line and a bad one."""

import os
import threading
import time
import tty

import numpy as np
import pytest

from edgeq.devices.base import CompileOptions
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from edgeq.inputs import xorshift_input
from tests.firmware.boards import bad_line, build, on_pty

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


@pytest.mark.parametrize("name", ["kws", "vww"])
def test_bytes_equal_the_host(name, models_folder, tmp_path):
    model = models_folder / f"{name}_int8.tflite"
    elf = build([model], tmp_path / name, BOARD, name=name)
    shape = {"kws": (1, 49, 10, 1), "vww": (1, 96, 96, 3)}[name]
    inputs = random_inputs(shape, 5)
    with on_pty(elf, BOARD) as port:
        found = outputs(f"serial:{port}", model, inputs)
    assert np.array_equal(found, outputs("c", model, inputs))


def test_profile_has_cycles_stack_and_arena(kws, cli):
    model, elf = kws
    with on_pty(elf, BOARD) as port:
        done = cli("profile", model, "--on", f"serial:{port}", "--json")
    assert done.code == 0, done.err
    assert done.json["cycles"] > 10_000
    assert done.json["memory_bytes"]["arena"] > 4_000
    assert 100 < done.json["memory_bytes"]["stack"] < 10_000


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
    from tests.firmware import boards

    boards.MACHINES["reset"] = [
        *boards.MACHINES[BOARD],
        "-qmp",
        f"unix:{monitor},server=on,wait=off",
    ]
    with on_pty(elf, "reset") as port:
        timer = threading.Timer(0.8, qmp_reset, [monitor])
        with open_device(f"serial:{port}").open(model, CompileOptions()) as session:
            timer.start()
            found = session.run([inputs])[0]
        timer.join()
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
