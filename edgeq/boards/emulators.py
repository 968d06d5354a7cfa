"""How an emulated board is started: the command line of QEMU for a firmware image."""

from __future__ import annotations

from edgeq.boards.target import Target


def qemu_command(target: Target, image: str) -> list[str] | None:
    """The command that boots `image` (ELF) in QEMU, its serial port behind a pseudo-terminal.

    QEMU prints the terminal's name, and the image waits until something opens it.

    Returns:
        The words of the command; None where QEMU has no such board.
    """
    machine = target.emulators.get("qemu")
    if machine is None:
        return None
    program, name = "arm", machine
    if machine.startswith("riscv"):
        program, _, name = machine.partition("-")
    bios = ["-bios", "none"] if program != "arm" else []
    return [
        f"qemu-system-{program}", "-M", name, *bios,
        "-display", "none", "-monitor", "none", "-serial", "pty", "-kernel", image,
    ]  # fmt: skip
