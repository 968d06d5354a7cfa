/*
 * Between bytes: sleep until an interrupt is pending. QEMU brings the next byte in another thread,
 * which a loop that asks for it all the time keeps waiting. No handler runs but that of the cycle
 * counter: the interrupts of devices are enabled during the sleep only, with all of them masked.
 */
#include "board.h"
#include "eq_port.h"

enum { WORDS = 2 }; /* of 32 interrupts; the serial ports of QEMU's boards are among the first */

static void write_all(uint32_t registers)
{
    for (uint32_t i = 0; i < (uint32_t)WORDS; i++) {
        REGISTER32(registers + 4U * i) = 0xFFFFFFFFU;
    }
}

void eq_port_idle(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    write_all(0xE000E100U); /* enable */
    __asm__ volatile("dsb\n wfi" ::: "memory");
    write_all(0xE000E180U); /* disable */
    write_all(0xE000E280U); /* no longer pending */
    __asm__ volatile("cpsie i" ::: "memory");
}
