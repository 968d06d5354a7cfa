/* Arm PrimeCell UART (DDI 0183), as in the RP2040 and RP2350. */
#include "board.h"

#define DR REGISTER32(UART_BASE + 0x00U)
#define FR REGISTER32(UART_BASE + 0x18U)
#define IBRD REGISTER32(UART_BASE + 0x24U)
#define FBRD REGISTER32(UART_BASE + 0x28U)
#define LCR_H REGISTER32(UART_BASE + 0x2CU)
#define CR REGISTER32(UART_BASE + 0x30U)

void uart_init(void)
{
    const uint32_t divisor = (4U * UART_CLOCK_HZ + UART_BAUD / 2U) / UART_BAUD; /* in 1/64 */
    IBRD = divisor >> 6;
    FBRD = divisor & 63U;
    LCR_H = 3U << 5 | 1U << 4; /* 8 bits, FIFOs */
    CR = 1U << 9 | 1U << 8 | 1U; /* receiver, transmitter, enabled */
}

void uart_put(uint8_t byte)
{
    while ((FR & 1U << 5) != 0U) { /* TXFF */
    }
    DR = byte;
}

int uart_get(void)
{
    if ((FR & 1U << 4) != 0U) { /* RXFE */
        return -1;
    }
    return (int)(DR & 0xFFU);
}
