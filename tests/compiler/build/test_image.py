import pytest

from edgeq.boards.target import load_target
from edgeq.compiler.build.image import MemoryMap, link_image
from edgeq.compiler.build.toolchain import cross_toolchain
from edgeq.errors import EdgeqError

_SOURCE = """
#include <stdint.h>
#include <string.h>
static const uint8_t m_weights[1000] = {1};
static uint8_t m_arena[2048];
static uint32_t counter = 7;
int m_invoke(void);
int unused(void);
int unused(void) { return 99; }
int m_invoke(void)
{
    uint8_t sum = 0;
    memset(m_arena, m_arena[5], sizeof(m_arena));
    for (int i = 0; i < 1000; i++) { sum = (uint8_t)(sum + m_weights[i] * m_arena[i]); }
    return sum + (int)counter++;
}
"""
_FLAGS = ["-std=c99", "-O2", "-ffunction-sections", "-fdata-sections", "-fno-common"]


def _link(cpu, memory):
    toolchain = cross_toolchain(load_target(cpu))
    files = {"m.c": _SOURCE}
    return link_image(
        toolchain, files, memory, flags=_FLAGS, roots=["m_invoke", "m_reset"], entry="m_invoke"
    )


@pytest.mark.parametrize("toolchain", ["auto", "zig"])
@pytest.mark.parametrize(
    "cpu", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"]
)
def test_sizes(cpu, toolchain, monkeypatch):
    monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
    image = _link(cpu, MemoryMap(0x08000000, 1 << 20, 0x20000000, 1 << 20))
    sizes = image.sizes("m_arena")
    assert sizes.arena == 2048
    assert 1000 + 4 <= sizes.flash_const <= 1000 + 32
    assert 4 <= sizes.static <= 16
    assert 40 < sizes.flash_code < 2000
    assert "unused" not in image.symbols
    assert "memset" in image.symbols
    assert image.symbol_at(image.symbols["m_invoke"][0] + 2) == "m_invoke"


def test_riscv(monkeypatch):
    memory = MemoryMap(0x08000000, 1 << 20, 0x20000000, 1 << 20)
    for toolchain in ("auto", "zig"):
        monkeypatch.setenv("EDGEQ_TOOLCHAIN", toolchain)
        assert _link("rv32imc", memory).sizes("m_arena").arena == 2048


def test_a_model_that_does_not_fit_is_an_error():
    with pytest.raises(EdgeqError, match="RAM"):
        _link("cortex-m4", MemoryMap(0x08000000, 1 << 20, 0x20000000, 1024))
