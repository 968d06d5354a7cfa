/* USART and LPUART of the STM32F0, F7, G0, G4, H5, H7, L0, L4, L5, U5, WB (RM0440, 37.8, 38.7). */
#include "board.h"

#define CR1 REGISTER32(UART_BASE + 0x00U)
#define BRR REGISTER32(UART_BASE + 0x0CU)
#define ISR REGISTER32(UART_BASE + 0x1CU)
#define ICR REGISTER32(UART_BASE + 0x20U)
#define RDR REGISTER32(UART_BASE + 0x24U)
#define TDR REGISTER32(UART_BASE + 0x28U)

/* UART_CONFIG is the number of fractions of BRR: 256 of an LPUART, 1 (or 0) of a USART. */
#define FRACTIONS (UART_CONFIG == 0U ? 1U : UART_CONFIG)

void uart_init(void)
{
    BRR = (UART_CLOCK_HZ / 100U * FRACTIONS + UART_BAUD / 200U) / (UART_BAUD / 100U);
    CR1 = 1U << 3 | 1U << 2 | 1U; /* TE, RE, UE */
}

void uart_put(uint8_t byte)
{
    while ((ISR & 1U << 7) == 0U) { /* TXE */
    }
    TDR = byte;
}

int uart_get(void)
{
    /* An overrun would block the receiver for good. */
    if ((ISR & 1U << 3) != 0U) {
        ICR = 1U << 3;
    }
    if ((ISR & 1U << 5) == 0U) { /* RXNE */
        return -1;
    }
    return (int)(RDR & 0xFFU);
}
