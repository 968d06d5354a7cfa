"""Raspberry-Pi-like machines: Debian's arm64 and armhf userlands in QEMU, and armhf's on a kernel
of arm64, as 32-bit Raspberry Pi OS has it.

Nothing is emulated while they are built, and nothing in them was run before they boot; they are
kept in a folder and built again when this recipe changes. Only a loopback port leads into them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.devices.ssh import openssh
from tests.tools import need

PACKAGES = (
    "base-passwd", "base-files", "bash", "coreutils", "dash", "sed", "grep", "mawk", "findutils",
    "hostname", "util-linux", "procps", "libc-bin", "libstdc++6", "busybox-static",
    "openssh-server",
)  # fmt: skip
MODULES = (
    "virtio", "virtio_ring", "virtio_mmio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev",
    "virtio_pci", "failover", "net_failover", "virtio_net", "rng-core", "virtio-rng",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of machine.

    Attributes:
        debian: Debian's name of the architecture.
        packages: What it has beyond a shell and sshd.
        qemu: How it is emulated.
        kernel_of: Another kind, whose kernel it has.
    """

    debian: str
    packages: tuple[str, ...]
    qemu: tuple[str, ...]
    kernel_of: str = ""


KINDS = {
    # python3-minimal has neither ctypes nor json.
    "arm64": Kind(
        "arm64",
        ("python3-minimal", "linux-image-cloud-arm64"),
        ("qemu-system-aarch64", "-cpu", "cortex-a72"),
    ),
    "armhf": Kind(
        "armhf",
        ("python3-numpy", "linux-image-armmp"),
        ("qemu-system-arm", "-cpu", "cortex-a15"),
    ),
    "armhf-on-64": Kind(
        "armhf", ("python3-numpy",), ("qemu-system-aarch64", "-cpu", "cortex-a72"), "arm64"
    ),
}
SSHD = """Port 22
HostKey /etc/ssh/test_host
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
PermitRootLogin prohibit-password
UseDNS no
StrictModes no
AuthorizedKeysFile /etc/ssh/test_authorized
"""
INIT = """#!/usr/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin; B=/usr/bin/busybox
$B mkdir -p /proc /sys /dev /run /tmp
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev 2>/dev/null
$B mkdir -p /dev/pts /dev/shm /run/sshd; $B mount -t devpts devpts /dev/pts
$B mount -t tmpfs -o mode=1777 shm /dev/shm; $B mount -t tmpfs -o mode=1777 tmp /tmp
$B ln -sf /proc/self/fd /dev/fd
cd /usr/lib/modules/test; for m in MODULES; do [ -f $m.ko ] && $B insmod ./$m.ko; done; cd /
$B hostname testpi; $B mount --bind /opt/fake/thermal /sys/class/thermal
$B ip link set lo up; $B ip link set eth0 up; $B ip addr add 10.0.2.15/24 dev eth0
$B grep -q edgeq.nopython /proc/cmdline && $B rm -f /usr/bin/python*
/usr/sbin/sshd -D -e -f /etc/ssh/test_sshd &
while :; do $B sleep 3600; done
"""


@dataclass
class Machine:
    """A running virtual machine and the ssh_config that leads into it."""

    process: subprocess.Popen
    config: Path
    port: int

    @property
    def address(self) -> str:
        return f"ssh://pi@vm?config={self.config}"

    def ssh(self, command: str, user: str = "pi") -> str:
        """What a command prints there, over OpenSSH's own client."""
        words = ["ssh", "-F", self.config, f"{user}@vm", command]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


def start(
    work: Path,
    kind: str = "arm64",
    *,
    python: bool = True,
    memory_mb: int = 1024,
    port: int | None = None,
) -> Machine:
    """A machine, built first if there is none yet; up in about 5 s.

    Args:
        work: Folder for its logs and the ssh_config.
        kind: One of KINDS.
        python: Whether it has the Python that its kind has.
        memory_mb: Its memory, half of which holds its files.
        port: The port that leads into it; None for any.
    """
    folder = _built(kind)
    port = port or openssh.free_port()
    known = work / "known_hosts"
    known.write_text(
        f"[127.0.0.1]:{port} {' '.join((folder / 'host.pub').read_text().split()[:2])}\n"
    )
    config = work / "ssh_config"
    config.write_text(
        f"Host vm\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/id\n"
        f"  IdentityAgent none\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile none\n"
    )
    process = subprocess.Popen(
        [
            *KINDS[kind].qemu, "-M", "virt", "-smp", "2",
            "-m", str(memory_mb), "-accel", "tcg,thread=multi", "-display", "none",
            "-monitor", "none", "-serial", f"file:{work}/console.log",
            "-kernel", folder / "vmlinuz", "-initrd", folder / "initrd.cpio",
            "-append", "console=ttyAMA0 quiet rdinit=/init" + ("" if python else " edgeq.nopython"),
            # restrict=on: the guest reaches nothing; only the forwarded port leads in.
            "-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22",
            "-device", "virtio-net-device,netdev=n0", "-device", "virtio-rng-device",
        ],
        stdin=subprocess.DEVNULL, stdout=(work / "qemu.log").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    machine = Machine(process, config, port)
    try:
        _wait_for_banner(machine)
    except BaseException:
        machine.stop()
        raise
    return machine


def _wait_for_banner(machine: Machine) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if machine.process.poll() is not None:
            raise RuntimeError("qemu ended")
        try:
            with socket.create_connection(("127.0.0.1", machine.port), 2) as link:
                link.settimeout(2)
                if link.recv(4).startswith(b"SSH"):
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the virtual machine does not answer")


def _built(name: str) -> Path:
    kind = KINDS[name]
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "edgeq-tests" / f"{name}-{recipe}"
    if (folder / "initrd.cpio").exists():
        need(shutil.which(kind.qemu[0]), f"{kind.qemu[0]} (Debian: qemu-system-arm)")
        return folder
    for program in (kind.qemu[0], "mmdebstrap", "cpio", "ssh-keygen", "xz"):
        need(shutil.which(program), f"{program}, to build an {name} machine")
    need(os.geteuid() == 0, f"root, to build an {name} machine")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _build(folder, kind)
    return folder


def _build(folder: Path, kind: Kind) -> None:
    root = folder / "root"
    _unpack_packages(root, kind)
    _write_files(root, folder)
    if kind.kernel_of:
        other = _built(kind.kernel_of)
        shutil.copy(other / "vmlinuz", folder)
        shutil.copytree(other / "modules", folder / "modules")
    else:
        _take_kernel(root, folder)
    _make_small(root, folder)
    listing = subprocess.run(
        ["find", ".", "-print0"], cwd=root, capture_output=True, check=True
    ).stdout
    with (folder / "initrd.tmp").open("wb") as file:
        subprocess.run(
            ["cpio", "--null", "-o", "-H", "newc", "--quiet"],
            cwd=root, input=listing, stdout=file, check=True,
        )  # fmt: skip
    shutil.rmtree(root)
    (folder / "initrd.tmp").rename(folder / "initrd.cpio")


def _unpack_packages(root: Path, kind: Kind) -> None:
    """Download and unpack only: no maintainer script runs, so nothing has to be emulated."""
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract"]
    command.append(f"--arch={kind.debian}")
    hooks = Path("/usr/share/mmdebstrap/hooks/merged-usr")
    if hooks.exists():
        command.append(f"--hook-dir={hooks}")
    done = subprocess.run(
        [*command, "--include=" + ",".join(PACKAGES + kind.packages), "bookworm", root, *sites[:1]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    need(done.returncode == 0, f"Debian's {kind.debian} packages ({done.stderr[-200:].strip()})")


def _write_files(root: Path, folder: Path) -> None:
    """What the maintainer scripts would have done, the keys, and a Pi's sensors."""
    (root / "usr/bin/awk").symlink_to("mawk")
    for library in ("blas", "lapack"):
        for found in root.glob(f"usr/lib/*/{library}/lib{library}.so.3"):
            (found.parent.parent / found.name).symlink_to(f"{library}/{found.name}")
    passwd = (root / "usr/share/base-passwd/passwd.master").read_text()
    lines = [line for line in passwd.splitlines() if not line.startswith("root:")]
    lines += ["root:x:0:0:root:/root:/bin/bash", "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin"]
    for user, number in (("pi", 1000), ("alice", 1001)):
        lines.append(f"{user}:x:{number}:{number}::/home/{user}:/bin/bash")
        home = root / "home" / user
        home.mkdir()
        os.chown(home, number, number)
    (root / "etc/passwd").write_text("\n".join(lines) + "\n")
    shutil.copy(root / "usr/share/base-passwd/group.master", root / "etc/group")
    openssh.keygen(folder / "id")
    openssh.keygen(folder / "host")
    ssh = root / "etc/ssh"
    shutil.copy(folder / "host", ssh / "test_host")
    (ssh / "test_host").chmod(0o600)
    shutil.copy(folder / "id.pub", ssh / "test_authorized")
    (ssh / "test_sshd").write_text(SSHD)
    zone = root / "opt/fake/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("48312\n")
    (zone / "type").write_text("cpu-thermal\n")
    (root / "tmp").chmod(0o1777)
    for name in ("proc", "sys", "dev", "run/sshd"):
        (root / name).mkdir(parents=True, exist_ok=True)
    init = root / "init"
    init.write_text(INIT.replace("MODULES", " ".join(MODULES)))
    init.chmod(0o755)


def _take_kernel(root: Path, folder: Path) -> None:
    """The kernel, and the few of its modules that are needed; all else would only fill memory."""
    modules = root / "usr/lib/modules"
    version = next(modules.iterdir()).name
    shutil.move(root / f"boot/vmlinuz-{version}", folder / "vmlinuz")
    kept = folder / "modules"
    kept.mkdir()
    for name in MODULES:
        found = next(modules.rglob(f"{name}.ko*"), None)  # some are built in
        if found is None:
            continue
        if found.suffix == ".xz":
            subprocess.run(
                ["xz", "-dc", found], stdout=(kept / f"{name}.ko").open("wb"), check=True
            )
        else:
            shutil.copy(found, kept / f"{name}.ko")


def _make_small(root: Path, folder: Path) -> None:
    """Nothing but the modules that were taken, and no texts for people: it all lies in memory."""
    modules = root / "usr/lib/modules"
    shutil.rmtree(modules, ignore_errors=True)
    shutil.rmtree(root / "boot", ignore_errors=True)
    for name in ("doc", "man", "locale", "info"):
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)
    modules.mkdir(parents=True)
    shutil.copytree(folder / "modules", modules / "test")
