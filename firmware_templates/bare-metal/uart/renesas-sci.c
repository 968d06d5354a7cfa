/* Serial Communications Interface of the Renesas RA4M1 (manual R01UH0887, chapter 28). */
#include "board.h"

#define SMR REGISTER8(UART_BASE + 0x00U)
#define BRR REGISTER8(UART_BASE + 0x01U)
#define SCR REGISTER8(UART_BASE + 0x02U)
#define TDR REGISTER8(UART_BASE + 0x03U)
#define SSR REGISTER8(UART_BASE + 0x04U)
#define RDR REGISTER8(UART_BASE + 0x05U)
#define SEMR REGISTER8(UART_BASE + 0x07U)

void uart_init(void)
{
    SCR = 0;
    SMR = 0;
    SEMR = 0x50; /* BGDM and ABCS: 8 clocks a bit */
    BRR = (uint8_t)((UART_CLOCK_HZ + 4U * UART_BAUD) / (8U * UART_BAUD) - 1U);
    SCR = 0x30; /* TE, RE */
}

void uart_put(uint8_t byte)
{
    while ((SSR & 0x80U) == 0U) { /* TDRE */
    }
    TDR = byte;
    SSR = (uint8_t)(SSR & ~0x80U);
}

int uart_get(void)
{
    const uint8_t state = SSR;
    if ((state & 0x38U) != 0U) { /* overrun, framing, parity: clear them, or nothing more comes */
        SSR = (uint8_t)(state & ~0x38U);
    }
    if ((state & 0x40U) == 0U) { /* RDRF */
        return -1;
    }
    const int byte = RDR;
    SSR = (uint8_t)(SSR & ~0x40U);
    return byte;
}
