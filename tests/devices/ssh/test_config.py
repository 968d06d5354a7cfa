"""~/.ssh/config, as OpenSSH reads it: `ssh -G` is the oracle."""

import fnmatch
import hashlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgeq.devices.address import parse_address
from edgeq.devices.ssh.config import resolve, settings_for, split_destination
from edgeq.devices.ssh.hostkeys import read_known_keys
from edgeq.devices.ssh.patterns import matches
from edgeq.errors import EdgeqError, UsageError
from edgeq.support.folders import config_folder
from tests.tools import need

CONFIG = """
Include INSIDE/*.conf
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
    return write(tmp_path, CONFIG)


# What people write, and what OpenSSH 9.2 alone decides; every host is asked about in each file.
CORPUS = {
    "usual": CONFIG,
    "comments": """
Host pi
  Port 2222 # lab
  HostName x # lab
  User me#too
  ProxyJump jump # lab
  IdentityFile ~/.ssh/a # lab
  UserKnownHostsFile /k # lab
#Port 7
""",
    "equals": "Host=pi\nPort=2222\nHostName = x\nUser= me\nProxyJump=a:1,b\nConnectTimeout =1M30\n",
    "quotes": """
Host "pi" 'other'
  HostName "x"
  IdentityFile "/a b/c"
  IdentityFile /d\\ e
  IdentityFile '/f "g"'
  IdentityFile "/h\\"i"
  UserKnownHostsFile "/a b" /c '/d e'
  HostKeyAlias "na me"
""",
    "jump by URI": "Host *\n ProxyJump ssh://u@h:99\n",
    "jumps": "Host pi\n ProxyJump a,ssh://u@b:7,c@[::1]:8\nHost other\n ProxyJump none\n",
    "command then jump": "Host pi\n ProxyCommand nc %h %p # c\n ProxyJump x\n",
    "jump then command": "Host pi\n ProxyJump x\n ProxyCommand nc %h %p\n",
    "no command then jump": "Host pi\n ProxyCommand none\nHost *\n ProxyJump x\n",
    "no jump then command": "Host pi\n ProxyJump none\nHost *\n ProxyCommand x\n",
    "command kept whole": "Host pi\n ProxyCommand=ssh -o \"A B\" 'c' g | tee %r@%n  \n",
    "upper case": "HOST PI\n PORT 1\nhost pi\n pOrT 2\nHost Other\n HostName UP.Example\n",
    "negation": "Host !pi *\n Port 1\nHost p? !other\n Port 2\nHost !other\n Port 3\n",
    "patterns": "Host p*-? \n Port 1\nHost *.lab\n Port 2\nHost ??\n Port 3\n",
    "named port": "Host pi\n Port ssh\nHost other\n Port 0022\n",
    "tabs and carriage returns": "Host\tpi\r\n\tPort\t22022 \r\n\tHostName\tx\t\r\n",
    "before any host": "Port 9\nUser all\nHost pi\n Port 1\n User pi\n",
    "match": """
Match host pi,x !user nobody # c
  Port 3
Match originalhost *.lab user root
  Port 4
Match !host pi
  HostKeyAlias notpi
Match localuser root
  ConnectTimeout 5
Match all
  ServerAliveInterval 2m
""",
    "match with equals": """
Match host=pi
  Port 5
Match user = nobody host=pi
  Port 6
Match originalhost=other user=root
  HostKeyAlias UPPER.Case
Match !host=pi all
  ConnectTimeout 7
Match host pi all # c
  ServerAliveInterval 8
Match canonical all
  ServerAliveCountMax 9
Match final !all
  ServerAliveCountMax 10
""",
    "match on the real name": """
Host pi
  HostName real.Example
Match host real.*
  Port 5
Match originalhost real.*
  Port 6
""",
    "final": """
Match final
  Port 3
Match canonical
  ServerAliveCountMax 9
Match !final
  HostName later.org
Match host later.org
  ServerAliveInterval 3
Host later.org
  HostKeyAlias x
""",
    "a name that comes too late": """
Match final host pi,*.lab
  HostName late.example
  Port 3
""",
    "flags": "IdentityAgent none\nIdentitiesOnly TRUE\nHost pi\n IdentitiesOnly no\n",
    "agent": "IdentityAgent /tmp/agent\nIdentityFile none\nIdentityFile /x\nIdentityFile /x\n",
    "times": "ConnectTimeout none\nServerAliveInterval 1w2d\nServerAliveCountMax +4\n",
    "tokens": "Host pi\n HostName %h.example\nHost *\n HostName 10.%%.%h\n",
    "include": "Include INSIDE/*.conf\nHost pi\n Port 1\n Include INSIDE/*.inc\n User after\n",
    "include where nothing applies": "Host nobody\n Include INSIDE/*.inc\nHost *\n Port 5\n",
}
HOSTS = ("pi", "pi-2", "pi-3", "jumped", "box.lab", "included", "other", "PI", "later.org")
BROKEN = {
    "too much": "Host pi\n User a b\n",
    "no argument": "Host pi\n Port\n",
    "no host": "Host\n Port 4\n",
    "bad port": "Host nobody\n Port 22x\n",
    "port 0": "Host pi\n Port 0\n",
    "open quote": 'Host pi\n IdentityFile "/a\n',
    "all with others": "Match all host x\n Port 4\n",
    "all after two": "Match host x user y all\n Port 4\n",
    "denied twice": "Match !!host x\n Port 4\n",
    "byte order mark": "\ufeffHost pi\n Port 4\n",
    "match without": "Match host\n Port 4\n",
    "odd criterion": "Match weekday monday\n Port 4\n",
    "bad time": "ConnectTimeout 1x\n",
    "bad number": "ServerAliveCountMax many\n",
    "bad flag": "IdentitiesOnly perhaps\n",
    "empty": 'HostName ""\n',
}


def ask_openssh(config, name):
    """What `ssh -G` says: values by keyword."""
    need(shutil.which("ssh"), "ssh (openssh-client)")
    words = ["ssh", "-G", "-F", config, name]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def write(tmp_path, text):
    (tmp_path / "inside").mkdir(exist_ok=True)
    inner = "Host included\n  HostName inside\n  Port 99\n"
    (tmp_path / "inside" / "one.conf").write_text(inner)
    (tmp_path / "inside" / "two.inc").write_text("HostKeyAlias twice\nHost pi\n User inner\n")
    path = tmp_path / "config"
    path.write_text(text.replace("INSIDE", str(tmp_path / "inside")))
    return path


@pytest.mark.parametrize("case", CORPUS)
def test_it_agrees_with_openssh(tmp_path, case):
    config = write(tmp_path, CORPUS[case])
    for name in HOSTS:
        theirs = ask_openssh(config, name)
        ours = settings_for(name, config)
        assert ours.host == theirs["hostname"][0]
        assert ours.port == int(theirs["port"][0])
        assert ours.user == theirs["user"][0]
        assert ours.key_alias == theirs.get("hostkeyalias", [""])[0]
        assert ours.alive_interval_s == int(theirs["serveraliveinterval"][0])
        assert ours.alive_count_max == int(theirs["serveralivecountmax"][0])
        assert ours.connect_timeout_s == int(theirs["connecttimeout"][0].replace("none", "0"))
        assert ours.identities_only == (theirs["identitiesonly"][0] == "yes")
        jumps = theirs.get("proxyjump", ["none"])[0].split(",")
        wanted = [split_destination(jump) for jump in jumps if jump != "none"]
        assert [split_destination(jump) for jump in ours.proxy_jump] == wanted
        command = theirs.get("proxycommand", [""])[0].replace("none", "")
        for token, value in zip("hprn", (ours.host, ours.port, ours.user, ours.alias), strict=True):
            command = command.replace(f"%{token}", str(value))
        assert ours.proxy_command == command
        known = " ".join(theirs["userknownhostsfile"] + theirs["globalknownhostsfile"])
        assert " ".join(map(str, ours.known_hosts)) == known
        if "identityfile ~/.ssh/id_rsa" not in [
            f"identityfile {x}" for x in theirs["identityfile"]
        ]:
            paths = [
                Path(each.replace("%h", ours.host)).expanduser()
                for each in theirs["identityfile"]
                if each != "none"
            ]
            assert list(ours.identity_files) == paths
        agent = theirs.get("identityagent", [os.environ.get("SSH_AUTH_SOCK", "none")])[0]
        assert str(ours.agent).lower() == agent


@pytest.mark.parametrize("case", BROKEN)
def test_what_openssh_refuses(tmp_path, case):
    config = write(tmp_path, BROKEN[case])
    with pytest.raises(subprocess.CalledProcessError):
        ask_openssh(config, "pi")
    with pytest.raises(EdgeqError, match="SSH configuration cannot be read") as caught:
        settings_for("pi", config)
    assert f"{config}, line" in str(caught.value)


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
        ("ssh://a%40b@host", ("a@b", "host", None)),
    ],
)
def test_destinations(text, parts):
    assert split_destination(text) == parts


def test_addresses_with_encoded_users_and_zones(tmp_path):
    config = write(tmp_path, "Host 10.*\n  User nobody\n")
    ours = resolve(parse_address("ssh://pi%40lab@[fe80::1%lo]"), config)
    assert (ours.user, ours.host) == ("pi@lab", "fe80::1%lo")


@pytest.mark.parametrize(
    "text",
    [
        "", "pi@", "host:0", "host:99999", "-oProxyCommand=x", "ho st", "a:b@host", "h/../x",
        "$(touch x)@host", "a;b@host", "-l@host", "a\\@host", "`id`@host",
    ],
)  # fmt: skip
def test_what_is_no_destination(text):
    with pytest.raises(UsageError):
        split_destination(text)


def test_a_user_without_a_name(monkeypatch):
    """Containers run under numbers that the system knows nothing of."""

    def unknown(*_):
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert settings_for("pi@host").user == "pi"
    assert settings_for("host").user == str(os.getuid())
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    for call in (config_folder, lambda: settings_for("pi@host")):
        with pytest.raises(EdgeqError, match="no home folder"):
            call()


def test_a_missing_file(tmp_path):
    with pytest.raises(EdgeqError, match="no SSH configuration"):
        settings_for("host", tmp_path / "none")
    with pytest.raises(EdgeqError, match="no SSH configuration"):
        resolve(parse_address("ssh://host?config=~nobody-here/config"))


def test_match_exec_is_never_run(tmp_path):
    path = tmp_path / "config"
    path.write_text(f'Match exec "touch {tmp_path}/ran"\n  Port 1\nHost *\n  Port 2\n')
    assert settings_for("host", path).port == 2
    assert not (tmp_path / "ran").exists()


def test_a_file_that_others_may_change_is_refused(tmp_path):
    """It names programs to start. OpenSSH says the same of an included file."""
    config = write(tmp_path, "Include INSIDE/*.conf\n")
    (tmp_path / "inside" / "one.conf").chmod(0o666)
    with pytest.raises(subprocess.CalledProcessError):
        ask_openssh(config, "pi")
    with pytest.raises(EdgeqError, match="Others may change"):
        settings_for("pi", config)


def test_files_that_include_each_other(tmp_path):
    config = write(tmp_path, f"Include {tmp_path}/config\n")
    with pytest.raises(subprocess.CalledProcessError):
        ask_openssh(config, "pi")
    with pytest.raises(EdgeqError, match="include each other"):
        settings_for("pi", config)


def test_what_is_no_text(tmp_path):
    with pytest.raises(EdgeqError, match="it is no text"):
        settings_for("pi", write(tmp_path, "Host pi\n IdentityFile /a\0b\n"))


def test_paths_with_tokens_and_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEQ_TEST_PLACE", "/place")
    config = write(
        tmp_path,
        "Host pi\n HostName x\n Port 7\n User u\n"
        "IdentityFile ${EDGEQ_TEST_PLACE}/%h-%n-%p-%r-%%-%C\n"
        "UserKnownHostsFile ~/k-%k %d/l\n",
    )
    ours = settings_for("pi", config)
    here = socket.gethostname()
    digest = hashlib.sha1(f"{here}x7u".encode()).hexdigest()
    assert str(ours.identity_files[0]) == f"/place/x-pi-7-u-%-{digest}"
    assert ours.known_hosts[:2] == (Path.home() / "k-pi", Path.home() / "l")
    for line in ("IdentityFile /%Y", "IdentityFile ${EDGEQ_TEST_NOT_SET}/x"):
        with pytest.raises(EdgeqError, match=r"unknown token|is not set"):
            settings_for("pi", write(tmp_path, line + "\n"))


def test_patterns():
    assert matches("pi.lab", ["*.lab"])
    assert matches("pi1", ["pi?"])
    assert not matches("pi10", ["pi?"])
    assert not matches("pi.lab", ["*.lab", "!pi.lab"])
    assert matches("a[b]", ["a[b]"])
    # Each star more doubled the time once.
    assert not matches("a" * 60, ["*" * 40 + "z"])
    assert not matches("a" * 60, ["*a" * 30 + "b"])
    assert matches("a" * 60, ["*a" * 30])
    assert not matches("a", ["*" + "a" * 1_000_000])


@pytest.mark.parametrize("seed", range(4))
def test_patterns_are_those_of_the_shell(seed):
    random = np.random.default_rng(seed)
    for _ in range(3000):
        pattern, name = (
            "".join(random.choice(list(s), random.integers(0, 7))) for s in ("ab*?", "ab")
        )
        assert matches(name, [pattern]) == fnmatch.fnmatchcase(name, pattern), (name, pattern)


def test_known_hosts_that_are_no_files_are_passed_over(tmp_path):
    """A pipe was waited for, and a device filled the memory."""
    os.mkfifo(tmp_path / "pipe")
    line = f"UserKnownHostsFile {tmp_path}/pipe /dev/zero /dev/null\n"
    assert read_known_keys(settings_for("pi", write(tmp_path, line))) == []


@pytest.mark.parametrize("host", ["a..b", ".a", "x" * 64, "a\u202eb", "b" * 100_000])
def test_names_that_no_host_can_have(host, tmp_path, cli):
    """By themselves, and as a configuration's HostName."""
    config = tmp_path / "config"
    config.write_text(f"Host h\n  HostName {host}\n", encoding="utf-8")
    for address in (f"ssh://u@{host}", f"ssh://u@h?config={config}"):
        done = cli("devices", "probe", address)
        assert done.code in (1, 2)
        assert "Traceback" not in done.err
        assert "Error: " in done.err
