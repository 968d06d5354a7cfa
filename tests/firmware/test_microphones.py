"""From a microphone's DMA to events: the double buffer runs here, the frameworks' code compiles.

Against small headers that declare what each framework's public API offers; none of it replaces the
real SDK.
"""

import shutil
import subprocess

import numpy as np
import pytest

from edgeq.boards.cpu import PORTABLE
from edgeq.boards.target import load_target
from edgeq.compiler.options import CompileOptions
from edgeq.firmware.create import create_project
from edgeq.frontend.build import front_end
from tests.devices.test_replay import EARS, hear, passing
from tests.firmware.test_frameworks import BOARDS, C_FLAGS, COMPILERS, FLAGS, HEADERS
from tests.frontend.signals import recording
from tests.oracle.build import TensorSpec, single_op
from tests.tools import need

MICROPHONES = {
    "zephyr": {
        "zephyr/audio/dmic.h": "#include <stddef.h>\n#include <stdint.h>\n"
        "#include <zephyr/device.h>\nstruct k_mem_slab { int x; };\n"
        "#define DT_NODELABEL(label) label\n"
        "#define K_MEM_SLAB_DEFINE_STATIC(name, bytes, count, a) "
        "static struct k_mem_slab name = {(bytes) * (count)}\n"
        "struct pcm_stream_cfg { uint32_t pcm_rate; uint8_t pcm_width; uint16_t block_size; "
        "struct k_mem_slab *mem_slab; };\n"
        "struct pdm_io_cfg { uint32_t min_pdm_clk_freq, max_pdm_clk_freq; "
        "uint8_t min_pdm_clk_dc, max_pdm_clk_dc; };\n"
        "struct pdm_chan_cfg { uint32_t req_chan_map_lo; "
        "uint8_t req_num_chan, req_num_streams; };\n"
        "struct dmic_cfg { struct pdm_io_cfg io; struct pcm_stream_cfg *streams; "
        "struct pdm_chan_cfg channel; };\n"
        "enum pdm_lr { PDM_CHAN_RIGHT, PDM_CHAN_LEFT };\n"
        "enum dmic_trigger { DMIC_TRIGGER_STOP, DMIC_TRIGGER_START };\n"
        "uint32_t dmic_build_channel_map(uint8_t channel, uint8_t pdm, enum pdm_lr lr);\n"
        "int dmic_configure(const struct device *dev, struct dmic_cfg *config);\n"
        "int dmic_trigger(const struct device *dev, enum dmic_trigger cmd);\n"
        "int dmic_read(const struct device *dev, uint8_t stream, void **buffer, uint32_t *bytes, "
        "int32_t timeout);\nvoid k_mem_slab_free(struct k_mem_slab *slab, void *block);\n",
    },
    "esp-idf": {
        "driver/i2s_std.h": "#include <stddef.h>\n#include <stdint.h>\n"
        "enum { ESP_OK, GPIO_NUM_4 = 4, GPIO_NUM_5, GPIO_NUM_6, I2S_GPIO_UNUSED = -1 };\n"
        "typedef struct i2s_channel *i2s_chan_handle_t;\n"
        "typedef struct { int id; uint32_t dma_desc_num, dma_frame_num; } i2s_chan_config_t;\n"
        "typedef struct { uint32_t rate; } i2s_std_clk_config_t;\n"
        "typedef struct { int width; } i2s_std_slot_config_t;\n"
        "typedef struct { int mclk, bclk, ws, dout, din; } i2s_std_gpio_config_t;\n"
        "typedef struct { i2s_std_clk_config_t clk_cfg; i2s_std_slot_config_t slot_cfg; "
        "i2s_std_gpio_config_t gpio_cfg; } i2s_std_config_t;\n"
        "#define I2S_CHANNEL_DEFAULT_CONFIG(port, role) {0, 6, 240}\n"
        "#define I2S_STD_CLK_DEFAULT_CONFIG(hz) {hz}\n"
        "#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(width, mode) {32}\n"
        "int i2s_new_channel(const i2s_chan_config_t *c, i2s_chan_handle_t *tx, "
        "i2s_chan_handle_t *rx);\n"
        "int i2s_channel_init_std_mode(i2s_chan_handle_t h, const i2s_std_config_t *c);\n"
        "int i2s_channel_enable(i2s_chan_handle_t h);\n"
        "int i2s_channel_read(i2s_chan_handle_t h, void *to, size_t size, size_t *read, "
        "uint32_t ms);\n",
    },
    "pico-sdk": {
        "hardware/adc.h": "#include <stdbool.h>\n#include <stdint.h>\ntypedef unsigned int uint;\n"
        "typedef struct { volatile uint32_t fifo; } adc_hw_t;\nextern adc_hw_t *adc_hw;\n"
        "void adc_init(void);\nvoid adc_gpio_init(uint gpio);\nvoid adc_select_input(uint input);\n"
        "void adc_fifo_setup(bool en, bool dreq, uint16_t thresh, bool err, bool shift);\n"
        "void adc_set_clkdiv(float div);\nvoid adc_run(bool run);\n",
        "hardware/dma.h": "#include <hardware/adc.h>\n"
        "typedef struct { uint32_t ctrl; } dma_channel_config;\n"
        "enum { DMA_SIZE_16 = 1, DREQ_ADC };\n"
        "int dma_claim_unused_channel(bool required);\n"
        "dma_channel_config dma_channel_get_default_config(uint channel);\n"
        "void channel_config_set_transfer_data_size(dma_channel_config *c, int size);\n"
        "void channel_config_set_read_increment(dma_channel_config *c, bool incr);\n"
        "void channel_config_set_write_increment(dma_channel_config *c, bool incr);\n"
        "void channel_config_set_dreq(dma_channel_config *c, uint dreq);\n"
        "void channel_config_set_chain_to(dma_channel_config *c, uint chain_to);\n"
        "void dma_channel_configure(uint channel, const dma_channel_config *c, "
        "volatile void *write, const volatile void *read, uint32_t count, bool trigger);\n"
        "void dma_channel_set_irq0_enabled(uint channel, bool enabled);\n"
        "bool dma_channel_get_irq0_status(uint channel);\n"
        "void dma_channel_acknowledge_irq0(uint channel);\n"
        "void dma_channel_set_write_addr(uint channel, volatile void *write, bool trigger);\n"
        "void dma_channel_start(uint channel);\n",
        "hardware/irq.h": "#include <hardware/adc.h>\nenum { DMA_IRQ_0 = 11 };\n"
        "void irq_set_exclusive_handler(uint num, void (*handler)(void));\n"
        "void irq_set_enabled(uint num, bool enabled);\n",
    },
    "arduino": {
        "PDM.h": "#include <stddef.h>\nclass PDMClass {\npublic:\n"
        "    int begin(int channels, int rate);\n"
        "    int available();\n    int read(void *buffer, size_t size);\n"
        "    void onReceive(void (*function)(void));\n};\nextern PDMClass PDM;\n"
        "#include <Arduino.h>\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", MICROPHONES)
def test_every_source_compiles_without_a_warning(kind, tmp_path):
    options = CompileOptions(frontend=front_end(EARS))
    folder, target = tmp_path / "fw", load_target(BOARDS[kind])
    create_project(
        [passing(tmp_path)], folder, target=BOARDS[kind], template=kind, name="ears",
        options=options,
    )  # fmt: skip
    gcc = COMPILERS[target.toolchain]
    need(shutil.which(gcc[0]), gcc[0])
    include = tmp_path / "include"
    for name, text in {**HEADERS[kind], **MICROPHONES[kind]}.items():
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(f"#pragma once\n{text}")
    folders = sorted({header.parent for header in folder.rglob("*.h")})
    paths = [f"-I{path}" for path in [include, *folders]]
    defined = ["-DEQ_MICROPHONE=1", "-DCONFIG_AUDIO_DMIC=1"]
    named = ("microphone", "main.c", "eq_listen", "eq_app", "eq_models")
    sources = [path for ending in ("c", "ino") for path in folder.rglob(f"*.{ending}")]
    sources = [path for path in sources if any(name in path.name for name in named)]
    assert any("microphone" in path.name for path in sources)
    for source in sources:
        plain = source.suffix == ".c"
        compiler = [*gcc, *C_FLAGS] if plain else ["arm-none-eabi-g++", "-std=c++17"]
        command = [*compiler, *target.gcc_flags, *FLAGS, *paths, *defined, "-x",
                   "c" if plain else "c++", "-fsyntax-only", str(source)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["arduino", "zephyr"])
def test_what_moves_is_not_heard(kind, tmp_path):
    """One axis with a rate is no sound: it got the example of a microphone."""
    description = {"kind": "motion", "sample_rate": 50, "axes": 1, "unit": 0.001, "frame_step": 4}
    options = CompileOptions(
        frontend=front_end({**description, "frame_length": 16, "statistics": ["std", "peaks"]})
    )
    x, y = (TensorSpec((1, 2), "float32") for _ in range(2))
    (tmp_path / "net.tflite").write_bytes(single_op("MAXIMUM", [x, x], [y]))
    create_project(
        [tmp_path / "net.tflite"], tmp_path / "fw", target=BOARDS[kind], template=kind,
        name="moves", options=options,
    )  # fmt: skip
    assert not [path for path in (tmp_path / "fw").rglob("*") if "microphone" in path.name]


# Zephyr's driver for the nRF52840, as far as its blocks go: two are being filled, up to four wait,
# and where a block is full and there is no other, it stops and takes its own back.
DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/audio/dmic.h>
#include "eq_listen.h"
#include "microphone.h"
enum { MOST = 16, QUEUE = 4 };
const struct device console;
static int16_t memory[MOST][EQ_LISTEN_SAMPLES];
static int used[MOST], filling[2], queue[QUEUE], waiting, running, all, lost, heard;
static int16_t now, last;
static int take(void)
{
    for (int i = 0; i < all; i++) {
        if (!used[i]) {
            used[i] = 1;
            return i;
        }
    }
    return -1;
}
static void stop(void)
{
    for (int i = 0; i < 2 && running; i++) {
        used[filling[i]] = 0;
    }
    running = 0;
}
static void pass(int count)
{
    while (count-- > 0) {
        const int next = take();
        now++;
        if (!running || next < 0 || waiting == QUEUE) {
            stop();
            if (next >= 0) {
                used[next] = 0;
            }
            continue;
        }
        memory[filling[0]][0] = now;
        queue[waiting++] = filling[0];
        filling[0] = filling[1];
        filling[1] = next;
    }
}
bool device_is_ready(const struct device *dev) { (void)dev; return true; }
uint32_t dmic_build_channel_map(uint8_t channel, uint8_t pdm, enum pdm_lr lr)
{
    return channel + pdm + (uint32_t)lr;
}
int dmic_configure(const struct device *dev, struct dmic_cfg *config)
{
    (void)dev;
    all = config->streams->mem_slab->x / config->streams->block_size;
    return all > MOST;
}
int dmic_trigger(const struct device *dev, enum dmic_trigger cmd)
{
    (void)dev;
    if (cmd == DMIC_TRIGGER_STOP) {
        stop();
    } else if (!running) {
        filling[0] = take();
        filling[1] = take();
        running = 1;
    }
    return 0;
}
int dmic_read(const struct device *dev, uint8_t stream, void **block, uint32_t *bytes, int32_t ms)
{
    (void)dev;
    (void)stream;
    for (int passed = 0; !waiting && passed * 20 < ms; passed++) {
        pass(1);
    }
    if (!waiting) {
        return -11;
    }
    *block = memory[queue[0]];
    *bytes = sizeof memory[0];
    memmove(queue, queue + 1, (size_t)--waiting * sizeof queue[0]);
    return 0;
}
void k_mem_slab_free(struct k_mem_slab *slab, void *block)
{
    (void)slab;
    used[(int16_t(*)[EQ_LISTEN_SAMPLES])block - memory] = 0;
}
void eq_listen_samples(const int16_t *samples, uint32_t count)
{
    lost += samples[0] - last - 1;
    if (samples[0] <= last || count != EQ_LISTEN_SAMPLES) {
        exit(2);
    }
    last = samples[0];
    if (++heard == 100) {
        printf("lost %d", lost);
        exit(0);
    }
    pass(heard % 10 == 9 ? CALL : 0); /* a call of the model, in blocks */
}
int main(void) { return microphone_listen() != 0; }
"""


@pytest.mark.parametrize(("call", "lost"), [(4, 1), (8, 300)])
def test_zephyr_hears_again_after_a_call_that_took_too_long(call, lost, tmp_path):
    """The driver had stopped, and the firmware was deaf from then on."""
    options = CompileOptions(frontend=front_end(EARS))
    create_project(
        [passing(tmp_path)], tmp_path / "fw", target=BOARDS["zephyr"], template="zephyr",
        name="ears", options=options,
    )  # fmt: skip
    for name, text in {**HEADERS["zephyr"], **MICROPHONES["zephyr"]}.items():
        file = tmp_path / "include" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#pragma once\n{text}")
    (tmp_path / "driver.c").write_text(DRIVER)
    folder = tmp_path / "fw"
    source = next(folder.rglob("microphone.c"))
    folders = {file.parent for file in folder.rglob("*.h")}
    subprocess.run(
        ["gcc", f"-DCALL={call}", "-fsanitize=address,undefined", f"-I{tmp_path / 'include'}",
         *(f"-I{each}" for each in folders), source, tmp_path / "driver.c", "-o", "ears"],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    done = subprocess.run([tmp_path / "ears"], capture_output=True, text=True, check=True)
    assert int(done.stdout.removeprefix("lost ")) < lost


HALF = 320  # samples: 20 ms at 16 kHz

PORT = """
#include <stdio.h>
#include <string.h>
#include "eq_listen.h"
#include "eq_port.h"
static const int16_t sound[] = {%s};
void eq_port_put(uint8_t byte) { putchar(byte); }
int eq_port_get(void) { return -1; }
void eq_port_idle(void) {}
uint32_t eq_port_stack_bytes(void) { return 0; }
void eq_port_cycles_start(void) {}
uint32_t eq_port_cycles(void) { return 0; }
int main(void)
{
    const unsigned halves = sizeof sound / sizeof sound[0] / EQ_LISTEN_SAMPLES;
    for (unsigned i = 0; i < halves; i++) {
        memcpy(eq_listen_half(i), sound + i * EQ_LISTEN_SAMPLES, EQ_LISTEN_SAMPLES * 2);
        eq_listen_filled(i & 1u);
        if (i %% 7 == 6) {
            continue;
        } /* lost: the next one is full by then, and this one is being overwritten */
        eq_listen_poll();
    }
    printf("lost %%u", (unsigned)eq_listen_lost());
    printf(" of %%u", halves);
    return 0;
}
"""


def test_the_double_buffer_tells_what_it_loses_and_keeps_the_order(tmp_path):
    """A half that was not taken in time swapped all halves after it."""
    sound, path, front = recording(3, seed=2), passing(tmp_path), front_end(EARS)
    halves = sound[: len(sound) // HALF * HALF].reshape(-1, HALF)
    kept = [half for number, half in enumerate(halves) if number % 7 != 6]
    here = hear("c", path, front, np.concatenate(kept))
    options = CompileOptions(frontend=front)
    folder = tmp_path / "fw"
    create_project([path], folder, target=PORTABLE, template="sources", name="ears",
                   options=options)  # fmt: skip
    (folder / "port.c").write_text(PORT % ", ".join(map(str, sound)))
    sources = [file for file in folder.rglob("*.c") if file.name != "main.c"]
    command = [
        "gcc",
        "-std=c99",
        "-O1",
        "-Isrc",
        "-Imodel",
        *map(str, sources),
        "-lm",
        "-o",
        "ears",
    ]
    subprocess.run(command, cwd=folder, check=True)
    said = subprocess.run([folder / "ears"], capture_output=True, text=True, check=True).stdout
    lines = said.replace("\r\n", "\n").splitlines()
    wanted = [
        f"edgeq ears: {event.label}, score {event.score * 100 // 32768}%, sample {event.sample}"
        for event in here.events
    ]
    assert lines[:-1] == wanted
    assert len(wanted) > 5
    assert lines[-1] == f"lost {len(halves) - len(kept)} of {len(halves)}"
