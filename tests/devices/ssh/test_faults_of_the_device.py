"""Devices that lack something, are full, are busy, or lie."""

import contextlib
import itertools
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.remote import artifacts
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.devices.ssh.faults import TOOLS
from tests.tools import need

IN_TIME_S = 10.0


@pytest.fixture
def tools(tmp_path):
    """A folder with the few programs that every Linux has, for a PATH without Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def script(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def error_of(address, model, in_time_s=IN_TIME_S):
    """The error that opening a model there gives, in time."""
    begin = time.monotonic()
    with pytest.raises(EdgeqError) as caught:
        open_device(address).open(model, CompileOptions()).close()
    assert time.monotonic() - begin < in_time_s
    return str(caught.value)


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    need(os.geteuid() == 0, "root, to mount a file system")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "edgeq-test", folder],
        capture_output=True, check=False,
    )  # fmt: skip
    need(done.returncode == 0, "the right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_refused(models):
    port = openssh.free_port()
    text = error_of(f"ssh://nobody@127.0.0.1:{port}", models / "kws_int8.tflite")
    assert "connection refused" in text


def test_unreachable(models):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = []
        for _ in range(3):  # the queue is full: further SYNs are dropped, as by a host that is off
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        text = error_of(f"ssh://nobody@127.0.0.1:{port}", models / "kws_int8.tflite")
        for client in waiting:
            client.close()
    assert "cannot be reached" in text


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 5000])
def test_something_else_listens(models, greeting):
    with socket.create_server(("127.0.0.1", 0)) as server:
        clients = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    clients.append(client)
                    client.sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        assert "SSH port" in error_of(f"ssh://x@127.0.0.1:{port}", models / "kws_int8.tflite")
        for client in clients:
            client.close()


def test_no_python_takes_the_agent_in_c(make, tools, models):
    server = make(environment=f"PATH={tools}")
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5)).environment["python"] is None
    text = error_of(server.address + "&agent=python", models / "kws_int8.tflite")
    assert "there is no Python on the device" in text


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_an_old_python(make, tools, models, version):
    found = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    need(found, f"Python {version} in ~/.pyenv")
    (tools / "python").symlink_to(found[0])
    server = make(environment=f"PATH={tools}")
    text = error_of(server.address + "&agent=python", models / "kws_int8.tflite")
    assert f"Python {version}" in text
    assert "3.7 is needed" in text
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5)).latency_us.n == 5


@pytest.mark.parametrize("version", ["3.7", "3.8", "3.13"])
def test_every_python_from_3_7_on(make, tools, models, version):
    found = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    need(found, f"Python {version} in ~/.pyenv")
    (tools / "python3").symlink_to(found[0])
    server = make(environment=f"PATH={tools}")
    address = server.address + "&agent=python"
    with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(runs=5))
    assert found.environment["python"].startswith(version)
    assert len(found.ops) == 13


def test_an_old_glibc_gets_generated_c(make, tools, models):
    script(tools / "getconf", "#!/bin/sh\necho glibc 2.31\n")
    server = make(environment=f"PATH={tools}")
    address = server.address + "&runtime=litert"
    assert "needs glibc 2.34, the device has glibc 2.31" in error_of(
        address, models / "kws_int8.tflite"
    )
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5)).device["runtime"] == "c"


def test_an_unknown_architecture(make, tools, models):
    script(tools / "uname", "#!/bin/sh\necho Linux 6.1 mips64\n")
    server = make(environment=f"PATH={tools}")
    text = error_of(server.address, models / "kws_int8.tflite")
    assert "no libLiteRt.so for mips64" in text
    assert "makes no programs for mips64" in text


def test_no_space(make, models, tmp_path):
    server = make()
    with mounted(tmp_path / "small", "size=6m") as folder:
        text = error_of(f"{server.address}&dir={folder}/edgeq", models / "kws_int8.tflite")
        assert "no space" in text
        assert list((folder / "edgeq").iterdir()) == []


def test_a_read_only_home_uses_another_folder(make, models, tmp_path):
    with mounted(tmp_path / "frozen", "ro") as home:
        server = make(environment=f"XDG_CACHE_HOME={home} TMPDIR={tmp_path}")
        address = server.address
        with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
            assert session.profile(ProfileOptions(runs=5)).latency_us.n == 5
        assert list(tmp_path.glob("edgeq-*/*.tflite"))
        assert "No folder on the device can be written to" in error_of(
            f"{address}&dir={home}/x", models / "kws_int8.tflite"
        )


def test_a_home_that_became_read_only(make, models, tmp_path):
    """As a worn SD card does, without a new start: the folder that was good is so no more."""
    with mounted(tmp_path / "card", "size=64m") as card:
        server = make(environment=f"XDG_CACHE_HOME={card} TMPDIR={tmp_path}")
        for name in ("kws", "vww"):
            with open_device(server.address).open(
                models / f"{name}_int8.tflite", CompileOptions()
            ) as session:
                assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
            subprocess.run(["mount", "-o", "remount,ro", card], check=True)
        assert len(list(card.glob("edgeq/*.tflite"))) == 1
        assert len(list(tmp_path.glob("edgeq-*/*.tflite"))) == 1


def test_a_noexec_folder(make, models, tmp_path):
    server = make()
    with mounted(tmp_path / "noexec", "noexec") as folder:
        text = error_of(f"{server.address}&dir={folder}/edgeq", models / "kws_int8.tflite")
        assert "mounted noexec" in text
        server = make(environment=f"XDG_CACHE_HOME={folder} TMPDIR={tmp_path}", folder="other")
        with open_device(server.address).open(
            models / "kws_int8.tflite", CompileOptions()
        ) as session:
            assert session.profile(ProfileOptions(runs=5)).latency_us.n == 5


@pytest.mark.parametrize("agent", ["python", "native"])
def test_two_at_once(make, models, agent, tmp_path, monkeypatch):
    """From several computers: those of one agree among themselves before they ask."""
    folders = (tmp_path / str(number) for number in itertools.count())
    monkeypatch.setattr("edgeq.devices.remote.turns.cache_dir", lambda: next(folders))
    server = make()
    address = f"{server.address}&agent={agent}"
    model = models / "kws_int8.tflite"
    with open_device(address).open(model, CompileOptions()) as first:
        results = []
        busy = threading.Thread(
            target=lambda: results.append(first.profile(ProfileOptions(seconds=4, ops=False)))
        )
        with (
            open_device(address + "&wait=0.5").open(model, CompileOptions()) as second,
            open_device(address + "&wait=60").open(model, CompileOptions()) as third,
        ):
            busy.start()
            time.sleep(1)
            with pytest.raises(EdgeqError, match=r"busy: process \d+ of user \d+ is measuring"):
                second.profile(ProfileOptions(runs=5))
            found = third.profile(ProfileOptions(runs=5))
            assert found.latency_us.n == 5
            busy.join()
    # What the first used while the third waited is no disturbance of the third's calls.
    states = found.environment
    assert states["after"]["monotonic_s"] - states["before"]["monotonic_s"] < 2
    assert states["waited_s"] > 1
    assert results[0].environment["waited_s"] < 1
    assert results[0].latency_us.n > 100


@pytest.mark.parametrize("agent", ["python", "native"])
def test_the_process_is_killed(make, models, agent):
    server = make()
    address = f"{server.address}&agent={agent}"
    with open_device(address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        children = [
            line.split()[0] for line in server.processes() if line.endswith((".pyz", ".bin"))
        ]
        threading.Timer(1.0, lambda: os.kill(int(max(children, key=int)), 9)).start()
        with pytest.raises(EdgeqError, match="killed on the device, most likely for want of"):
            session.profile(ProfileOptions(seconds=20))
        # The agent lives on, and starts a new process for the next command.
        assert session.profile(ProfileOptions(runs=5)).latency_us.n == 5


def test_wrong_data(make, models):
    server = make()
    model = models / "kws_int8.tflite"
    with (
        open_device(server.address).open(model, CompileOptions()) as session,
        pytest.raises(EdgeqError, match="of shape"),
    ):
        session.run([np.zeros((1, 7), np.int8)])


@pytest.mark.parametrize("agent", ["python", "native"])
def test_a_damaged_library(make, models, agent, tmp_path, monkeypatch):
    """The file that is brought along is no library: the device says so, no traceback comes."""
    server = make()
    address = f"{server.address}&agent={agent}"
    file = tmp_path / "libLiteRt.so"
    file.write_bytes(bytes(100_000))
    damaged = artifacts.artifact(file, ".so")
    monkeypatch.setattr(artifacts, "litert_library", lambda _: damaged)
    assert "could not load the model" in error_of(address, models / "kws_int8.tflite")


@pytest.mark.parametrize("name", ["it's $(touch pwned) `x`", "naïve ünïcode", '"quoted" & <odd>'])
def test_hostile_names(make, models, name, tmp_path):
    """Neither the model's name nor the folder on the device is ever read by a shell as code."""
    server = make()
    model = tmp_path / f"{name}.tflite"
    shutil.copy(models / "kws_int8.tflite", model)
    folder = tmp_path / name / "edgeq"
    from urllib.parse import quote

    address = f"{server.address}&dir={quote(str(folder))}"
    with open_device(address).open(model, CompileOptions()) as session:
        assert session.profile(ProfileOptions(runs=5)).latency_us.n == 5
    assert list(folder.glob("*.tflite"))
    assert not list(Path.cwd().glob("pwned"))
    assert not list(tmp_path.rglob("pwned"))


PROBE = """@@edgeq
@@boot
b
@@uname
Linux 6.1 x86_64
@@libc
glibc 2.36
@@cpuinfo /proc/cpuinfo
model name : \\033]0;owned\\007evil\\033[31m
@@folders
exec /tmp/nowhere
@@root
/tmp/nowhere
@@cached
@@ready
"""
LIES = {
    "endless line": "while :; do printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
    "endless lines": "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
    "binary": "cat /bin/sh",
    "nothing": "sleep 60",
    "ends at once": "exit 3",
    "complains in colour": "printf '\\033[31mred' >&2; exit 3",
    "lies about the push": f"printf '{PROBE}'; while read l; do echo '@@done 0'; done",
    "odd status": f"printf '{PROBE}'; while read l; do echo '@@done what'; done",
    "digits": "printf '@@edgeq\\n@@boot\\nb\\n@@uname\\nLinux 6.1 x86_64\\n'; "
    f"printf '@@libc\\nglibc {'9' * 5000}.36\\n@@online /sys/devices/system/cpu/online\\n0-'; "
    f"echo {'9' * 5000}; echo '@@meminfo /proc/meminfo'; echo 'MemTotal: {'9' * 5000} kB'; "
    f"echo '@@free'; echo '/dev/x 1 2 {'9' * 5000} 4% /'; echo '@@root'; echo /tmp/nowhere; "
    f"echo '@@cached'; echo '-rw 1 0 0 {'9' * 5000} x {'a' * 64}.tflite'; echo '@@python'; "
    f"echo path /x; echo 'version 3.{'9' * 5000}.1'; echo '@@ready'; "
    f"while read l; do echo '{'9' * 5000} 1 {'9' * 5000}'; echo '@@done {'9' * 5000}'; done",
    "paths": f"printf '{PROBE}'; while read l; do echo '../../etc/x ../y'; echo '@@done 0'; done",
}


@pytest.mark.parametrize("lie", LIES)
def test_hostile_answers(make, models, lie, tmp_path):
    liar = tmp_path / "liar"
    # The first line that it is told is the mark of this connection.
    lines = LIES[lie]
    if "@@" in lines:
        lines = f'read l; eval "$l"; {{\n{lines}\n}} | sed -u "s/^@@/@@$EDGEQ_MARK:/"'
    script(liar, f"#!/bin/sh\n{lines}\n")
    server = make(f"ForceCommand {liar}")
    before = sorted(Path.cwd().iterdir())
    text = error_of(server.address, models / "kws_int8.tflite")
    assert "\033" not in text
    assert sorted(Path.cwd().iterdir()) == before


BEFORE_HELLO = ("last words only",)
AGENT_LIES = {
    "not json": "echo hello",
    "not an object": "echo [1,2]",
    "wrong types": """echo '{"event":"loaded","id":1,"load_us":"x","input_dtypes":3}'""",
    "infinite": """echo '{"event":"loaded","id":1,"load_us":Infinity}'""",
    "other tensors": """echo '{"event":"loaded","id":1,"load_us":1,"delegate":"x","affinity":[],"""
    """"input_dtypes":["int8"],"input_shapes":[[9]],"output_dtypes":[],"output_shapes":[]}'""",
    "steering": """printf '{"event":"error","id":1,"kind":"load","text":"\\\\u001b[31mred"}\\n'""",
    "another id": """echo '{"event":"loaded","id":7}'""",
    "an old id": """while :; do echo '{"event":"loaded","id":0}'; sleep 0.1; done""",
    "beats only": """while :; do echo '{"event":"beat","monotonic_s":1,"wall_s":1}'; sleep 0.1;"""
    " done",
    "last words only": "while :; do echo '@@beat'; sleep 0.1; done",
    "another event": """echo '{"event":"measured","id":1}'""",
    "a long id": """echo '{"event":"loaded","id":%s}'""" % ("9" * 5000),
    "a long number": """echo '{"event":"loaded","id":1,"load_us":%s}'""" % ("9" * 400),
    "deep": """echo '{"event":"loaded","id":1,"x":%s}'""" % ("[" * 20_000 + "]" * 20_000),
    "odd signal": """echo '{"event":"error","id":1,"kind":"died","signal":[1],"text":{}}'""",
    "long signal": """echo '{"event":"error","id":1,"kind":"died","signal":%s}'""" % ("9" * 400),
    "bad beat": """echo '{"event":"beat","monotonic_s":"never"}'""",
}


@pytest.mark.parametrize("lie", AGENT_LIES)
def test_hostile_agents(make, tools, models, lie, tmp_path, monkeypatch):
    monkeypatch.setattr("edgeq.devices.remote.shell._START_S", 3.0)
    fake = tmp_path / "python"
    real = shutil.which("python3") or ""
    hello = "" if lie in BEFORE_HELLO else """echo '{"event":"hello"}'\nread watch; read load\n"""
    script(
        fake,
        f'#!/bin/sh\ncase "$*" in *import*) exec {real} "$@";; esac\n'
        f"{hello}{AGENT_LIES[lie]}\nsleep 20\n",
    )
    (tools / "python3").symlink_to(fake)
    server = make(environment=f"PATH={tools}")
    address = server.address + "&agent=python&patience=2&wait=0"
    text = error_of(address, models / "kws_int8.tflite", 6)
    assert "\033" not in text


def test_files_on_the_device_are_private(make, models):
    server = make()
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()):
        pass
    folder = server.home / ".cache" / "edgeq"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
