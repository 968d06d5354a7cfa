/* {{ name }} on Zephyr: self-test, then edgeq's serial protocol on the board's console port. */
#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>

#include "eq_app.h"
#include "eq_port.h"
{% if listener %}
#include "microphone.h"
{% endif %}

static const struct device *const port = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

void eq_port_put(uint8_t byte)
{
    uart_poll_out(port, byte);
}

int eq_port_get(void)
{
    unsigned char byte = 0;
    return uart_poll_in(port, &byte) == 0 ? byte : -1;
}

void eq_port_idle(void)
{
    k_yield();
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

#if !defined(CONFIG_CPU_CORTEX_M_HAS_DWT)
void eq_port_cycles_start(void)
{
}

uint32_t eq_port_cycles(void)
{
{% if target.clock_hz %}
    /* Zephyr counts by its timer, which on some chips is slower than the core: then nobody knows. */
    return sys_clock_hw_cycles_per_sec() < {{ target.clock_hz // 2 }} ? 0 : k_cycle_get_32();
{% else %}
    return k_cycle_get_32();
{% endif %}
}
#endif

int main(void)
{
    if (!device_is_ready(port)) {
        return -1;
    }
    (void)eq_app_selftest();
{% if listener %}
#if defined(CONFIG_AUDIO_DMIC)
    (void)microphone_listen(); /* if it fails, the protocol goes on */
#endif
{% endif %}
    for (;;) {
        eq_app_poll();
    }
}
