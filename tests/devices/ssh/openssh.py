"""A real OpenSSH server on a loopback port, with its own keys and configuration."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.tools import need


@dataclass
class Server:
    """A running sshd.

    Attributes:
        folder: Its keys and files; `id` is the private key that it lets in.
        home: The HOME of the sessions that it starts.
        root: The root folder of all that runs there, where that is not this machine's.
    """

    folder: Path
    home: Path
    port: int
    process: subprocess.Popen
    user: str
    root: Path | None = None

    @property
    def config(self) -> Path:
        """An ssh_config that reaches it as host `device`, and knows its key."""
        return self.folder / "ssh_config"

    @property
    def address(self) -> str:
        return f"ssh://device?config={self.config}"

    def write_config(self, port: int | None = None, name: str = "ssh_config", more: str = ""):
        """An ssh_config for this server, reached over another port (a proxy's), say."""
        port = port or self.port
        known = self.folder / f"known_hosts.{port}"
        kind, blob = (self.folder / "host_ed25519.pub").read_text().split()[:2]
        known.write_text(f"[127.0.0.1]:{port} {kind} {blob}\n")
        path = self.folder / name
        path.write_text(
            f"Host device\n  HostName 127.0.0.1\n  Port {port}\n  User {self.user}\n"
            f"  IdentityFile {self.folder}/id\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n{more}"
        )
        return path

    def processes(self) -> list[str]:
        """What runs on the `device`: everything that its sshd started, wherever it is now.

        Sessions carry a mark in their environment, so that orphans are found too.
        """
        mark = f"EDGEQ_TEST_DEVICE={self.folder}".encode()
        found = []
        parents = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                )
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                ours = mark in (entry / "environ").read_bytes().split(b"\0")
                ours |= self.root is not None and (entry / "root").readlink() == self.root
            except OSError:
                continue
            itself = int(entry.name) == self.process.pid
            if words and not itself and (ours or self._started(int(entry.name), parents)):
                found.append(f"{entry.name} {words}")
        return found

    def _started(self, number: int, parents: dict[int, int]) -> bool:
        while number in parents:
            number = parents[number]
            if number == self.process.pid:
                return True
        return False

    def wait_until_idle(self, seconds: float, but: str = "-") -> list[str]:
        """The processes that are still there after some time; empty if all went away.

        Args:
            seconds: How long to wait.
            but: Words of processes that are none of ours.
        """
        end = time.monotonic() + seconds
        while (left := [each for each in self.processes() if but == "-" or but not in each]) and (
            time.monotonic() < end
        ):
            time.sleep(0.1)
        return left

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def start_again(self) -> None:
        """After `stop`: the same server on the same port."""
        self.process = subprocess.Popen(self.process.args, start_new_session=True)
        _wait_for_port(self.port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "edgeq-test", "-f", path],
        check=True,
    )


@dataclass(frozen=True)
class Account:
    """A user whom only one server knows: a name of ours, with another shell and a password."""

    shell: str = "/bin/sh"
    password: str = ""
    name: str = "lab"

    def wrapper(self, folder: Path) -> list[str]:
        """Words before sshd's own, which give it files of users that nobody else sees."""
        need(os.geteuid() == 0, "root, to mount files for one process")
        need(shutil.which("unshare"), "unshare (util-linux)")
        words = ["openssl", "passwd", "-6", "-stdin"]
        made = subprocess.run(
            words, input=self.password, capture_output=True, text=True, check=True
        )
        digest = made.stdout.strip() if self.password else "*"
        lines = {
            "passwd": f"{self.name}:x:0:0::{folder}/home:{self.shell}\n",
            "shadow": f"{self.name}:{digest}:20000:0:99999:7:::\n",
        }
        mounts = []
        for name, line in lines.items():
            made_file = folder / name
            made_file.write_text(Path(f"/etc/{name}").read_text() + line)
            mounts.append(f"mount --bind {made_file} /etc/{name}")
        script = " && ".join([*mounts, 'exec "$@"'])
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]


def start(
    folder: Path,
    *options: str,
    environment: str = "",
    port: int | None = None,
    account: Account | None = None,
) -> Server:
    """A server whose sessions have a HOME of their own below `folder`."""
    program = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    need(program is not None, "sshd (openssh-server)")
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    if not (folder / "id").exists():
        keygen(folder / "id")
        keygen(folder / "host_ed25519")
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port = port or free_port()
    settings = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host_ed25519",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        f"PidFile {folder}/pid",
        "UsePAM no",
        "StrictModes no",
        "PasswordAuthentication no",
        "PermitRootLogin prohibit-password",
        "Subsystem sftp internal-sftp",
        f"SetEnv HOME={home} EDGEQ_TEST_DEVICE={folder} {environment}",
    ]
    config = folder / "sshd_config"
    # Of several lines with one keyword, sshd takes the first.
    config.write_text("\n".join([*options, *settings]) + "\n")
    before = account.wrapper(folder) if account else []
    process = subprocess.Popen(
        [*before, program, "-D", "-e", "-f", config],
        stderr=(folder / "sshd.log").open("wb"),
        start_new_session=True,
    )
    server = Server(folder, home, port, process, account.name if account else getpass.getuser())
    server.write_config()
    _wait_for_port(port)
    return server


def _wait_for_port(port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("sshd did not start")


def kill_group(process: subprocess.Popen) -> None:
    """End a process that leads a session, and all that belongs to it."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
