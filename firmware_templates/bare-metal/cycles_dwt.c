/* Cycle counter: CYCCNT of the Data Watchpoint and Trace unit (Armv7-M ARM, C1.8). */
#include "eq_port.h"

#define DEMCR (*(volatile uint32_t *)0xE000EDFCU)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000U)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004U)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0U)

void eq_port_cycles_start(void)
{
    DEMCR |= 1U << 24; /* TRCENA */
#if defined(__ARM_ARCH_7EM__)
    DWT_LAR = 0xC5ACCE55U; /* the Cortex-M7 keeps the unit locked */
#endif
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1U; /* CYCCNTENA */
}

uint32_t eq_port_cycles(void)
{
    return DWT_CYCCNT;
}
