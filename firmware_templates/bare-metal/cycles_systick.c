/* Cycle counter: SysTick, 24 bits that count down, extended by its interrupt (Armv6-M ARM, B3.3). */
#include "eq_port.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010U)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014U)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018U)

void SysTick_Handler(void);

static volatile uint32_t wraps;

void SysTick_Handler(void)
{
    wraps++;
}

void eq_port_cycles_start(void)
{
    wraps = 0;
    SYST_RVR = 0xFFFFFFU;
    SYST_CVR = 0;
    SYST_CSR = 7; /* core clock, interrupt, enabled */
    while (SYST_CVR == 0U) { /* it is loaded one tick later */
    }
}

uint32_t eq_port_cycles(void)
{
    /* The interrupt comes when the count reaches 0: read until it did not come in between. */
    uint32_t before = 0;
    uint32_t count = 0;
    do {
        before = wraps;
        count = SYST_CVR;
    } while (before != wraps || count == 0U);
    return (before << 24) + (0xFFFFFFU - count);
}
