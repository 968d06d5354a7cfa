/* 16550A serial port with byte-wide registers. */
#include "board.h"

#define DATA REGISTER8(UART_BASE + 0U)
#define DIVISOR_HIGH REGISTER8(UART_BASE + 1U)
#define INTERRUPTS REGISTER8(UART_BASE + 1U)
#define FIFO_CONTROL REGISTER8(UART_BASE + 2U)
#define LINE_CONTROL REGISTER8(UART_BASE + 3U)
#define LINE_STATUS REGISTER8(UART_BASE + 5U)

void uart_init(void)
{
    const uint32_t divisor = UART_CLOCK_HZ / (16U * UART_BAUD);
    LINE_CONTROL = 0x83; /* divisor latch, 8 bits */
    DATA = (uint8_t)divisor;
    DIVISOR_HIGH = (uint8_t)(divisor >> 8);
    LINE_CONTROL = 0x03;
    FIFO_CONTROL = 0xC7; /* 14 bytes at a time: QEMU gives no more than that at once */
    INTERRUPTS = 0x01;   /* that of the receiver, which ends a sleep */
}

void uart_put(uint8_t byte)
{
    while ((LINE_STATUS & 0x20U) == 0U) {
    }
    DATA = byte;
}

int uart_get(void)
{
    if ((LINE_STATUS & 0x01U) == 0U) {
        return -1;
    }
    return DATA;
}
