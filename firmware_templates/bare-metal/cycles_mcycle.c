/* Cycle counter: the mcycle register (RISC-V privileged specification, 3.1.10). */
#include "eq_port.h"

void eq_port_cycles_start(void)
{
    __asm__ volatile("csrw mcycle, zero");
}

uint32_t eq_port_cycles(void)
{
    uint32_t cycles;
    __asm__ volatile("csrr %0, mcycle" : "=r"(cycles));
    return cycles;
}
