/* Serial port of Arm's Cortex-M System Design Kit (DDI 0479, 4.4). */
#include "board.h"

#define DATA REGISTER32(UART_BASE + 0x00U)
#define STATE REGISTER32(UART_BASE + 0x04U)
#define CTRL REGISTER32(UART_BASE + 0x08U)
#define BAUDDIV REGISTER32(UART_BASE + 0x10U)

void uart_init(void)
{
    BAUDDIV = UART_CLOCK_HZ / UART_BAUD;
    CTRL = 3; /* transmitter and receiver */
}

void uart_put(uint8_t byte)
{
    while ((STATE & 1U) != 0U) {
    }
    DATA = byte;
}

int uart_get(void)
{
    if ((STATE & 2U) == 0U) {
        return -1;
    }
    return (int)(DATA & 0xFFU);
}
