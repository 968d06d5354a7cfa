/* UART without DMA of the nRF51 and nRF52 (nRF52840 PS v1.8, 6.33). */
#include "board.h"

#define TASKS_STARTRX REGISTER32(UART_BASE + 0x000U)
#define TASKS_STARTTX REGISTER32(UART_BASE + 0x008U)
#define EVENTS_RXDRDY REGISTER32(UART_BASE + 0x108U)
#define EVENTS_TXDRDY REGISTER32(UART_BASE + 0x11CU)
#define INTENSET REGISTER32(UART_BASE + 0x304U)
#define ENABLE REGISTER32(UART_BASE + 0x500U)
#define RXD REGISTER32(UART_BASE + 0x518U)
#define TXD REGISTER32(UART_BASE + 0x51CU)
#define BAUDRATE REGISTER32(UART_BASE + 0x524U)

#if UART_BAUD != 115200U
#error "this driver knows the BAUDRATE value of 115200 only"
#endif

void uart_init(void)
{
    BAUDRATE = 0x01D7E000U; /* 115200 */
    ENABLE = 4;
    EVENTS_RXDRDY = 0;
    EVENTS_TXDRDY = 0;
    INTENSET = 1U << 2; /* RXDRDY, which ends a sleep */
    TASKS_STARTRX = 1;
    TASKS_STARTTX = 1;
}

void uart_put(uint8_t byte)
{
    EVENTS_TXDRDY = 0;
    TXD = byte;
    while (EVENTS_TXDRDY == 0U) {
    }
}

int uart_get(void)
{
    if (EVENTS_RXDRDY == 0U) {
        return -1;
    }
    EVENTS_RXDRDY = 0;
    return (int)(RXD & 0xFFU);
}
