/* {{ target.title | c_comment }}: what the start-up code needs to know about it. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Serial port: {{ uart.driver | c_comment }}{% if uart.pins %}, {{ uart.pins | c_comment }}{% endif %}. */
#define UART_BASE 0x{{ "%08X" | format(uart.base) }}U
#define UART_CLOCK_HZ {{ uart.clock_hz }}U
#define UART_BAUD {{ uart.baud }}U
#define UART_CONFIG 0x{{ "%X" | format(uart.config) }}U

/* Clocks, pins and the serial port, from the state that reset leaves the chip in. */
void board_init(void);

void uart_init(void);
void uart_put(uint8_t byte); /* waits until there is room */
int uart_get(void);          /* the next byte, or -1 */

/* A register by its address. */
#define REGISTER8(address) (*(volatile uint8_t *)(address))
#define REGISTER16(address) (*(volatile uint16_t *)(address))
#define REGISTER32(address) (*(volatile uint32_t *)(address))

#endif
