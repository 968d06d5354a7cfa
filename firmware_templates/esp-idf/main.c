/* {{ name }} on ESP-IDF: self-test, then edgeq's serial protocol on UART 0. */
#include "sdkconfig.h"

#include "eq_app.h"
#include "eq_port.h"

#if defined(CONFIG_IDF_TARGET_LINUX)
/* On a computer (idf.py --preview set-target linux) the self-test is all; 0 when it passes. */
#include <stdio.h>
#include <stdlib.h>

void app_main(void);

void eq_port_put(uint8_t byte)
{
    putchar(byte);
}

int eq_port_get(void)
{
    return -1;
}

void eq_port_idle(void)
{
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

void eq_port_cycles_start(void)
{
}

uint32_t eq_port_cycles(void)
{
    return 0;
}

void app_main(void)
{
    exit(eq_app_selftest());
}
#else
#include "driver/uart.h"
#include "esp_cpu.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
{% if listener %}
#if defined(EQ_MICROPHONE)
#include "microphone.h"
#endif
{% endif %}

void eq_port_put(uint8_t byte)
{
    uart_write_bytes(UART_NUM_0, &byte, 1);
}

int eq_port_get(void)
{
    uint8_t byte = 0;
    return uart_read_bytes(UART_NUM_0, &byte, 1, 0) == 1 ? byte : -1;
}

void eq_port_idle(void)
{
    vTaskDelay(1);
}

uint32_t eq_port_stack_bytes(void)
{
    return 0;
}

void eq_port_cycles_start(void)
{
}

uint32_t eq_port_cycles(void)
{
    return (uint32_t)esp_cpu_get_cycle_count();
}

void app_main(void)
{
    const uart_config_t config = {
        .baud_rate = 115200,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
    };
    uart_param_config(UART_NUM_0, &config);
    uart_driver_install(UART_NUM_0, 1024, 0, 0, NULL, 0);
    (void)eq_app_selftest();
{% if listener %}
#if defined(EQ_MICROPHONE)
    microphone_listen(); /* if it fails, the protocol goes on */
#endif
{% endif %}
    for (;;) {
        eq_app_poll();
    }
}
#endif
