"""Where `int` has 16 bits the C gives the same bytes, and no warning: on an emulated ATmega2560.

Float ops are left out: avr-gcc's double has 32 bits.
"""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeq.boards.cpu import PORTABLE
from edgeq.compiler.compilation import generate
from edgeq.errors import EdgeqError
from edgeq.model.model_file import parse_graph
from tests.oracle.check import WARNINGS, run_c
from tests.oracle.fuzz import generators
from tests.tools import need

RAM_BYTES = 7600  # of 8 KB; constants lie there as well
FEWEST_CALLED = 60
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


def call(case, sources, folder):
    """Outputs of the case's last call on the emulated chip; None if it does not fit there."""
    for name, text in sources.files.items():
        (folder / name).write_text(text)
    arrays, lines = [], []
    for number, (entry, value) in enumerate(
        zip(sources.manifest["inputs"], case.calls[-1], strict=True)
    ):
        content = np.ascontiguousarray(value).tobytes()
        accessor = "m_input" + (f"_{number}" if number else "")
        arrays.append(f"static const uint8_t in{number}[] = {{{', '.join(map(str, content))}}};")
        lines.append(f"    memcpy({accessor}(), in{number}, {entry['bytes']});")
    lines.append("    m_invoke();")
    for number, entry in enumerate(sources.manifest["outputs"]):
        accessor = "m_output" + (f"_{number}" if number else "")
        lines.append(f"    dump({accessor}(), {entry['bytes']});")
    (folder / "main.c").write_text(MAIN % ("\n".join(arrays), "\n".join(lines)))
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-Os", "-c", *WARNINGS]
    ours = [name for name in sources.files if name.endswith(".c")]
    subprocess.run([*command, *ours], cwd=folder, check=True)
    objects = [f"{Path(name).stem}.o" for name in ours]
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=c99", "-Os", "-Wl,--gc-sections"]
    linked = subprocess.run(
        [*command, "main.c", *objects, "-o", "m.elf", "-lm"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "is not within region `data'" in linked.stderr:
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
    assert said.endswith("E"), f"{case.name}: {plain[-500:]}"
    return [bytes.fromhex(text) for text in said[:-1].split("Z")[:-1]]


@pytest.mark.slow
def test_integer_ops_give_the_same_bytes_where_int_has_16_bits(tmp_path):
    need(shutil.which("avr-gcc"), "avr-gcc")
    need(shutil.which("simavr"), "simavr")
    cases, found = [], []
    for number, make in enumerate(generators().values()):
        case = make(np.random.default_rng(number), 2)
        if any(tensor.dtype == "float32" for tensor in parse_graph(case.model).main.tensors):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.tflite").write_bytes(case.model)
        try:
            sources = generate(folder / "model.tflite", name="m", target=PORTABLE)
        except EdgeqError:
            continue
        outputs = call(case, sources, folder)
        if outputs is not None:
            cases.append(replace(case, calls=case.calls[-1:], target=PORTABLE))
            found.append(outputs)
    assert len(cases) > FEWEST_CALLED
    wrong = [
        case.name
        for case, outputs, (verdict, here) in zip(cases, found, run_c(cases), strict=True)
        if verdict != "ran" or outputs != list(here[0])
    ]
    assert not wrong
