"""No path accepts a key that nobody has vouched for."""

import os
import subprocess

import pytest

from edgeq.devices.address import parse_address
from edgeq.devices.registry import open_device
from edgeq.devices.ssh import hostkeys, trusting
from edgeq.devices.ssh.config import resolve
from edgeq.devices.ssh.hostkeys import HostKeyError
from edgeq.devices.ssh.transport import connect
from tests.devices.ssh import openssh


@pytest.fixture
def own(tmp_path):
    """A server whose known_hosts file a test may change."""
    server = openssh.start(tmp_path / "sshd")
    yield server, server.folder / f"known_hosts.{server.port}"
    server.stop()


def true_fingerprint(server):
    printed = subprocess.run(
        ["ssh-keygen", "-lf", server.folder / "host_ed25519.pub"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return printed.stdout.split()[1]


def settings(server, more=""):
    return resolve(parse_address(f"ssh://device?config={server.write_config(more=more)}"))


@pytest.mark.parametrize(
    "more", ["", "  StrictHostKeyChecking no\n", "  StrictHostKeyChecking accept-new\n"]
)
@pytest.mark.parametrize("variable", ["", "EDGEQ_TRUST", "EDGEQ_INSECURE", "SSH_ASKPASS"])
def test_an_unknown_key_is_refused(own, monkeypatch, more, variable):
    server, _ = own
    if variable:
        monkeypatch.setenv(variable, "1")
    wanted = settings(server, more)
    (server.folder / f"known_hosts.{server.port}").write_text("")
    with pytest.raises(HostKeyError, match="Unknown host key") as caught:
        connect(wanted)
    assert caught.value.fingerprint == true_fingerprint(server)
    assert true_fingerprint(server) in str(caught.value)
    assert "edgeq devices trust" in caught.value.hint


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x85", "\u2028"])
def test_a_key_in_a_comment_is_none(own, end):
    """OpenSSH ends lines at \\n: what follows other separators belongs to the other host's line."""
    server, known = own
    wanted = settings(server)
    known.write_text(f"other ssh-ed25519 AAAA a comment{end}{known.read_text()}")
    with pytest.raises(HostKeyError, match="Unknown host key"):
        connect(wanted)


def test_a_changed_key_is_refused(own):
    server, known = own
    openssh.keygen(server.folder / "other")
    kind, blob = (server.folder / "other.pub").read_text().split()[:2]
    known.write_text(f"[127.0.0.1]:{server.port} {kind} {blob}\n")
    with pytest.raises(HostKeyError, match="CHANGED"):
        connect(resolve(parse_address(server.address)))


def test_a_revoked_key_is_refused_although_it_is_also_on_file(own):
    server, known = own
    known.write_text(known.read_text() + "@revoked * " + known.read_text().split(" ", 1)[1])
    with pytest.raises(HostKeyError, match="revoked"):
        connect(resolve(parse_address(server.address)))
    with pytest.raises(HostKeyError, match="revoked"):
        trusting.fetch(parse_address(server.address))


@pytest.mark.parametrize("form", ["hashed", "pattern", "authority line before", "comment before"])
def test_lines_of_known_hosts_as_openssh_writes_them(own, form):
    server, known = own
    line = known.read_text()
    if form == "hashed":
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        assert known.read_text().startswith("|1|")
    elif form == "pattern":
        known.write_text(f"!elsewhere,[127.0.0.*]:{server.port} {line.split(' ', 1)[1]}")
    elif form == "authority line before":
        known.write_text(f"@cert-authority *.example {line.split(' ', 1)[1]}{line}")
    else:
        known.write_text(f"# ours\n\ndamaged line\n{line}")
    connect(resolve(parse_address(server.address))).close()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("HOST TRUE", ""),
        ("127.0.0.* TRUE", ""),
        ("HOST OTHER", "Unknown host key"),
        ("[HOST]:22 TRUE", "Unknown host key"),
        ("[HOST]:PORT OTHER; HOST TRUE", "CHANGED"),
        ("@revoked HOST TRUE; HOST TRUE", "revoked"),
        ("@revoked HOST TRUE; [HOST]:PORT TRUE", ""),
    ],
)
def test_a_key_filed_without_the_port_is_taken_as_openssh_takes_it(own, lines, said):
    server, known = own
    openssh.keygen(server.folder / "other")
    true, other = (
        " ".join((server.folder / name).read_text().split()[:2])
        for name in ("host_ed25519.pub", "other.pub")
    )
    words = {"HOST": "127.0.0.1", "PORT": str(server.port), "TRUE": true, "OTHER": other}
    for word, text in words.items():
        lines = lines.replace(word, text)
    known.write_text("".join(f"{line.strip()}\n" for line in lines.split(";")))
    strict = ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    openssh_takes = subprocess.run(
        ["ssh", "-F", server.config, *strict, "device", "true"], capture_output=True, check=False
    )
    assert (openssh_takes.returncode == 0) == (not said), openssh_takes.stderr
    if not said:
        connect(resolve(parse_address(server.address))).close()
        return
    with pytest.raises(HostKeyError, match=said):
        connect(resolve(parse_address(server.address)))
    if said.startswith("Unknown"):
        trusting.trust(trusting.fetch(parse_address(server.address)), true_fingerprint(server))
        connect(resolve(parse_address(server.address))).close()


def test_trust_enrols_only_the_fingerprint_that_was_given(own, cli):
    server, known = own
    known.write_text("")
    wrong = cli("devices", "trust", server.address, "--fingerprint", "SHA256:wrong")
    assert wrong.code == 1
    assert not hostkeys.own_known_hosts().exists()
    alone = cli("devices", "trust", server.address)
    assert alone.code == 2, "nobody is at the prompt"
    assert not hostkeys.own_known_hosts().exists()
    right = cli("devices", "trust", server.address, "--fingerprint", true_fingerprint(server))
    assert right.code == 0, right.err
    connect(resolve(parse_address(server.address))).close()


def test_the_command_refuses_with_the_fingerprint_on_stderr(own, models, cli):
    server, known = own
    known.write_text("")
    result = cli("profile", models / "kws_int8.tflite", "--on", server.address)
    assert result.code == 1
    assert true_fingerprint(server) in result.err
    assert result.out == ""


def test_a_jump_host_must_be_known_too(own):
    server, known = own
    config = server.write_config(name="with_jump", more="  ProxyJump jump\n")
    config.write_text(
        config.read_text()
        + f"Host jump\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {server.folder}/id\n  IdentityAgent none\n"
        "  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile none\n"
    )
    address = parse_address(f"ssh://device?config={config}")
    with pytest.raises(HostKeyError, match="Unknown"):
        connect(resolve(address))
    config.write_text(config.read_text().replace("/dev/null", str(known)))
    link = connect(resolve(address))
    assert link.start("echo through").read() == b"through\n"
    link.close()


def test_a_password_in_an_address_is_refused():
    from edgeq.errors import UsageError

    with pytest.raises(UsageError, match="password"):
        open_device("ssh://pi:secret@host")


def test_a_wrong_user_key_says_what_was_tried(own):
    server, _ = own
    openssh.keygen(server.folder / "stranger")
    config = server.config
    config.write_text(
        config.read_text().replace(f"{server.folder}/id", f"{server.folder}/stranger")
    )
    from edgeq.errors import EdgeqError

    with pytest.raises(EdgeqError, match=r"not let in; tried: .*stranger"):
        connect(resolve(parse_address(server.address)))


def test_a_key_with_a_passphrase(own, monkeypatch):
    server, _ = own
    openssh.keygen(server.folder / "locked", passphrase="open sesame")
    authorized = server.folder / "authorized_keys"
    authorized.write_text(authorized.read_text() + (server.folder / "locked.pub").read_text())
    config = server.config
    config.write_text(config.read_text().replace(f"{server.folder}/id", f"{server.folder}/locked"))
    address = parse_address(server.address)
    from edgeq.errors import EdgeqError

    with pytest.raises(EdgeqError, match="needs its passphrase"):
        connect(resolve(address))
    monkeypatch.setenv("EDGEQ_SSH_PASSPHRASE", "wrong")
    with pytest.raises(EdgeqError, match="wrong passphrase"):
        connect(resolve(address))
    monkeypatch.setenv("EDGEQ_SSH_PASSPHRASE", "open sesame")
    connect(resolve(address)).close()


def test_a_proxy_command(own):
    server, _ = own
    if os.system("command -v nc >/dev/null") != 0:
        command = f"ssh -F {server.config} -W 127.0.0.1:{server.port} device"
    else:
        command = f"nc 127.0.0.1 {server.port}"
    config = server.write_config(name="with_command", more=f"  ProxyCommand {command}\n")
    link = connect(resolve(parse_address(f"ssh://device?config={config}")))
    assert link.start("echo through").read() == b"through\n"
    link.close()


@pytest.mark.parametrize(
    ("offered", "better"),
    [
        ("Ciphers aes128-cbc", "Ciphers: aes128-gcm@openssh.com"),
        ("Ciphers chacha20-poly1305@openssh.com", "Ciphers: aes128-gcm@openssh.com"),
        ("MACs hmac-sha1", "MACs: hmac-sha2-256"),
        ("KexAlgorithms diffie-hellman-group14-sha1", "KexAlgorithms: .*curve25519-sha256"),
    ],
)
def test_weak_and_unknown_algorithms_are_refused_with_those_that_are_taken(
    tmp_path, offered, better
):
    from edgeq.errors import EdgeqError

    options = [offered] if "MACs" not in offered else [offered, "Ciphers aes128-ctr"]
    server = openssh.start(tmp_path / "sshd", *options)
    try:
        with pytest.raises(EdgeqError, match=f"(?s)no algorithm that edgeq takes.*{better}"):
            connect(resolve(parse_address(server.address)))
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["curve25519-sha256", "curve25519-sha256@libssh.org"])
def test_both_names_of_the_usual_key_exchange_are_known(tmp_path, name):
    server = openssh.start(tmp_path / "sshd", f"KexAlgorithms {name}")
    try:
        link = connect(resolve(parse_address(server.address)))
        assert link.start("echo through").read() == b"through\n"
        link.close()
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["|1|", "|1|a|b", "|1|a|b|c|d", "|1|!|!"])
def test_a_damaged_line_vouches_for_nobody(own, name):
    server, known = own
    blob = known.read_text().split()[2]
    known.write_text(f"{name} ssh-ed25519 {blob}\n")
    with pytest.raises(HostKeyError, match="Unknown host key"):
        connect(resolve(parse_address(server.address)))
