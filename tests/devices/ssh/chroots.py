"""Devices with userlands of their own, in a chroot on this machine's kernel.

Debian's packages are unpacked only, and kept in a folder until this recipe changes; a server runs
in a mount namespace, so that nothing of it is seen outside.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.devices.ssh import openssh
from tests.tools import need

_BASE = (
    "base-passwd", "base-files", "bash", "coreutils", "dash", "sed", "grep", "mawk", "libc-bin",
    "openssh-server",
)  # fmt: skip
_MOUNTS = """
mount --bind "$1" "$1" && cd "$1" && mount -t proc proc proc && mount --bind /dev dev &&
mount -t tmpfs t tmp && mount -t tmpfs t root && mount -t tmpfs t run && mkdir -p run/sshd &&
mount --bind "$2" mnt && shift 2 && exec chroot . "$@"
"""


@dataclass(frozen=True)
class Userland:
    """What is unpacked.

    Attributes:
        suite, architecture: Debian's names.
        packages: Beyond a shell and sshd.
    """

    suite: str
    architecture: str
    packages: tuple[str, ...] = ()


USERLANDS = {
    # glibc 2.31, Python 3.9 with ctypes.
    "bullseye": Userland("bullseye", "amd64", ("python3-minimal", "libpython3-stdlib")),
    # Programs of 32 bits under a kernel of 64.
    "i386": Userland("bookworm", "i386", ("python3-minimal", "libpython3-stdlib")),
}


def debian(name: str) -> Path:
    """The root folder of one of USERLANDS, unpacked first if there is none yet."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = base / "edgeq-tests" / f"{name}-{recipe}"
    need(os.geteuid() == 0, "root, for a chroot")
    need(os.uname().machine == "x86_64", "an x86-64 machine")
    if root.exists():
        return root
    need(shutil.which("mmdebstrap"), "mmdebstrap")
    kind = USERLANDS[name]
    work = root.with_name(root.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    work.parent.mkdir(parents=True, exist_ok=True)
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    done = subprocess.run(
        [
            "mmdebstrap", "--quiet", "--mode=root", "--variant=extract",
            f"--arch={kind.architecture}", "--include=" + ",".join(_BASE + kind.packages),
            kind.suite, work, *sites[:1],
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    need(done.returncode == 0, f"Debian's {name} packages ({done.stderr[-200:].strip()})")
    _finish(work)
    work.rename(root)
    return root


def busybox() -> Path:
    """A root folder with busybox, dropbear and Debian's musl, and nothing else."""
    program, server = shutil.which("busybox"), shutil.which("dropbear")
    need(program, "busybox (busybox-static)")
    need(server, "dropbear (dropbear-bin)")
    need(os.geteuid() == 0, "root, for a chroot")
    musl = next(Path("/lib").glob("ld-musl-*"), None)
    need(musl, "musl")
    assert program and server and musl
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = base / "edgeq-tests" / "busybox"
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("bin", "lib", "etc", "root", "usr/sbin", "usr/bin"):
        (root / folder).mkdir(parents=True)
    _make_folders(root)
    for source in (program, server, *_libraries(program), *_libraries(server), str(musl)):
        place = root / source.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
    for applet in subprocess.run(
        [program, "--list"], capture_output=True, text=True, check=True
    ).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to(program)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/shells").write_text("/bin/sh\n")
    return root


def _libraries(program: str) -> list[str]:
    printed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    words = [word for line in printed.splitlines() for word in line.split()]
    return [word for word in words if word.startswith("/")]


def _make_folders(root: Path) -> None:
    for folder in ("proc", "dev", "tmp", "run", "mnt", "root", "etc"):
        (root / folder).mkdir(exist_ok=True)


def _finish(root: Path) -> None:
    """What the maintainer scripts would have done."""
    _make_folders(root)
    (root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/dash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    if not (root / "bin/sh").exists():
        (root / "bin/sh").symlink_to("dash")
    for found in (root / "usr/bin").glob("python3.*[0-9]"):
        if not (root / "usr/bin/python3").exists():
            (root / "usr/bin/python3").symlink_to(found.name)


def start(folder: Path, root: Path) -> openssh.Server:
    """The root's own server on a loopback port: sshd where it has one, dropbear else."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"  # never filled: the home is in the namespace
    port = openssh.free_port()
    openssh.keygen(folder / "id")
    openssh.keygen(folder / "host_ed25519")
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    if (root / "usr/sbin/sshd").exists():
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey /mnt/host_ed25519\n"
            "AuthorizedKeysFile /mnt/authorized_keys\nUsePAM no\nStrictModes no\n"
            f"PidFile none\nSetEnv EDGEQ_TEST_DEVICE={folder}\n"
        )
        words = ["/usr/sbin/sshd", "-D", "-e", "-f", "/mnt/sshd_config"]
    else:
        key = folder / "host_dropbear"
        made = ["dropbearkey", "-t", "ed25519", "-f", key]
        told = subprocess.run(made, capture_output=True, text=True, check=True).stdout
        public = next(line for line in told.splitlines() if line.startswith("ssh-ed25519"))
        (folder / "host_ed25519.pub").write_text(public)
        script = (
            "mkdir -p /root/.ssh && cp /mnt/authorized_keys /root/.ssh && chmod -R go= /root && "
            f"exec dropbear -F -E -r /mnt/host_dropbear -p 127.0.0.1:{port}"
        )
        words = ["/bin/sh", "-c", script]
    process = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", _MOUNTS, "sh", root, folder,
         *words],
        stderr=(folder / "server.log").open("wb"), start_new_session=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    server = openssh.Server(folder, home, port, process, "root", root)
    server.write_config()
    openssh._wait_for_port(port)
    return server
