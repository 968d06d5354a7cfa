/* An I2S microphone on ESP-IDF. The driver's DMA fills one of its two buffers while the other is
 * read; microphones such as INMP441 put 24 bits at the top of 32. */
#include "microphone.h"

#include "driver/i2s_std.h"
#include "freertos/FreeRTOS.h"

#include "eq_listen.h"

#ifndef EQ_I2S_BCLK
#define EQ_I2S_BCLK GPIO_NUM_4
#define EQ_I2S_WS GPIO_NUM_5
#define EQ_I2S_DIN GPIO_NUM_6
#endif

static int32_t words[EQ_LISTEN_SAMPLES];
static int16_t samples[EQ_LISTEN_SAMPLES];

void microphone_listen(void)
{
    i2s_chan_handle_t microphone = NULL;
    i2s_chan_config_t channel = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_AUTO, I2S_ROLE_MASTER);
    channel.dma_desc_num = 2;
    channel.dma_frame_num = EQ_LISTEN_SAMPLES;
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(EQ_LISTEN_RATE),
        .slot_cfg =
            I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = EQ_I2S_BCLK,
                     .ws = EQ_I2S_WS,
                     .dout = I2S_GPIO_UNUSED,
                     .din = EQ_I2S_DIN},
    };
    if (i2s_new_channel(&channel, NULL, &microphone) != ESP_OK ||
        i2s_channel_init_std_mode(microphone, &config) != ESP_OK ||
        i2s_channel_enable(microphone) != ESP_OK) {
        return;
    }
    size_t bytes = 0;
    while (i2s_channel_read(microphone, words, sizeof words, &bytes, 1000) == ESP_OK) {
        const uint32_t count = (uint32_t)(bytes / sizeof words[0]);
        for (uint32_t i = 0; i < count; i++) {
            samples[i] = (int16_t)(words[i] >> 16);
        }
        eq_listen_samples(samples, count);
    }
}
