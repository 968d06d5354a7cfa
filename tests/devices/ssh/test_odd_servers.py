"""Servers that start no shell, one program at a time, or other shells than most; and dropbear."""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time

import paramiko
import pytest

from edgeq.boards.levels import best_here
from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import ProfileOptions
from edgeq.devices.power.opening import _shell as power_shell
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.devices.ssh.faults import TOOLS
from tests.tools import need


def error_of(address, model, in_time_s=5.0):
    begin = time.monotonic()
    with pytest.raises(EdgeqError) as caught:
        open_device(address).open(model, CompileOptions()).close()
    assert time.monotonic() - begin < in_time_s
    return str(caught.value)


def login_script(folder, words):
    """What a server runs in place of each command: some words first, then the command."""
    path = folder / "login"
    path.write_text(f'#!/bin/sh\n{words}\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "command", ["internal-sftp", "/bin/false", "/usr/sbin/nologin", "/bin/cat", "echo welcome"]
)
def test_a_server_that_starts_no_shell(make, models, command, monkeypatch):
    monkeypatch.setattr("edgeq.devices.remote.shell._MOMENT_S", 2.0)
    server = make(f"ForceCommand {command}")
    text = error_of(server.address, models / "kws_int8.tflite")
    assert "There is no POSIX shell on the device" in text
    assert "ForceCommand" in text


GREETINGS = {
    "a line": "echo Welcome to my Pi",
    "half a line": "printf 'Pi> '",
    "marks": "echo @@root; echo /etc; printf '@@cached\\n@@ready'",
    "all marks": "echo @@ready; echo @@edgeq; echo @@:edgeq; echo @@root; echo /etc; echo @@done 7",
    "much": "head -c 60000 /dev/zero | tr '\\\\0' x",
}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_a_login_script_that_prints(make, models, greeting, tmp_path):
    """bash reads ~/.bashrc before commands, too; what it prints there comes before each answer."""
    login = login_script(tmp_path, GREETINGS[greeting])
    server = make(f"ForceCommand {login}")
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.pushed_bytes > 5_000_000
        assert session.profile(ProfileOptions(runs=3, ops=False)).latency_us.n == 3
    for path in (server.home / ".cache" / "edgeq").iterdir():
        assert path.name.startswith(openssh.sha256(path))
    with power_shell(open_device(server.address), parse_address(server.address)) as shell:
        assert shell("echo 1500000; echo 2") == "1500000\n2\n"


def test_a_login_that_takes_long(make, models, tmp_path, cli):
    """What OpenSSH waits for was a lost connection, whatever the configuration said."""
    login = login_script(tmp_path, "sleep 4")
    server = make(f"ForceCommand {login}")
    server.write_config(more="  ServerAliveInterval 1\n  ServerAliveCountMax 3\n")
    text = error_of(server.address, models / "kws_int8.tflite", 30.0)
    assert "nothing came from the device for 3 s; where a login takes longer" in text
    login_script(tmp_path, "sleep 10")
    server.write_config(more="  ServerAliveInterval 10\n")
    done = cli("devices", "probe", server.address)
    assert done.code == 0, done.err


def test_a_login_script_that_never_ends(make, models, tmp_path, monkeypatch):
    """It lets the first command through, and talks on in the second, which takes files."""
    login = login_script(tmp_path, f"mkdir {tmp_path}/once 2>/dev/null || exec yes Welcome")
    text = error_of(make(f"ForceCommand {login}").address, models / "kws_int8.tflite", 60.0)
    assert "goes on talking instead of taking a file" in text
    assert "~/.bashrc" in text


def test_what_a_login_script_leaves_running_keeps_no_push(make, models, tmp_path):
    """It holds the channel's output open behind the program that has taken a file."""
    login = login_script(tmp_path, "sleep 60 &")
    server = make(f"ForceCommand {login}")
    server.write_config(more="  ServerAliveInterval 1\n  ServerAliveCountMax 2\n")
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.pushed_bytes > 5_000_000


@pytest.mark.parametrize("shell", ["sh", "bash -l", "bash --noprofile"])
def test_a_shell_in_the_place_of_each_command(make, models, shell, monkeypatch):
    """It reads the probe from its stdin as `sh` does; and it obeyed the bytes of models."""
    asked = []
    monkeypatch.setattr("edgeq.devices.remote.push._adopt", asked.append)
    text = error_of(make(f"ForceCommand {shell}").address, models / "kws_int8.tflite")
    assert "does not run the commands that it is given" in text
    assert not asked


def test_a_shell_in_the_place_of_the_second_command(make, models, tmp_path):
    """Of a login script that behaves well the first time only: nothing of a file is sent to it."""
    login = login_script(
        tmp_path, f"mkdir {tmp_path}/once 2>/dev/null || exec cat >{tmp_path}/sent"
    )
    text = error_of(make(f"ForceCommand {login}").address, models / "kws_int8.tflite", 30.0)
    assert "something else than the command that takes a file" in text
    assert (tmp_path / "sent").read_bytes() == b""


def test_a_cache_folder_that_is_relative_is_passed_over(make, models):
    """As the specification of that variable says; what was pushed lay somewhere else."""
    device = make(environment="XDG_CACHE_HOME=rel")
    with open_device(device.address).open(models / "kws_int8.tflite", CompileOptions()):
        pass
    assert (device.folder / "home" / ".cache" / "edgeq").is_dir()
    assert not (device.folder / "home" / "rel").exists()


def test_a_login_script_that_talks_on_beside_the_work(make, models, tmp_path, monkeypatch):
    """Each of its words was a sign of life: nothing was waited for any longer."""
    monkeypatch.setattr("edgeq.devices.remote.push._TAKEN_S", 1.0)
    login = login_script(tmp_path, "(while :; do echo noise; sleep 0.3; done) &")
    text = error_of(make(f"ForceCommand {login}").address, models / "kws_int8.tflite", 30.0)
    assert "goes on talking instead of taking a file" in text


@pytest.mark.parametrize("agent", ["python", "native"])
def test_one_session_at_a_time(make, models, agent):
    """Files go through the session that is open already."""
    server = make("MaxSessions 1")
    model = models / "kws_int8.tflite"
    address = f"{server.address}&agent={agent}"
    with open_device(address).open(model, CompileOptions()) as session:
        assert session.pushed_bytes > 5_000_000
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
    for path in (server.home / ".cache" / "edgeq").iterdir():
        assert path.name.startswith(openssh.sha256(path))
    with open_device(address).open(model, CompileOptions()) as session:
        assert session.pushed_bytes == 0
    assert server.wait_until_idle(5) == []


def test_one_session_at_a_time_with_busybox(make, models, tmp_path):
    """Its `head` reads more than it was asked for, if there is more."""
    need(shutil.which("busybox"), "busybox")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*TOOLS, "head"):
        (folder / name).symlink_to(shutil.which("getconf" if name == "getconf" else "busybox"))
    server = make("MaxSessions 1", environment=f"PATH={folder}")
    with open_device(server.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        assert session.pushed_bytes > 5_000_000
        assert session.profile(ProfileOptions(runs=5, ops=False)).latency_us.n == 5
    for path in (server.home / ".cache" / "edgeq").iterdir():
        assert path.name.startswith(openssh.sha256(path))


def test_one_session_at_a_time_and_no_space(make, models, tmp_path):
    """What was not taken of a file is never obeyed as if it was a command."""
    need(os.geteuid() == 0, "root, to mount a file system")
    small = tmp_path / "small"
    small.mkdir()
    server = make("MaxSessions 1")
    model = tmp_path / "script.tflite"
    model.write_bytes((f"touch {tmp_path}/obeyed\n" * 300_000).encode())
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "edgeq-test", small], check=True)
    try:
        from edgeq.devices.remote import facts, push, shell
        from edgeq.devices.remote.artifacts import artifact

        link = open_device(server.address).connect(None)
        talk = shell.Shell(link)
        found = facts.read_facts(talk.probe(f"{small}/edgeq", {}))
        with pytest.raises(EdgeqError, match="no space"):
            push._append(link, talk, artifact(model, ".tflite"), f"{found.root}/x.part", 0)
        link.close()
        time.sleep(0.5)
        assert not (tmp_path / "obeyed").exists()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_generated_c_takes_no_delegate_and_one_thread(make, models):
    model = models / "kws_int8.tflite"
    server = make()
    for delegate in ("gpu", "xnnpack", "reference"):
        text = error_of(f"{server.address}&runtime=c&delegate={delegate}", model)
        assert f"generated C takes no delegate, '{delegate}' was asked for" in text
    text = error_of(f"{server.address}&runtime=c&threads=4", model)
    assert "one thread, 4 were asked for" in text
    for more in ("", "&delegate=none"):
        with open_device(f"{server.address}&runtime=c{more}").open(
            model, CompileOptions()
        ) as session:
            found = session.profile(ProfileOptions(runs=5))
            with pytest.raises(EdgeqError, match="one thread, 2 were asked for"):
                session.profile(ProfileOptions(runs=5, extra={"threads": 2}))
        assert found.device["delegate"] == "none"
        assert found.environment["delegate"]["asked"] == "none"


def test_generated_c_says_which_level_ran(make, models):
    """The server is this machine, so its best level is this one's."""
    server = make()
    for options, level in (
        (CompileOptions(), best_here().name),
        (CompileOptions(dispatch=True), best_here().name),
        (CompileOptions(isa="portable"), "portable"),
    ):
        with open_device(f"{server.address}&runtime=c").open(
            models / "ad01_int8.tflite", options
        ) as session:
            found = session.profile(ProfileOptions(runs=3, warmup=1, ops=False))
        assert (found.device["isa"], found.device["threads"]) == (level, 1)


def test_lists_of_cores(make, models, cli):
    model = models / "kws_int8.tflite"
    server = make()
    cores = sorted(os.sched_getaffinity(0))
    words = ["profile", model, "--on", server.address, "--no-ops", "-n", "3", "--json"]
    for text, wanted in (
        (f"{cores[0]}-{cores[-1]}", range(cores[0], cores[-1] + 1)),
        (f"{cores[0]}", [cores[0]]),
        (f"{cores[0]}-{cores[-1]}:{len(cores) + 1}", [cores[0]]),
    ):
        result = cli(*words, "--cpu", text)
        assert result.code == 0, result.err
        assert result.json["environment"]["affinity"] == list(wanted)
    for text in ("a", "0-", "1-0", "-1", "0-1:0", "0,,1", "0-99999", "9" * 5000, "0:2"):
        result = cli(*words, "--cpu", text)
        assert result.code == 2, result.err
        assert "no list of cores" in result.err
        with pytest.raises(EdgeqError, match="no list of cores"):
            open_device(f"{server.address}&cpu={text}")
    for agent in ("python", "native"):
        result = cli(*words[:3], f"{server.address}&agent={agent}", *words[4:], "--cpu", "99")
        assert result.code == 2
        assert "no core 99" in result.err
        assert ", ".join(map(str, cores)) in result.err


@pytest.mark.parametrize("agent", ["python", "native"])
def test_cores_that_the_process_may_not_have(make, models, agent):
    """A cpuset may hold fewer cores than are switched on; the kernel then says no."""
    server = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgeq.devices.remote.agent.check_cores", lambda *_: None)
        text = error_of(f"{server.address}&agent={agent}&cpu=1023", models / "kws_int8.tflite")
    assert "may not stay on" in text


def test_options_for_hosts_on_other_devices(models, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert cli("devices", "add", "board", "sim:cortex-m4").code == 0
    result = cli("profile", models / "kws_int8.tflite", "--on", "board", "--threads", "4")
    assert result.code == 2
    assert "--threads has no meaning on sim:cortex-m4" in result.err


class Mute(paramiko.ServerInterface):
    """Lets everybody in and opens channels, but never answers what should run there.

    Without a key or a password, as debug images of boards do.
    """

    def check_auth_none(self, username):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):
        return "password"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        time.sleep(20)
        return False


def test_a_server_that_does_not_answer_what_it_is_asked_to_start(make, models):
    """The kernel on the other side is well, so TCP notices nothing."""
    server = make()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            client, _ = listener.accept()
            transport = paramiko.Transport(client)
            transport.add_server_key(paramiko.PKey.from_path(server.folder / "host_ed25519"))
            with contextlib.suppress(paramiko.SSHException, EOFError):
                transport.start_server(server=Mute())

        threading.Thread(target=serve, daemon=True).start()
        config = server.write_config(
            listener.getsockname()[1], "mute", "  ServerAliveInterval 1\n  ServerAliveCountMax 2\n"
        )
        text = error_of(f"ssh://device?config={config}", models / "kws_int8.tflite")
    assert "nothing came from the device for 2 s" in text
