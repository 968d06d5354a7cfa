/* Serial port of Arm's Cortex-M System Design Kit (DDI 0479, 4.4). */
#include "board.h"

#define DATA REGISTER32(UART_BASE + 0x00U)
#define STATE REGISTER32(UART_BASE + 0x04U)
#define CTRL REGISTER32(UART_BASE + 0x08U)
#define INTERRUPTS REGISTER32(UART_BASE + 0x0CU)
#define BAUDDIV REGISTER32(UART_BASE + 0x10U)

void uart_init(void)
{
    BAUDDIV = UART_CLOCK_HZ / UART_BAUD;
    CTRL = 0xB; /* transmitter, receiver and its interrupt, which ends a sleep */
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
    INTERRUPTS = 2; /* before the next byte can come */
    return (int)(DATA & 0xFFU);
}
