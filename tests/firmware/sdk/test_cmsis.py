"""A project of plain sources in an IDE's place: Arm's own start-up and headers, where CMSIS_PATH
says that there is a CMSIS 5; built with gcc, run in QEMU.
"""

import os
import subprocess
from pathlib import Path

import pytest

from edgeq.firmware.create import create_project
from tests.firmware.boards import need_tools, say

CMSIS = Path(os.environ.get("CMSIS_PATH", "/nowhere"))
DEVICE = CMSIS / "Device" / "ARM" / "ARMCM4"
pytestmark = pytest.mark.skipif(
    not (DEVICE / "Source" / "startup_ARMCM4.c").is_file(),
    reason="needs CMSIS 5: CMSIS_PATH, its folder with CMSIS/ and Device/",
)

# What the README asks the user for: a main() and the six functions, here with CMSIS's registers
# for the cycle counter and the UART of the emulated board (CMSDK APB UART, Arm DDI 0479).
PORT = """
#include "ARMCM4.h"
#include "eq_port.h"

void app_main_loop(void);
#define UART ((volatile uint32_t *)0x40004000u)

void eq_port_put(uint8_t byte)
{
    while (UART[1] & 1u) {
    }
    UART[0] = byte;
}

int eq_port_get(void)
{
    return UART[1] & 2u ? (int)(UART[0] & 0xFFu) : -1;
}

void eq_port_cycles_start(void)
{
    CoreDebug->DEMCR |= CoreDebug_DEMCR_TRCENA_Msk;
    DWT->CTRL |= DWT_CTRL_CYCCNTENA_Msk;
}

uint32_t eq_port_cycles(void)
{
    return DWT->CYCCNT;
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

void eq_port_idle(void)
{
}

int main(void)
{
    UART[4] = 217; /* 25 MHz to 115200 */
    UART[2] = 3;
    app_main_loop();
    return 0;
}
"""


def test_the_sources_pass_with_arms_own_startup(models, tmp_path):
    need_tools("arm-none-eabi-gcc")
    folder = tmp_path / "fw"
    model = models / "sww_int8.tflite"
    create_project([model], folder, target="cortex-m4", template="sources", name="sww")
    (folder / "port.c").write_text(PORT)
    includes = [CMSIS / "CMSIS" / "Core" / "Include", DEVICE / "Include"]
    includes += [folder / "src", folder / "model"]
    ours = [*folder.rglob("*.c")]
    theirs = [DEVICE / "Source" / name for name in ("startup_ARMCM4.c", "system_ARMCM4.c")]
    elf = folder / "sww.elf"
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-O2", "-DARMCM4", "-Wall"]
    command += ["-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    command += ["--specs=nano.specs", "--specs=nosys.specs", "-Wl,--no-warnings"]
    command += ["-T", str(DEVICE / "Source" / "GCC" / "gcc_arm.ld"), *(f"-I{p}" for p in includes)]
    done = subprocess.run(
        [*command, *map(str, [*theirs, *ours]), "-o", str(elf)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "edgeq sww: self-test PASS" in say(elf, "qemu-mps2-an386", "PASS|FAIL")
