/* A PDM microphone on Zephyr. The driver's DMA fills one block of the slab while others are taken;
 * the board's overlay says which device is `dmic_dev`. */
#include "microphone.h"

#include <stdbool.h>
#include <string.h>

#include <zephyr/audio/dmic.h>
#include <zephyr/device.h>
#include <zephyr/kernel.h>

#include "eq_listen.h"

#define BLOCK_BYTES (EQ_LISTEN_SAMPLES * 2)
/* Two in the hands of the DMA, four in the driver's queue, one that is copied: while a call of the
 * model takes no longer than four blocks last (80 ms), nothing is lost. */
#define BLOCKS 7
#define FIRST_MS 1000
#define NEXT_MS 200

K_MEM_SLAB_DEFINE_STATIC(blocks, BLOCK_BYTES, BLOCKS, 4);
static const struct device *const microphone = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
static int16_t samples[EQ_LISTEN_SAMPLES];

int microphone_listen(void)
{
    struct pcm_stream_cfg stream = {
        .pcm_rate = EQ_LISTEN_RATE,
        .pcm_width = 16,
        .block_size = BLOCK_BYTES,
        .mem_slab = &blocks,
    };
    struct dmic_cfg config = {
        .io = {.min_pdm_clk_freq = 1000000,
               .max_pdm_clk_freq = 3500000,
               .min_pdm_clk_dc = 40,
               .max_pdm_clk_dc = 60},
        .streams = &stream,
        .channel = {.req_num_chan = 1, .req_num_streams = 1},
    };
    config.channel.req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT);
    if (!device_is_ready(microphone) || dmic_configure(microphone, &config) < 0 ||
        dmic_trigger(microphone, DMIC_TRIGGER_START) < 0) {
        return -1;
    }
    for (bool heard = false;;) {
        void *block = NULL;
        uint32_t bytes = 0;
        if (dmic_read(microphone, 0, &block, &bytes, heard ? NEXT_MS : FIRST_MS) < 0) {
            /* Drivers stop where they find no free block, as after a call that took longer. */
            if (!heard || dmic_trigger(microphone, DMIC_TRIGGER_STOP) < 0 ||
                dmic_trigger(microphone, DMIC_TRIGGER_START) < 0) {
                return -1;
            }
            heard = false;
            continue;
        }
        heard = true;
        bytes = bytes < sizeof(samples) ? bytes : sizeof(samples);
        memcpy(samples, block, bytes);
        k_mem_slab_free(&blocks, block);
        eq_listen_samples(samples, bytes / 2U);
    }
}
