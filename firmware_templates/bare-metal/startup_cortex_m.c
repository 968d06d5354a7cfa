/* Start-up of a Cortex-M: vectors, memory, floating-point unit, caches; then main(). */
#include <stdint.h>

extern uint32_t eq_stack_limit[], eq_stack_top[];
extern uint32_t eq_data_load[], eq_data_start[], eq_data_end[];
extern uint32_t eq_bss_start[], eq_bss_end[];
extern uint32_t eq_arena_start[], eq_arena_end[];

#define VTOR (*(volatile uint32_t *)0xE000ED08U)
#define CCR (*(volatile uint32_t *)0xE000ED14U)
#define CPACR (*(volatile uint32_t *)0xE000ED88U)

typedef void (*handler)(void);

struct vectors {
    uint32_t *stack;
    handler handlers[15];
};

int main(void);
void Reset_Handler(void);
void Default_Handler(void);
void SysTick_Handler(void) __attribute__((weak, alias("Default_Handler")));

const struct vectors eq_vectors __attribute__((section(".vectors"), used)) = {
    .stack = eq_stack_top,
    .handlers =
        {
            Reset_Handler,
            Default_Handler, /* NMI */
            Default_Handler, /* HardFault */
            Default_Handler, /* MemManage */
            Default_Handler, /* BusFault */
            Default_Handler, /* UsageFault */
            Default_Handler, /* SecureFault */
            0,
            0,
            0,
            Default_Handler, /* SVCall */
            Default_Handler, /* DebugMonitor */
            0,
            Default_Handler, /* PendSV */
            SysTick_Handler,
        },
};

void Default_Handler(void)
{
    for (;;) {
    }
}

static void zero(uint32_t *from, const uint32_t *to)
{
    while (from < to) {
        *from = 0;
        from++;
    }
}

#if defined(EQ_CACHES)
/* Instruction and data cache (Cortex-M7 TRM 4.4; Armv8-M ARM B11). */
static void enable_caches(void)
{
    volatile uint32_t *const invalidate_instructions = (volatile uint32_t *)0xE000EF50U;
    volatile uint32_t *const invalidate_set_way = (volatile uint32_t *)0xE000EF60U;
    volatile uint32_t *const select = (volatile uint32_t *)0xE000ED84U;
    const volatile uint32_t *const size = (const volatile uint32_t *)0xE000ED80U;
    *invalidate_instructions = 0;
    *select = 0;
    __asm__ volatile("dsb" ::: "memory");
    const uint32_t sets = (*size >> 13) & 0x7FFFU;
    const uint32_t ways = (*size >> 3) & 0x3FFU;
    for (uint32_t set = 0; set <= sets; set++) {
        for (uint32_t way = 0; way <= ways; way++) {
            *invalidate_set_way = set << 5 | way << 30;
        }
    }
    __asm__ volatile("dsb" ::: "memory");
    CCR |= 1U << 17 | 1U << 16;
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

/* Everything but the stack; main() never returns. */
static void start(void) __attribute__((noreturn, noinline));

static void start(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xFU << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(EQ_CACHES)
    enable_caches();
#endif
    const uint32_t *from = eq_data_load;
    for (uint32_t *to = eq_data_start; to < eq_data_end; to++) {
        *to = *from;
        from++;
    }
    zero(eq_bss_start, eq_bss_end);
    zero(eq_arena_start, eq_arena_end);
    main();
    Default_Handler();
    for (;;) {
    }
}

void Reset_Handler(void)
{
    /* Boot loaders leave the vectors of their own; the Cortex-M0 has no such register. */
#if __ARM_ARCH > 6 || defined(EQ_VTOR)
    VTOR = (uint32_t)&eq_vectors;
#endif
    /* Painted so that the deepest use can be read back; this function has used little of it yet. */
    volatile uint32_t *word = eq_stack_limit;
    volatile uint32_t *const here = (volatile uint32_t *)__builtin_frame_address(0) - 16;
    while (word < here) {
        *word = 0x5AA55AA5U;
        word++;
    }
    start();
}
