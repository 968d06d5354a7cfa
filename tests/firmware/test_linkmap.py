"""Who owns what of a linked image."""

import subprocess

import pytest

from edgeq.firmware.linkmap import read_shares
from tests.firmware.boards import need_tools

# The declarations of firmware_templates/tflm/model.cc, without TensorFlow Lite Micro's own types.
TFLM_MODEL = """
#include <stdint.h>
#include <new>
namespace {
alignas(16) uint8_t arena[1024];
struct Known { uint16_t op, tensor; uint32_t bytes, crc; };
const Known known[] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {0, 0, 0, 0}};
struct Resolver { int ops[60]; };
struct Interpreter { int state[50]; };
Resolver &resolver() {
    alignas(Resolver) static uint8_t memory[sizeof(Resolver)];
    static Resolver *ops = nullptr;
    if (!ops) { ops = new (memory) Resolver; }
    return *ops;
}
Interpreter &interpreter() {
    alignas(Interpreter) static uint8_t memory[sizeof(Interpreter)];
    static Interpreter *instance = nullptr;
    if (!instance) { instance = new (memory) Interpreter; instance->state[0] = resolver().ops[1]; }
    return *instance;
}
}
extern "C" int kws_selftest(void) {
    static const uint8_t input_0[] = {1, 2, 3, 4, 5, 6, 7};
    int index = interpreter().state[0];
    arena[index] = input_0[index];
    return (int)known[index].crc;
}
extern "C" const unsigned char kws_model_data[500];
int main() { return kws_selftest() + kws_model_data[arena[9]]; }
"""
WEIGHTS = "extern const unsigned char kws_model_data[500] = {7};"


def test_the_parts_of_tensorflow_lite_micro(tmp_path):
    need_tools("arm-none-eabi-g++")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "kws.cc").write_text(TFLM_MODEL)
    (tmp_path / "model" / "kws_weights.cc").write_text(f'extern "C" {{ {WEIGHTS} }}')
    flags = "-mcpu=cortex-m4 -mthumb -O1 -fno-inline -ffunction-sections -fdata-sections"
    for name in ("kws", "kws_weights"):
        source = f"model/{name}.cc"
        command = ["arm-none-eabi-g++", *flags.split(), "-c", source, "-o", f"model/{name}.o"]
        subprocess.run(command, cwd=tmp_path, check=True)
    command = "arm-none-eabi-g++ -mcpu=cortex-m4 -mthumb --specs=nosys.specs -Wl,-Map=a.map"
    objects = ["model/kws.o", "model/kws_weights.o"]
    subprocess.run(
        [*command.split(), *objects, "-o", "a.elf"], cwd=tmp_path, check=True, capture_output=True
    )
    shares = {share.owner: share for share in read_shares(tmp_path / "a.map")}
    assert shares["model"].ram_bytes == 1024  # the arena
    assert shares["model"].flash_bytes == 500
    assert shares["runtime"].ram_bytes == 240 + 4 + 200 + 4
    assert shares["golden"].flash_bytes >= 36 + 7
    assert shares["kernels"].ram_bytes == 0


MODEL = """
#include <string.h>
static unsigned char kws_arena[300];
extern const unsigned char kws_table[700];
int kws_invoke(int n);
int kws_invoke(int n) { memcpy(kws_arena, kws_table, (unsigned)n); return kws_arena[n]; }
"""


@pytest.mark.parametrize(
    ("folder", "library"),
    [
        ("esp-idf/model", "libmodel.a"),
        ("modules/kws", "libkws.a"),
        ("modules/mykws", "libmykws.a"),
        ("CMakeFiles/kws_tflm.dir/model", ""),
    ],
)
def test_the_parts_of_a_model_that_a_build_system_puts_into_a_library(folder, library, tmp_path):
    """A name that begins as that of C's library is none of C's; a project's name says nothing."""
    need_tools("arm-none-eabi-gcc")
    texts = {
        "calibcnn": MODEL,
        "calibcnn_weights": "extern const unsigned char kws_table[700]; "
        "const unsigned char kws_table[700] = {1};",
        "eq_serial": "int kws_invoke(int n); int main(void) { return kws_invoke(7); }",
    }
    (tmp_path / folder).mkdir(parents=True)
    cpu = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-ffunction-sections", "-fdata-sections"]
    for name, text in texts.items():
        (tmp_path / folder / f"{name}.c").write_text(text)
        command = ["arm-none-eabi-gcc", *cpu, "-c", f"{name}.c", "-o", f"{name}.c.obj"]
        subprocess.run(command, cwd=tmp_path / folder, check=True)
    objects = [f"{folder}/{name}.c.obj" for name in texts]
    if library:
        archive = f"{folder}/{library}"
        subprocess.run(["arm-none-eabi-ar", "qc", archive, *objects], cwd=tmp_path, check=True)
        objects = ["-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"]
    command = ["arm-none-eabi-gcc", *cpu[:2], "--specs=nosys.specs", "-Wl,-Map=a.map", *objects]
    subprocess.run([*command, "-o", "a.elf"], cwd=tmp_path, check=True, capture_output=True)
    found = read_shares(tmp_path / "a.map", library)
    shares = {share.owner: share for share in found}
    assert (shares["model"].flash_bytes, shares["model"].ram_bytes) == (700, 300)
    assert 0 < shares["kernels"].flash_bytes < 100
    assert 0 < shares["harness"].flash_bytes < 100
    assert shares["runtime"].flash_bytes == 0
    assert shares["libc"].flash_bytes > 100
