"""A CPU and its memory in Unicorn: load an image, call its functions, look at the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.compiler.build.image import Image, MemoryMap
from edgeq.errors import MissingDependency

# Flash and RAM are as large as they need to be: whether a model fits is said by its sizes, not by
# a fault. Addresses are those of real chips, and nothing lies at 0.
MEMORY = MemoryMap(flash=0x08000000, flash_bytes=64 << 20, ram=0x20000000, ram_bytes=64 << 20)
STACK_TOP = 0x30010000
STACK_BYTES = 0x10000
# Functions return to here, where emulation ends.
_STOP = 0x10000000
_PAGE = 4096
_PAINT = b"\xa5"


@dataclass(frozen=True)
class Core:
    """How Unicorn calls a CPU.

    Attributes:
        arch: "arm" or "riscv".
        model: Name of the CPU model constant; empty for Unicorn's default.
        always_aligned: Whether every access has to be aligned.
    """

    arch: str
    model: str = ""
    always_aligned: bool = False


# Room for translated code; Unicorn's own 1 GiB ends the process where address space is limited.
_TRANSLATED_BYTES = 64 << 20

# Not UC_MODE_MCLASS: with it, Unicorn ignores the CPU model.
CORES = {
    "cortex-m0plus": Core("arm", "UC_CPU_ARM_CORTEX_M0", always_aligned=True),
    "cortex-m3": Core("arm", "UC_CPU_ARM_CORTEX_M3"),
    "cortex-m4": Core("arm", "UC_CPU_ARM_CORTEX_M4"),
    "cortex-m7": Core("arm", "UC_CPU_ARM_CORTEX_M7"),
    "cortex-m33": Core("arm", "UC_CPU_ARM_CORTEX_M33"),
    # RV32IMC cores may trap unaligned accesses, and most small ones do.
    "rv32imc": Core("riscv", always_aligned=True),
    "rv32imac": Core("riscv", always_aligned=True),
}


class EmulationError(Exception):
    """Unicorn stopped where it should not have.

    Attributes:
        text: Unicorn's own words.
        pc: Where the program was.
        access: The access that failed, if it was one: ("reads" or "writes", address, bytes).
    """

    def __init__(self, text: str, pc: int, access: tuple[str, int, int] | None) -> None:
        super().__init__(text)
        self.text = text
        self.pc = pc
        self.access = access


class Machine:
    """One emulated CPU with an image in its memory."""

    def __init__(self, image: Image, core: Core) -> None:
        try:
            import unicorn
            from unicorn import arm_const, riscv_const
        except ImportError as error:
            install = "pip install 'edgeq[firmware]'"
            raise MissingDependency("unicorn", "the sim devices", install, error) from None
        self.image = image
        self._failed: tuple[str, int, int] | None = None
        if core.arch == "arm":
            self.engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
            self.engine.ctl_set_tcg_buffer_size(_TRANSLATED_BYTES)
            self.engine.ctl_set_cpu_model(getattr(arm_const, core.model))
            names = [getattr(arm_const, f"UC_ARM_REG_{name}") for name in ("PC", "SP", "LR", "R0")]
        else:
            self.engine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
            self.engine.ctl_set_tcg_buffer_size(_TRANSLATED_BYTES)
            names = [getattr(riscv_const, f"UC_RISCV_REG_{n}") for n in ("PC", "SP", "RA", "A0")]
        self.pc_register, self._sp, self._link, self._result = names
        self._thumb = 1 if core.arch == "arm" else 0
        self.status_register = arm_const.UC_ARM_REG_CPSR if core.arch == "arm" else -1
        self._error = unicorn.UcError
        self._map(unicorn)
        self.engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self._writes = (unicorn.UC_MEM_WRITE_UNMAPPED, unicorn.UC_MEM_WRITE_PROT)

    def call(self, function: str) -> int:
        """What a function without arguments returns.

        Raises:
            EmulationError: It did something that the CPU or the memory map does not allow.
        """
        self.engine.reg_write(self._sp, STACK_TOP)
        self.engine.reg_write(self._link, _STOP | self._thumb)
        self._failed = None
        start = self.image.symbols[function][0]
        try:
            self.engine.emu_start(start | self._thumb, _STOP)
        except self._error as error:
            pc = self.engine.reg_read(self.pc_register)
            raise EmulationError(str(error), pc, self._failed) from None
        result: int = self.engine.reg_read(self._result)
        return result

    def has(self, function: str) -> bool:
        """Whether the image has a function of this name."""
        return function in self.image.symbols

    def read(self, address: int, count: int) -> bytes:
        """`count` bytes of memory."""
        return bytes(self.engine.mem_read(address, count))

    def write(self, address: int, data: bytes) -> None:
        """Put bytes into memory."""
        self.engine.mem_write(address, data)

    def ram(self) -> list[tuple[int, bytes]]:
        """Address and content of everything that the program can change, without the stack."""
        return [
            (section.start, self.read(section.start, section.end - section.start))
            for section in self.image.sections
            if section.writable
        ]

    def paint_stack(self) -> None:
        """Fill the stack with a pattern, so that `stack_used` sees what was touched."""
        self.write(STACK_TOP - STACK_BYTES, _PAINT * STACK_BYTES)

    def stack_used(self) -> int:
        """Bytes between the top of the stack and the lowest one that lost its paint."""
        content = self.read(STACK_TOP - STACK_BYTES, STACK_BYTES)
        # In whole words: a stored one may begin with a byte that looks like paint.
        return -(-len(content.lstrip(_PAINT)) // 4) * 4

    def _map(self, unicorn: Any) -> None:
        read, write, execute = unicorn.UC_PROT_READ, unicorn.UC_PROT_WRITE, unicorn.UC_PROT_EXEC
        for writable, rights in ((False, read | execute), (True, read | write)):
            group = [part for part in self.image.sections if part.writable == writable]
            if group:
                start = min(part.start for part in group) // _PAGE * _PAGE
                length = max(part.end for part in group) - start
                self.engine.mem_map(start, -(-length // _PAGE) * _PAGE, rights)
        for section in self.image.sections:
            if section.content:
                self.engine.mem_write(section.start, section.content)
        self.engine.mem_map(STACK_TOP - STACK_BYTES, STACK_BYTES, read | write)
        self.engine.mem_map(_STOP, _PAGE, read | execute)

    def _on_invalid_access(
        self, engine: Any, kind: int, address: int, count: int, value: int, user: Any
    ) -> bool:
        del engine, value, user
        self._failed = ("writes" if kind in self._writes else "reads", address, count)
        return False
