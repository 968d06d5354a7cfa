"""Generated C on an emulated ATmega2560, whose `int` has 16 bits."""

import re
import subprocess
from pathlib import Path

from tests.oracle.check import WARNINGS

RAM_BYTES = 7600  # of 8 KB; constants lie there as well
MAIN = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <string.h>
#include "m.h"

%s
static void put(char c)
{
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = (uint8_t)c;
}

static void dump(const void *data, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        const uint8_t byte = ((const uint8_t *)data)[i];
        put("0123456789abcdef"[byte >> 4]);
        put("0123456789abcdef"[byte & 15]);
        if (i %% 32 == 31) {
            put('\\n'); /* the emulator cuts longer lines */
        }
    }
    put('Z');
    put('\\n');
}

int main(void)
{
    UCSR0B = 1 << TXEN0;
%s
    put('E');
    put('\\n');
    cli();
    sleep_cpu(); /* without interrupts: the emulator ends */
    return 0;
}
"""


def heard(sources, folder, arrays, body):
    """What a program says on the emulated chip, `dump` by `dump`; None if it does not fit there.

    Args:
        sources: The generated C of a model named `m`.
        folder: Where to build.
        arrays: Declarations before `main`.
        body: What `main` does.
    """
    for name, text in sources.files.items():
        (folder / name).write_text(text)
    (folder / "main.c").write_text(MAIN % (arrays, body))
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-Os", "-c", *WARNINGS]
    ours = [name for name in sources.files if name.endswith(".c")]
    subprocess.run([*command, *ours], cwd=folder, check=True)
    objects = [f"{Path(name).stem}.o" for name in ours]
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-Os", "-Wl,--gc-sections"]
    linked = subprocess.run(
        [*command, "main.c", *objects, "-o", "m.elf", "-lm"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if re.search("is not within region|will not fit in region", linked.stderr):
        return None
    assert linked.returncode == 0, linked.stderr
    listed = subprocess.run(
        ["avr-size", "-A", "m.elf"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    if sum(int(size) for size in re.findall(r"^\.(?:data|bss)\s+(\d+)", listed, re.M)) > RAM_BYTES:
        return None
    done = subprocess.run(
        ["simavr", "-m", "atmega2560", "-f", "16000000", "m.elf"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    # What the chip prints comes in colour, lines with a full stop behind them.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    said = "".join(re.findall(r"^([0-9a-fEZ]*)\.\r?$", plain, re.M))
    assert said.endswith("E"), plain[-500:]
    return [bytes.fromhex(text) for text in said[:-1].split("Z")[:-1]]
