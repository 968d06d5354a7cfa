"""~/.ssh/config, as OpenSSH reads it: `ssh -G` is the oracle."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgeq.devices.ssh.config import matches, settings_for, split_destination
from edgeq.errors import EdgeqError, UsageError
from tests.tools import need

CONFIG = """
Include extra/*.conf
Host pi pi-*
  HostName 10.0.0.7
  User pi
  Port 2222
  IdentityFile ~/.ssh/id_%h
  IdentityFile "~/.ssh/id second"
Host !pi-2 pi-*
  ConnectTimeout=3
  ServerAliveInterval 1m30s
Host jumped
  ServerAliveInterval 5
  ServerAliveCountMax 2
  ProxyJump one@first:2201,second
  UserKnownHostsFile ~/.ssh/a ~/.ssh/b
Match host 10.0.0.7 user pi
  HostKeyAlias home
Host *.lab
  HostName %h.example.org
  ProxyCommand nc -X connect %h %p
Host *
  User nobody
  Port 22
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "one.conf").write_text("Host included\n  HostName inside\n  Port 99\n")
    path = tmp_path / "config"
    path.write_text(CONFIG.replace("Include extra", f"Include {tmp_path}/extra"))
    return path


@pytest.mark.parametrize("name", ["pi", "pi-2", "pi-3", "jumped", "box.lab", "included", "other"])
def test_it_agrees_with_openssh(config, name):
    need(shutil.which("ssh"), "ssh (openssh-client)")
    printed = subprocess.run(
        ["ssh", "-G", "-F", config, name], capture_output=True, text=True, check=True
    ).stdout
    theirs = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        theirs.setdefault(key, []).append(value)
    ours = settings_for(name, config)
    assert ours.host == theirs["hostname"][0]
    assert ours.port == int(theirs["port"][0])
    assert ours.user == theirs["user"][0]
    assert ours.key_alias == theirs.get("hostkeyalias", [""])[0]
    assert ",".join(ours.proxy_jump) == theirs.get("proxyjump", [""])[0]
    assert ours.alive_interval_s == int(theirs["serveraliveinterval"][0])
    assert ours.alive_count_max == int(theirs["serveralivecountmax"][0])
    if "connecttimeout" in theirs and theirs["connecttimeout"][0] != "none":
        assert ours.connect_timeout_s == float(theirs["connecttimeout"][0])
    if name.startswith("pi"):
        paths = [
            Path(each.replace("%h", ours.host)).expanduser() for each in theirs["identityfile"]
        ]
        assert list(ours.identity_files) == paths
    if name == "box.lab":
        assert ours.proxy_command == "nc -X connect box.lab.example.org 22"


def test_what_is_in_the_address_wins(config):
    ours = settings_for("me@pi:1234", config)
    assert (ours.user, ours.port, ours.host) == ("me", 1234, "10.0.0.7")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("host", ("", "host", None)),
        ("pi@host:22", ("pi", "host", 22)),
        ("pi@[fe80::1%eth0]:8022", ("pi", "fe80::1%eth0", 8022)),
        ("a@b@host", ("a@b", "host", None)),
    ],
)
def test_destinations(text, parts):
    assert split_destination(text) == parts


@pytest.mark.parametrize(
    "text", ["", "pi@", "host:0", "host:99999", "-oProxyCommand=x", "ho st", "a:b@host", "h/../x"]
)
def test_what_is_no_destination(text):
    with pytest.raises(UsageError):
        split_destination(text)


def test_a_missing_file(tmp_path):
    with pytest.raises(EdgeqError, match="no SSH configuration"):
        settings_for("host", tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Port x", "is no number"),
        ("ConnectTimeout 1x", "is no time"),
        ("ConnectTimeout s", "no time"),
    ],
)
def test_values_that_mean_nothing(tmp_path, line, text):
    path = tmp_path / "config"
    path.write_text(f"Host *\n  {line}\n")
    with pytest.raises(EdgeqError, match=text):
        settings_for("host", path)


def test_match_exec_is_never_run(tmp_path):
    path = tmp_path / "config"
    path.write_text(f'Match exec "touch {tmp_path}/ran"\n  Port 1\nHost *\n  Port 2\n')
    assert settings_for("host", path).port == 2
    assert not (tmp_path / "ran").exists()


def test_patterns():
    assert matches("pi.lab", ["*.lab"])
    assert matches("pi1", ["pi?"])
    assert not matches("pi10", ["pi?"])
    assert not matches("pi.lab", ["*.lab", "!pi.lab"])
    assert matches("a[b]", ["a[b]"])
