/* UARTE, with DMA, of the nRF52 and nRF53 (nRF52840 PS v1.8, 6.34), and of the nRF54L, where most
 * registers lie elsewhere (nRF54L15 Datasheet, UARTE). UART_CONFIG is 0 or 54. */
#include "board.h"

#if UART_CONFIG == 54
enum {
    TASKS_STARTRX = 0x028,
    TASKS_STARTTX = 0x050,
    EVENTS_ENDRX = 0x14C,
    EVENTS_ENDTX = 0x168,
    RXD_PTR = 0x704,
    TXD_PTR = 0x73C
};
#else
enum {
    TASKS_STARTRX = 0x000,
    TASKS_STARTTX = 0x008,
    EVENTS_ENDRX = 0x110,
    EVENTS_ENDTX = 0x120,
    RXD_PTR = 0x534,
    TXD_PTR = 0x544
};
#endif
enum { ENABLE = 0x500, BAUDRATE = 0x524, MAXCNT = 4 /* behind a PTR */ };

#define UARTE(offset) REGISTER32(UART_BASE + (uint32_t)(offset))

#if UART_BAUD != 115200U
#error "this driver knows the BAUDRATE value of 115200 only"
#endif

static volatile uint8_t received;
static volatile uint8_t sent;

void uart_init(void)
{
    UARTE(BAUDRATE) = 0x01D60000U; /* 115200 */
    UARTE(ENABLE) = 8;
    UARTE(RXD_PTR) = (uint32_t)&received;
    UARTE(RXD_PTR + MAXCNT) = 1;
    UARTE(TXD_PTR) = (uint32_t)&sent;
    UARTE(TXD_PTR + MAXCNT) = 1;
    UARTE(EVENTS_ENDRX) = 0;
    UARTE(TASKS_STARTRX) = 1;
}

void uart_put(uint8_t byte)
{
    sent = byte;
    UARTE(EVENTS_ENDTX) = 0;
    UARTE(TASKS_STARTTX) = 1;
    while (UARTE(EVENTS_ENDTX) == 0U) {
    }
}

int uart_get(void)
{
    if (UARTE(EVENTS_ENDRX) == 0U) {
        return -1;
    }
    UARTE(EVENTS_ENDRX) = 0;
    const int byte = received;
    UARTE(TASKS_STARTRX) = 1; /* until then the receiver's FIFO keeps what comes */
    return byte;
}
