/* A microphone with an analogue output on GPIO 26. Two DMA channels start each other: while one
 * fills its half, the other's half is taken. */
#include "microphone.h"

#include "hardware/adc.h"
#include "hardware/dma.h"
#include "hardware/irq.h"

#include "eq_listen.h"

enum { ADC_CLOCK_HZ = 48000000, ADC_GPIO = 26, ADC_MIDDLE = 2048 };

static uint channels[2];

static void on_half(void)
{
    for (unsigned half = 0; half < 2U; half++) {
        if (!dma_channel_get_irq0_status(channels[half])) {
            continue;
        }
        dma_channel_acknowledge_irq0(channels[half]);
        int16_t *samples = eq_listen_half(half);
        for (unsigned i = 0; i < (unsigned)EQ_LISTEN_SAMPLES; i++) {
            samples[i] = (int16_t)((samples[i] - ADC_MIDDLE) * 16); /* 12 bits become 16 */
        }
        dma_channel_set_write_addr(channels[half], samples, false);
        eq_listen_filled(half);
    }
}

void microphone_listen(void)
{
    adc_init();
    adc_gpio_init(ADC_GPIO);
    adc_select_input(0);
    adc_fifo_setup(true, true, 1, false, false);
    adc_set_clkdiv((float)ADC_CLOCK_HZ / (float)EQ_LISTEN_RATE - 1.0F);
    for (unsigned half = 0; half < 2U; half++) {
        channels[half] = (uint)dma_claim_unused_channel(true);
    }
    for (unsigned half = 0; half < 2U; half++) {
        dma_channel_config config = dma_channel_get_default_config(channels[half]);
        channel_config_set_transfer_data_size(&config, DMA_SIZE_16);
        channel_config_set_read_increment(&config, false);
        channel_config_set_write_increment(&config, true);
        channel_config_set_dreq(&config, DREQ_ADC);
        channel_config_set_chain_to(&config, channels[1U - half]);
        dma_channel_configure(channels[half], &config, eq_listen_half(half), &adc_hw->fifo,
                              EQ_LISTEN_SAMPLES, false);
        dma_channel_set_irq0_enabled(channels[half], true);
    }
    irq_set_exclusive_handler(DMA_IRQ_0, on_half);
    irq_set_enabled(DMA_IRQ_0, true);
    dma_channel_start(channels[0]);
    adc_run(true);
    for (;;) {
        eq_listen_poll();
    }
}
