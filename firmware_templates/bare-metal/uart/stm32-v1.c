/* USART of the STM32F1, F2, F4 and GD32VF103 (RM0368, 19.6). */
#include "board.h"

#define SR REGISTER32(UART_BASE + 0x00U)
#define DR REGISTER32(UART_BASE + 0x04U)
#define BRR REGISTER32(UART_BASE + 0x08U)
#define CR1 REGISTER32(UART_BASE + 0x0CU)

void uart_init(void)
{
    BRR = (UART_CLOCK_HZ + UART_BAUD / 2U) / UART_BAUD;
    CR1 = 1U << 13 | 1U << 3 | 1U << 2; /* UE, TE, RE */
}

void uart_put(uint8_t byte)
{
    while ((SR & 1U << 7) == 0U) { /* TXE */
    }
    DR = byte;
}

int uart_get(void)
{
    if ((SR & 1U << 5) == 0U) { /* RXNE */
        return -1;
    }
    return (int)(DR & 0xFFU);
}
