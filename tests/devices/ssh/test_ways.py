"""Jump hosts and proxy commands, to a real sshd and as OpenSSH takes them."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edgeq.devices.address import parse_address
from edgeq.devices.ssh import transport
from edgeq.devices.ssh.config import resolve, settings_for
from edgeq.errors import EdgeqError
from tests.tools import need


def say(config, word="hello"):
    """What `echo` says over a connection that the configuration describes."""
    link = transport.connect(resolve(parse_address(f"ssh://device?config={config}")))
    try:
        process = link.start(f"echo {word}")
        return process.read().decode().strip()
    finally:
        link.close()


def error_of(config, alias="device"):
    begin = time.monotonic()
    with pytest.raises(EdgeqError) as caught:
        transport.connect(settings_for(alias, config))
    assert time.monotonic() - begin < 5
    return str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        "nc %h %p",
        "exec nc %h %p",
        "nc 2>/dev/null %h $((%p + 0)) # to the lab",
        'sh -c \'exec nc "$0" "$1"\' %h %p',
        "nc -N %h %p | cat",  # without -N, nc outlives OpenSSH
    ],
)
def test_a_proxy_command_goes_through_the_users_shell(server, command, monkeypatch):
    need(shutil.which("nc"), "nc (netcat-openbsd)")
    monkeypatch.setenv("SHELL", "/bin/sh")
    config = server.write_config(name="by_command", more=f"  ProxyCommand {command}\n")
    if not command.startswith("exec"):  # OpenSSH puts a second exec in front of that
        words = ["ssh", "-F", config, "device", "echo hello"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "hello"
    assert say(config) == "hello"


@pytest.mark.parametrize("rest", ["", " | cat", " | cat | cat"])
def test_its_process_ends_with_the_connection(server, tmp_path, rest):
    need(shutil.which("nc"), "nc (netcat-openbsd)")
    command = f"sh -c 'echo $$ >{tmp_path}/pid; exec nc %h %p'{rest}"
    config = server.write_config(name="ends", more=f"  ProxyCommand {command}\n")
    assert say(config) == "hello"
    number = (tmp_path / "pid").read_text().strip()
    end = time.monotonic() + 5  # an orphan is gone when init has noticed
    while Path(f"/proc/{number}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{number}").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program %h", "status 127: .*no-such-program"),
        ("/etc/passwd", "status 126"),
        ("true", "status 0: it said nothing"),
        ("sh -c \"echo '\033[31mred' >&2; exit 3\"", r"status 3: \\x1b\[31mred"),
    ],
)
def test_a_proxy_command_that_fails_says_so(server, command, told, monkeypatch, capfd):
    monkeypatch.setenv("SHELL", "/bin/sh")
    config = server.write_config(name="broken", more=f"  ProxyCommand {command}\n")
    text = error_of(config)
    assert "The ProxyCommand ended with" in text
    assert re.search(told, text), text
    assert "\033" not in capfd.readouterr().err


def test_a_shell_that_does_not_exist(server, monkeypatch):
    monkeypatch.setenv("SHELL", "/no/such/shell")
    config = server.write_config(name="no_shell", more="  ProxyCommand nc %h %p\n")
    assert "does not start: No such file" in error_of(config)


def test_a_proxy_command_gets_no_password(server, tmp_path, monkeypatch):
    need(shutil.which("nc"), "nc (netcat-openbsd)")
    monkeypatch.setenv("EDGEQ_SSH_PASSWORD", "correct horse")
    monkeypatch.setenv("EDGEQ_SSH_PASSPHRASE", "battery staple")
    config = server.write_config(
        name="secret", more=f"  ProxyCommand sh -c 'env >{tmp_path}/env; exec nc %h %p'\n"
    )
    assert say(config) == "hello"
    assert "PATH=" in (tmp_path / "env").read_text()
    assert "EDGEQ_SSH" not in (tmp_path / "env").read_text()


def test_a_user_whose_name_is_a_command(tmp_path):
    config = tmp_path / "config"
    config.write_text(f"Host *\n  ProxyCommand touch {tmp_path}/%r\n")
    with pytest.raises(EdgeqError, match="no SSH destination"):
        settings_for("$(id>x)@device", config)


@pytest.mark.parametrize("jump", ["hop", "ssh://{user}@hop:{port}", "{user}@127.0.0.1:{port}"])
def test_jump_hosts(server, jump):
    jump = jump.format(user=server.user, port=server.port)
    keys = (
        f"  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.folder}/id\n  UserKnownHostsFile {server.folder}/known_hosts."
        f"{server.port}\n"
    )
    config = server.write_config(
        name="jumping",
        more=f"  ProxyJump {jump}\nHost hop\n{keys}Host 127.0.0.1\n{keys}",
    )
    assert say(config) == "hello"


def loop_of_openssh(config, alias):
    words = ["ssh", "-F", config, alias, "true"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("alias", ["device", "bastion"])
def test_everything_over_the_bastion_and_the_bastion_too(tmp_path, alias):
    config = tmp_path / "config"
    config.write_text("Host *\n  ProxyJump bastion\n")
    assert "jumphost loop via bastion" in loop_of_openssh(config, alias)
    text = error_of(config, alias)
    assert "jump host loop: " in text
    assert "bastion over bastion" in text
    assert "ProxyJump none" in text


def test_a_longer_loop(tmp_path):
    config = tmp_path / "config"
    config.write_text("Host a\n  ProxyJump b\nHost b\n  ProxyJump c\nHost c\n  ProxyJump a\n")
    assert "jump host loop: a over b over c over a" in error_of(config, "a")
