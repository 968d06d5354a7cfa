"""What can go wrong on a device or on the way to it, and how it is made to go wrong in tests."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.devices.ssh import openssh
from tests.devices.ssh.proxy import Proxy
from tests.tools import need

PLACES = ("push", "run", "result")
# A link that is silent for 3 s is lost: the rule is the same, the tests are faster.
QUICK = "  ServerAliveInterval 1\n  ServerAliveCountMax 3\n"
TOOLS = (
    "bash", "cat", "chmod", "df", "id", "ls", "mkdir", "mv", "rm", "sh", "sha256sum", "sleep",
    "uname", "wc", "getconf",
)  # fmt: skip
LIES = {
    "garbage": "hello",
    "wrong types": '{"event":"%s","id":%d,"first_us":"x","data":7,"warmup":[]}',
    "impossible numbers": '{"event":"%s","id":%d,"first_us":-1e999,"data":"AAAA","warmup":NaN}',
    "escape sequences": '{"event":"error","id":%.0s%d,"kind":"run","text":"\\u001b[31mred"}',
}


@dataclass
class Scene:
    """A device behind a breakable link.

    Attributes:
        passes: What ends the fault: the next run meets a device that is well again.
        cleanups: What the test owes this machine.
    """

    folder: Path
    server: openssh.Server
    proxy: Proxy
    agent: str = "python"
    options: str = ""
    model_name: str = "model"
    passes: list[Callable[[], object]] = field(default_factory=list)
    cleanups: list[Callable[[], object]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.server.address}&agent={self.agent}&reconnect=0{self.options}"

    @property
    def cache(self) -> Path:
        return self.server.home / ".cache" / "edgeq"

    def restart(self, *options: str, environment: str = "") -> None:
        """The same server with other options."""
        self.server.stop()
        self.server = openssh.start(
            self.server.folder, *options, environment=environment, port=self.server.port
        )
        self.server.write_config(self.proxy.port, more=QUICK)

    def mount(self, options: str) -> Path:
        """A small file system of its own for the device's cache."""
        need(os.geteuid() == 0, "root, to mount a file system")
        home = self.server.home / ".cache"
        home.mkdir(exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", options, "edgeq-test", home]
        need(subprocess.run(words, capture_output=True, check=False).returncode == 0,
             "the right to mount a file system")  # fmt: skip
        self.cleanups.append(lambda: subprocess.run(["umount", "-l", home], check=True))
        return home

    def agent_processes(self) -> list[int]:
        """The supervisor, then the process that holds the model."""
        return sorted(
            int(line.split()[0])
            for line in self.server.processes()
            if line.endswith((".pyz", ".bin")) and not line.split()[1].startswith("sshd")
        )


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        cells: Per place what comes of it: a pattern of the error; UNHARMED; or, after "-", why
            there is no such case.
        prepare: Makes the device what it is before anything runs; is given the place.
        strike: Lets it happen, at the place.
        both_agents: Whether the agent in C has code of its own for it.
    """

    cells: dict[str, str]
    prepare: Callable[[Scene, str], object] = lambda scene, place: None
    strike: Callable[[Scene], object] | None = None
    both_agents: bool = False


UNHARMED = "unharmed"


def _everywhere(push: str, run: str = "", result: str = "") -> dict[str, str]:
    return {"push": push, "run": run or push, "result": result or run or push}


# --- the link


def _link(mode: str) -> Fault:
    kept = r"(?s)connection was lost: .*\d+ timed calls had been made, which are kept in"
    return Fault(
        _everywhere("connection was lost", kept, "connection was lost"),
        strike=lambda scene: scene.proxy.break_now(mode),
        both_agents=True,
    )


# --- the file system


def _fill(scene: Scene) -> None:
    place = scene.server.home / ".cache"
    filler = place / "filler"
    # Page by page until there is none: one call for all that is free gives back everything
    # where the file that is coming up takes a page of it in between.
    with contextlib.suppress(OSError), filler.open("wb") as file:
        page = os.statvfs(place).f_frsize
        for offset in itertools.count(step=page):
            os.posix_fallocate(file.fileno(), offset, page)
    scene.passes.append(filler.unlink)


def _remount(option: str) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        place = scene.server.home / ".cache"
        subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)

    return strike


def _other_folder(scene: Scene, place: str) -> None:
    """A second folder, for when the first one fails."""
    scene.mount("size=64m")
    scene.restart(environment=f"TMPDIR={scene.folder}")
    del place


# --- processes


def _kill_model(scene: Scene) -> None:
    """What the kernel does when memory is short: it takes the process that offered itself."""
    victims = scene.agent_processes()
    if victims:
        os.kill(victims[-1], signal.SIGKILL)
    else:  # nothing runs yet but what receives the file
        end = time.monotonic() + 5  # the first bytes may come before it has started
        while time.monotonic() < end:
            for line in scene.server.processes():
                if line.split()[1:] == ["cat"]:
                    os.kill(int(line.split()[0]), signal.SIGKILL)
                    return


def _kill_agent(scene: Scene) -> None:
    """The kernel takes the agent itself, or the shell before there is one."""
    victims = scene.agent_processes()
    shells = [line for line in scene.server.processes() if line.split()[1:] == ["sh"]]
    os.kill(victims[0] if victims else int(shells[0].split()[0]), signal.SIGKILL)


def _power_cut(scene: Scene) -> None:
    """Everything that runs on the device ends at once, and it starts anew."""
    for line in scene.server.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)
    scene.server.process.kill()
    scene.server.process.wait(10)
    scene.server = openssh.start(scene.server.folder, port=scene.server.port)
    scene.server.write_config(scene.proxy.port, more=QUICK)


# --- hostile devices


def _hostile(lie: str) -> Fault:
    """A device that is honest until the place, and then says this instead of its answer."""

    def prepare(scene: Scene, place: str) -> None:
        bin_folder = scene.folder / "bin"
        bin_folder.mkdir()
        for name in TOOLS:
            (bin_folder / name).symlink_to(shutil.which(name) or "/missing")
        liar = bin_folder / ("cat" if place == "push" else "python3")
        liar.unlink(missing_ok=True)
        script = Path(__file__).with_name("liar.py")
        words = LIES.get(lie, lie)
        liar.write_text(
            f'#!/bin/sh\nexec {sys.executable} -ESB {script} {place} {_quoted(words)} "$@"\n'
        )
        liar.chmod(0o755)
        if place == "push":
            (bin_folder / "python3").symlink_to(sys.executable)
        scene.restart(environment=f"PATH={bin_folder}")

        def confess() -> None:
            for line in scene.server.processes():
                if "liar.py" in line:
                    os.kill(int(line.split()[0]), signal.SIGKILL)
            liar.unlink()
            liar.symlink_to("/bin/cat" if place == "push" else sys.executable)

        scene.passes.append(confess)

    said = r"(?s)\A(?!.*\x1b).*(damaged|did not speak|could not|too long|too slow|nothing came)"
    # What `cat` says goes into the file, whose digest tells.
    return Fault(_everywhere("did not arrive", said), prepare)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _odd_names(scene: Scene, place: str) -> None:
    name = 'it\'s $(touch pwned) `x` "ü" & <odd>'
    scene.model_name = name
    scene.options = f"&dir={quote(str(scene.folder / name))}"
    del place


# --- somebody else


def _second_user(scene: Scene) -> None:
    """Somebody else runs the same model there, at this very moment."""
    from edgeq.compiler.options import CompileOptions
    from edgeq.devices.base import ProfileOptions
    from edgeq.devices.registry import open_device

    direct = scene.server.write_config(name="direct")
    results: list[int] = []

    def use() -> None:
        model = next(scene.folder.glob("*.tflite"))
        address = f"ssh://device?config={direct}&wait=60&agent={scene.agent}"
        with open_device(address).open(model, CompileOptions()) as session:
            found = session.profile(ProfileOptions(runs=5, ops=False))
        results.append(found.latency_us.n)

    user = threading.Thread(target=use)
    user.start()

    def check() -> None:
        user.join(30)
        assert results == [5]

    scene.passes.append(check)


FAULTS: dict[str, Fault] = {
    "the link is reset": _link("reset"),
    "the link is half-closed": _link("half-close"),
    "the link stalls": _link("stall"),
    "the link is pulled": _link("pull"),
    "no space": Fault(
        # A device writes nothing but what is pushed to it.
        _everywhere("no space", UNHARMED), lambda scene, place: scene.mount("size=24m"), _fill
    ),
    "read-only": Fault(
        {
            "push": "-Linux refuses to make a file system read-only while a file is being written; "
            "see test_a_home_that_became_read_only",
            "run": UNHARMED,
            "result": UNHARMED,
        },
        _other_folder,
        _remount("ro"),
    ),
    "no programs may run": Fault(
        _everywhere("did not start|could not load", UNHARMED), _other_folder, _remount("noexec")
    ),
    "killed for memory": Fault(
        _everywhere("killed on the device.*memory"), strike=_kill_model, both_agents=True
    ),
    "the agent is killed": Fault(
        _everywhere("connection was lost|agent did not"), strike=_kill_agent, both_agents=True
    ),
    "everything ends and starts anew": Fault(
        _everywhere("connection was lost"), strike=_power_cut, both_agents=True
    ),
    "two at once": Fault(_everywhere(UNHARMED), strike=_second_user, both_agents=True),
    "hostile names": Fault(_everywhere(UNHARMED), _odd_names, both_agents=True),
    **{f"answers {lie}": _hostile(lie) for lie in LIES},
    "answers without end": Fault(
        {**_hostile("endless").cells, "push": "-it would fill the disk: see no space"},
        _hostile("endless").prepare,
    ),
    "answers a byte at a time": Fault(
        {**_hostile("trickle").cells, "push": "nothing came|takes no data"},
        _hostile("trickle").prepare,
    ),
    "answers nothing": Fault(
        {**_hostile("nothing").cells, "push": "nothing came|takes no data"},
        _hostile("nothing").prepare,
    ),
    "takes a byte at a time": Fault(
        {
            "push": "takes no data|nothing came",
            "run": "-the command is one line of a few hundred bytes",
            "result": "-what goes up then is a megabyte at most, which the kernel takes at once",
        },
        _hostile("sip").prepare,
    ),
    "the clock jumps": Fault(
        dict.fromkeys(PLACES, "-needs a machine with a clock of its own: see test_machines.py")
    ),
}  # fmt: skip


def cells() -> list[tuple[str, str, str]]:
    """(fault, place, agent) of every case that exists."""
    return [
        (name, place, agent)
        for name, fault in FAULTS.items()
        for place in PLACES
        if not fault.cells[place].startswith("-")
        for agent in (
            ("python", "native") if fault.both_agents and place != "push" else ("python",)
        )
    ]
