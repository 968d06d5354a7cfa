/* UARTE, with DMA, of the nRF52 and nRF53 (nRF52840 PS v1.8, 6.34). */
#include "board.h"

#define TASKS_STARTRX REGISTER32(UART_BASE + 0x000U)
#define TASKS_STARTTX REGISTER32(UART_BASE + 0x008U)
#define EVENTS_ENDRX REGISTER32(UART_BASE + 0x110U)
#define EVENTS_ENDTX REGISTER32(UART_BASE + 0x120U)
#define ENABLE REGISTER32(UART_BASE + 0x500U)
#define BAUDRATE REGISTER32(UART_BASE + 0x524U)
#define RXD_PTR REGISTER32(UART_BASE + 0x534U)
#define RXD_MAXCNT REGISTER32(UART_BASE + 0x538U)
#define TXD_PTR REGISTER32(UART_BASE + 0x544U)
#define TXD_MAXCNT REGISTER32(UART_BASE + 0x548U)

#if UART_BAUD != 115200U
#error "this driver knows the BAUDRATE value of 115200 only"
#endif

static volatile uint8_t received;
static volatile uint8_t sent;

void uart_init(void)
{
    BAUDRATE = 0x01D60000U; /* 115200 */
    ENABLE = 8;
    RXD_PTR = (uint32_t)&received;
    RXD_MAXCNT = 1;
    TXD_PTR = (uint32_t)&sent;
    TXD_MAXCNT = 1;
    EVENTS_ENDRX = 0;
    TASKS_STARTRX = 1;
}

void uart_put(uint8_t byte)
{
    sent = byte;
    EVENTS_ENDTX = 0;
    TASKS_STARTTX = 1;
    while (EVENTS_ENDTX == 0U) {
    }
}

int uart_get(void)
{
    if (EVENTS_ENDRX == 0U) {
        return -1;
    }
    EVENTS_ENDRX = 0;
    const int byte = received;
    TASKS_STARTRX = 1; /* until then the receiver's FIFO keeps what comes */
    return byte;
}
