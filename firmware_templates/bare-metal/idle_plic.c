/*
 * Between bytes: sleep until the serial port has one. QEMU brings it in another thread, which a
 * loop that asks for it all the time keeps waiting. Interrupts stay masked: no handler runs.
 * Addresses are those of QEMU's virt machine (hw/riscv/virt.c).
 */
#include "board.h"
#include "eq_port.h"

#define PLIC 0x0C000000U
#define PRIORITY REGISTER32(PLIC + 4U * UART_INTERRUPT)
#define ENABLE REGISTER32(PLIC + 0x2000U)
#define CLAIM REGISTER32(PLIC + 0x200004U)

enum { UART_INTERRUPT = 10 };

void eq_port_idle(void)
{
    PRIORITY = 1;
    ENABLE = 1U << UART_INTERRUPT;
    __asm__ volatile("csrs mie, %0\n wfi" ::"r"(1U << 11) : "memory");
    const uint32_t claimed = CLAIM;
    if (claimed != 0U) {
        CLAIM = claimed;
    }
}
