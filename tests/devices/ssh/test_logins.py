"""Passwords at a prompt and from the environment, agents, keys that change; and no secret told."""

import contextlib
import logging
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgeq.compiler.options import CompileOptions
from edgeq.devices.address import parse_address
from edgeq.devices.base import ProfileOptions
from edgeq.devices.registry import open_device
from edgeq.devices.ssh.config import resolve
from edgeq.devices.ssh.hostkeys import HostKeyError
from edgeq.devices.ssh.transport import connect
from edgeq.errors import EdgeqError
from tests.devices.ssh import openssh
from tests.devices.ssh.openssh import Account

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module", params=["password", "keyboard-interactive"])
def locked(request, tmp_path_factory):
    """A server that asks for a password; once as such, once as PAM asks."""
    by_pam = request.param == "keyboard-interactive"
    server = openssh.start(
        tmp_path_factory.mktemp("sshd"),
        "PubkeyAuthentication no",
        "PermitRootLogin yes",
        *(("UsePAM yes", "KbdInteractiveAuthentication yes") if by_pam else ()),
        f"PasswordAuthentication {'no' if by_pam else 'yes'}",
        account=Account(password=SECRET),
    )
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def say(address, word="hello"):
    link = connect(resolve(parse_address(address)))
    try:
        return link.start(f"echo {word}").read().decode().strip()
    finally:
        link.close()


def at_a_terminal(words, answer):
    """(status, everything that the terminal showed) of a command whose prompt is answered."""
    number, terminal = pty.fork()
    if number == 0:
        os.execv(sys.executable, [sys.executable, "-m", "edgeq", *map(str, words)])
    shown, end = b"", time.monotonic() + 30
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 4096)
            if answer and b": " in shown and b"of lab@" in shown:
                os.write(terminal, answer.encode() + b"\n")
                answer = ""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), shown.decode()


def test_a_password_at_the_prompt(locked):
    status, shown = at_a_terminal(["devices", "probe", locked.address], SECRET)
    assert status == 0, shown
    assert "Password of lab@127.0.0.1: " in shown
    assert "architecture" in shown
    assert SECRET not in shown


def test_a_wrong_password_at_the_prompt(locked):
    status, shown = at_a_terminal(["devices", "probe", locked.address], "wrong " + SECRET)
    assert status == 1
    assert "lab was not let in; tried: " in shown
    assert ", password" in shown
    assert SECRET not in shown


def test_nobody_is_at_the_prompt(locked):
    with pytest.raises(EdgeqError, match="lab was not let in") as caught:
        say(locked.address)
    assert "EDGEQ_SSH_PASSWORD" in caught.value.hint


def test_a_password_in_the_address(locked):
    with pytest.raises(EdgeqError, match="must not hold a password") as caught:
        open_device(f"ssh://lab:{SECRET.replace(' ', '')}@127.0.0.1")
    assert "horse" not in str(caught.value)


def test_the_password_is_told_to_nobody(locked, models, monkeypatch, caplog, tmp_path, capfd):
    """Neither in logs at their most talkative, nor in results and caches, nor on the device."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("edgeq.ssh").setLevel(logging.DEBUG)
    monkeypatch.setenv("EDGEQ_SSH_PASSWORD", SECRET)
    with open_device(locked.address).open(models / "kws_int8.tflite", CompileOptions()) as session:
        found = session.profile(ProfileOptions(runs=5, ops=False))
        for line in locked.processes():
            for name in ("environ", "cmdline"):
                with contextlib.suppress(OSError):
                    told = Path(f"/proc/{line.split()[0]}/{name}").read_bytes()
                    assert SECRET.encode() not in told
    assert len(caplog.records) > 10
    assert SECRET not in caplog.text
    assert SECRET not in repr(found)
    assert SECRET not in "".join(capfd.readouterr())
    for folder in (tmp_path, locked.home):
        for path in folder.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.fixture
def agent(tmp_path):
    """An agent of its own, at a place that no variable names."""
    place = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 5
    while not place.exists() and time.monotonic() < end:
        time.sleep(0.05)
    yield place
    process.terminate()
    process.wait(5)


@pytest.mark.parametrize("how", ["IdentityAgent", "SSH_AUTH_SOCK", "$EDGEQ_TEST_AGENT"])
def test_a_key_that_only_the_agent_has(agent, tmp_path, monkeypatch, how):
    server = openssh.start(tmp_path / "sshd")
    try:
        words = ["ssh-add", "-q", server.folder / "id"]
        subprocess.run(words, check=True, env={**os.environ, "SSH_AUTH_SOCK": str(agent)})
        text = server.write_config().read_text()
        (server.folder / "id").rename(server.folder / "away")
        place = {"IdentityAgent": str(agent), "SSH_AUTH_SOCK": "SSH_AUTH_SOCK"}.get(how, how)
        server.config.write_text(text.replace("IdentityAgent none", f"IdentityAgent {place}"))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent) if how == "SSH_AUTH_SOCK" else "/nowhere")
        monkeypatch.setenv("EDGEQ_TEST_AGENT", str(agent))
        assert say(server.address) == "hello"
        server.config.write_text(text)  # IdentityAgent none
        with pytest.raises(EdgeqError, match="nothing: no key found"):
            say(server.address)
    finally:
        server.stop()


def other_form(key, form):
    """A file of the public half that is none of one line, or none at all."""
    public = key.with_name("id.pub")
    if form == "damaged":
        public.write_text(public.read_text()[:60])
    elif form == "none":
        public.unlink()
    else:
        words = ["ssh-keygen", "-e", "-m", form, "-f", public]
        made = subprocess.run(words, check=False, capture_output=True).stdout
        public.write_bytes(made or b"-----BEGIN PUBLIC KEY-----\nMCow BQYD\n")


@pytest.mark.parametrize("form", ["RFC4716", "PKCS8", "damaged", "none"])
def test_which_keys_of_an_agent_are_wanted(agent, tmp_path, form):
    """With IdentitiesOnly the private file says its public half, also without its passphrase."""
    server = openssh.start(tmp_path / "sshd")
    try:
        key = server.folder / "id"
        subprocess.run(
            ["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(agent)}
        )
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a secret", "-f", key], check=True)
        other_form(key, form)
        text = server.config.read_text()
        text = text.replace("IdentityAgent none", f"IdentityAgent {agent}")
        server.config.write_text(f"IdentitiesOnly yes\n{text}")
        assert say(server.address) == "hello"
    finally:
        server.stop()


def test_a_damaged_certificate_does_not_keep_its_key_away(tmp_path):
    server = openssh.start(tmp_path / "sshd")
    try:
        (server.folder / "id-cert.pub").write_bytes(b"\xff\xfe no certificate")
        assert say(server.address) == "hello"
    finally:
        server.stop()


@pytest.mark.parametrize("kind", ["EC -pkeyopt ec_paramgen_curve:P-256", "RSA", "ED25519"])
@pytest.mark.parametrize("passphrase", ["", SECRET])
def test_a_key_that_openssl_has_written(tmp_path, kind, passphrase, monkeypatch):
    """In PKCS #8's form, as clouds hand them out and OpenSSH reads them."""
    server = openssh.start(tmp_path / "sshd")
    key = server.folder / "id"
    key.unlink()
    words = ["openssl", "genpkey", "-out", key, "-algorithm", *kind.split()]
    words += ["-aes-256-cbc", "-pass", f"pass:{passphrase}"] if passphrase else []
    subprocess.run(words, check=True, capture_output=True)
    public = ["ssh-keygen", "-y", "-P", passphrase, "-f", key]
    if kind != "ED25519":  # ssh-keygen 9.2 reads no such file
        told = subprocess.run(public, check=True, capture_output=True).stdout
    else:
        told = _ed25519_line(key, passphrase)
    (server.folder / "authorized_keys").write_bytes(told)
    try:
        if passphrase:
            with pytest.raises(EdgeqError, match="needs its passphrase"):
                say(server.address)
            monkeypatch.setenv("EDGEQ_SSH_PASSPHRASE", "wrong")
            with pytest.raises(EdgeqError, match="wrong passphrase"):
                say(server.address)
        monkeypatch.setenv("EDGEQ_SSH_PASSPHRASE", passphrase)
        assert say(server.address) == "hello"
    finally:
        server.stop()


def _ed25519_line(path, passphrase):
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    return key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)


def test_a_server_that_wants_a_password_behind_the_key(tmp_path, monkeypatch):
    server = openssh.start(
        tmp_path / "sshd",
        "PasswordAuthentication yes",
        "AuthenticationMethods publickey,password",
        "PermitRootLogin yes",
        account=Account(password=SECRET),
    )
    try:
        with pytest.raises(EdgeqError, match=r"id \(taken; the server wants password too\)"):
            say(server.address)
        monkeypatch.setenv("EDGEQ_SSH_PASSWORD", SECRET)
        assert say(server.address) == "hello"
    finally:
        server.stop()


def test_an_agent_that_has_gone(tmp_path):
    server = openssh.start(tmp_path / "sshd")
    try:
        text = server.config.read_text()
        server.config.write_text(text.replace("IdentityAgent none", "IdentityAgent /nowhere/x"))
        assert say(server.address) == "hello"  # the key file is still there
        (server.folder / "id").unlink()
        with pytest.raises(EdgeqError, match=r"tried: agent \(.*No such file"):
            say(server.address)
    finally:
        server.stop()


# Host keys that change, as administrators rotate them and as an attacker would.


@pytest.fixture
def rotating(tmp_path):
    """A server with an old key, and one that it will have later."""
    server = openssh.start(tmp_path / "sshd")
    openssh.keygen(server.folder / "host_new")
    yield server
    server.stop()


def restart(server, *keys):
    server.stop()
    again = openssh.start(
        server.folder, *(f"HostKey {server.folder}/{key}" for key in keys), port=server.port
    )
    server.process = again.process


def test_a_key_is_rotated(rotating, cli):
    known = rotating.folder / f"known_hosts.{rotating.port}"
    old = known.read_text()
    kind, blob = (rotating.folder / "host_new.pub").read_text().split()[:2]
    # Prepared: both keys are on file while the server still has the old one, and afterwards.
    known.write_text(old + f"[127.0.0.1]:{rotating.port} {kind} {blob}\n")
    assert say(rotating.address) == "hello"
    config = rotating.folder / "sshd_config"
    config.write_text(config.read_text().replace("host_ed25519", "host_new"))
    rotating.stop()
    program = rotating.process.args[0]
    rotating.process = subprocess.Popen(
        [program, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL, start_new_session=True
    )
    openssh._wait_for_port(rotating.port)
    assert say(rotating.address) == "hello"
    # Not prepared: refused, and the hint's two commands put it right.
    known.write_text(old)
    with pytest.raises(HostKeyError, match="CHANGED") as caught:
        say(rotating.address)
    assert caught.value.fingerprint in cli("devices", "trust", rotating.address).err
    refused = cli("devices", "trust", rotating.address, "--fingerprint", caught.value.fingerprint)
    assert refused.code == 1
    assert "ssh-keygen -R" in refused.err
    remove = ["ssh-keygen", "-R", f"[127.0.0.1]:{rotating.port}", "-f", known]
    subprocess.run(remove, check=True, capture_output=True)
    taken = cli("devices", "trust", rotating.address, "--fingerprint", caught.value.fingerprint)
    assert taken.code == 0, taken.err
    assert say(rotating.address) == "hello"


def test_a_key_that_changes_during_the_work(rotating, models):
    """Whoever takes the device's place while we connect again gets nothing."""
    config = rotating.folder / "sshd_config"
    with open_device(f"{rotating.address}&reconnect=10").open(
        models / "kws_int8.tflite", CompileOptions()
    ) as session:
        inputs = [np.zeros((3, 1, 49, 10, 1), np.int8)]
        session.run(inputs)
        config.write_text(config.read_text().replace("host_ed25519", "host_new"))
        for line in rotating.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line.split()[0]), 9)
        rotating.process.kill()
        rotating.process.wait(5)
        program = rotating.process.args[0]
        rotating.process = subprocess.Popen(
            [program, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL, start_new_session=True
        )
        openssh._wait_for_port(rotating.port)
        begin = time.monotonic()
        with pytest.raises(HostKeyError, match="CHANGED"):
            session.run(inputs)
        assert time.monotonic() - begin < 8
