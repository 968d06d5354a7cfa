/* SERCOM of the SAM D21 and D5x as a USART (SAM D21 data sheet DS40001882, chapter 26). */
#include "board.h"

#define CTRLA REGISTER32(UART_BASE + 0x00U)
#define CTRLB REGISTER32(UART_BASE + 0x04U)
#define BAUD REGISTER16(UART_BASE + 0x0CU)
#define INTFLAG REGISTER8(UART_BASE + 0x18U)
#define SYNCBUSY REGISTER32(UART_BASE + 0x1CU)
#define DATA REGISTER16(UART_BASE + 0x28U)

void uart_init(void)
{
    /* Asynchronous arithmetic, 16 samples a bit: BAUD = 65536 (1 - 16 baud / clock). */
    const uint32_t step = 16U * UART_BAUD / (UART_CLOCK_HZ / 65536U);
    CTRLA = 1U << 30 | UART_CONFIG | 1U << 2; /* least significant bit first, pads, own clock */
    BAUD = (uint16_t)(65536U - step);
    CTRLB = 1U << 17 | 1U << 16; /* receiver, transmitter */
    while (SYNCBUSY != 0U) {
    }
    CTRLA |= 2U; /* ENABLE */
    while (SYNCBUSY != 0U) {
    }
}

void uart_put(uint8_t byte)
{
    while ((INTFLAG & 1U) == 0U) { /* DRE */
    }
    DATA = byte;
}

int uart_get(void)
{
    if ((INTFLAG & 4U) == 0U) { /* RXC */
        return -1;
    }
    return (int)(DATA & 0xFFU);
}
