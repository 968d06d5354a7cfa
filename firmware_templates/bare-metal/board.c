#include "board.h"

#include "eq_port.h"

extern uint32_t eq_stack_limit[];
extern uint32_t eq_stack_top[];

enum { STACK_PAINT = 0x5AA55AA5 }; /* start-up code fills the stack with it */

void board_init(void)
{
{% for step in uart.setup %}
{% set register = "REGISTER%d(0x%08XU)" | format(step.width, step.address) %}
{% if step.wait %}
    while (({{ register }} & 0x{{ "%X" | format(step.set) }}U) != 0x{{ "%X" | format(step.set) }}U) {
    }
{% elif step.clear == step.full %}
    {{ register }} = 0x{{ "%X" | format(step.set) }}U;
{% elif step.width == 32 %}
    {{ register }} = ({{ register }} & ~0x{{ "%X" | format(step.clear) }}U) | 0x{{ "%X" | format(step.set) }}U;
{% else %}
    {{ register }} = (uint{{ step.width }}_t)(({{ register }} & ~0x{{ "%X" | format(step.clear) }}U) | 0x{{ "%X" | format(step.set) }}U);
{% endif %}
{% endfor %}
    uart_init();
}

void eq_port_put(uint8_t byte)
{
    uart_put(byte);
}

int eq_port_get(void)
{
    return uart_get();
}

uint32_t eq_port_stack_bytes(void)
{
    const uint32_t *word = eq_stack_limit;
    while (word < eq_stack_top && *word == (uint32_t)STACK_PAINT) {
        word++;
    }
    return (uint32_t)(eq_stack_top - word) * (uint32_t)sizeof *word;
}
