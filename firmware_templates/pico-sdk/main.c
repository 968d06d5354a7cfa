/* {{ name }} on the Pico SDK: self-test, then edgeq's serial protocol over USB or the UART. */
#include "hardware/clocks.h"
#include "pico/stdlib.h"

#include "eq_app.h"
#include "eq_port.h"
{% if listener %}
#if defined(EQ_MICROPHONE)
#include "microphone.h"
#endif
{% endif %}

void eq_port_put(uint8_t byte)
{
    putchar_raw(byte);
}

int eq_port_get(void)
{
    const int byte = getchar_timeout_us(0);
    return byte == PICO_ERROR_TIMEOUT ? -1 : byte;
}

void eq_port_idle(void)
{
    tight_loop_contents();
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

void eq_port_cycles_start(void)
{
}

/* The timer runs from the same crystal as the core. */
uint32_t eq_port_cycles(void)
{
    return time_us_32() * (clock_get_hz(clk_sys) / 1000000U);
}

int main(void)
{
    stdio_init_all();
#if defined(LIB_PICO_STDIO_USB)
    /* Up to three seconds for somebody to listen. */
    for (int i = 0; i < 30 && !stdio_usb_connected(); i++) {
        sleep_ms(100);
    }
#endif
    (void)eq_app_selftest();
{% if listener %}
#if defined(EQ_MICROPHONE)
    microphone_listen();
#endif
{% endif %}
    for (;;) {
        eq_app_poll();
    }
}
