/* Runs a model in QEMU: reads inputs from a file of the host, calls the model, writes outputs and
 * figures, all through semihosting. Written beside it: eq_io.h, the model's inputs and outputs.
 *
 * Files, little endian: in.bin holds the number of calls, then the inputs of each call; out.bin
 * the outputs of each call; state.bin the model's RAM from run to run; figures.bin what was
 * measured at the last call; hook.bin what eq_trace_op saw.
 */
#include <stddef.h>
#include <stdint.h>

#include "eq_trace.h"

#ifndef EQ_HOOK
#define EQ_HOOK 0
#endif

#define TIMER_CMSDK 1 /* APB timer 0 of the MPS2 boards, counts down */
#define TIMER_SSE 2   /* system counter of the SSE-300, counts up */
#define TIMER_CSR 3   /* mcycle */

#define HOOK_ARENA 1 /* write the arena at every op */
#define HOOK_TIME 2  /* note the time at every op */

#define STACK_BYTES 0x8000u
#define PAINT 0xA5A5A5A5u
#define MAX_OPS 1024

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT_EXTENDED = 0x20 };
enum { OPEN_READ = 1, OPEN_WRITE = 5 };
enum { EXIT_OK = 0x20026, EXIT_FAULT = 0x20024 };

static void eq_read(intptr_t file, void *data, uint32_t bytes);
static void eq_write(intptr_t file, const void *data, uint32_t bytes);
#include "eq_io.h" /* calls those two */

typedef struct {
    uint32_t ticks;
    uint32_t empty_ticks; /* the same for a function that returns at once */
    uint32_t stack_bytes;
    uint32_t empty_hook_ticks; /* between two reports with nothing in between */
} eq_figures;

extern uint32_t eq_data_start[], eq_data_end[], eq_data_load[];
extern uint32_t eq_zero_start[], eq_zero_end[];
extern uint8_t eq_model_ram[], eq_model_ram_end[];
extern uint32_t eq_stack_top[];

void eq_start(void);
void eq_main(void) __attribute__((used));
void eq_fault(void) __attribute__((used));

/* RISC-V: the three instructions must not straddle a page, so the function is aligned. */
__attribute__((noinline, aligned(16))) static intptr_t semihosting(uintptr_t operation,
                                                                   const void *arguments)
{
#if defined(__riscv)
    register uintptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    __asm__ volatile(".option push\n\t.option norvc\n\tslli x0, x0, 0x1f\n\tebreak\n\t"
                     "srai x0, x0, 7\n\t.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return (intptr_t)a0;
#else
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (intptr_t)r0;
#endif
}

static void stop(uintptr_t reason)
{
    const uintptr_t arguments[2] = {reason, reason == EXIT_OK ? 0u : 1u};
    for (;;) {
        (void)semihosting(SYS_EXIT_EXTENDED, arguments);
    }
}

/* The length comes from the compiler: a loop over the name would become a call of strlen, and count
 * among the library functions that the model pulls in. */
#define OPEN_FILE(name, mode) open_file((name), sizeof(name) - 1u, (mode))

static intptr_t open_file(const char *name, uintptr_t length, uintptr_t mode)
{
    const uintptr_t arguments[3] = {(uintptr_t)name, mode, length};
    return semihosting(SYS_OPEN, arguments);
}

static void close_file(intptr_t file)
{
    const uintptr_t arguments[1] = {(uintptr_t)file};
    (void)semihosting(SYS_CLOSE, arguments);
}

static void eq_read(intptr_t file, void *data, uint32_t bytes)
{
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)data, bytes};
    if (bytes != 0 && semihosting(SYS_READ, arguments) != 0) {
        stop(EXIT_FAULT);
    }
}

static void eq_write(intptr_t file, const void *data, uint32_t bytes)
{
    const uintptr_t arguments[3] = {(uintptr_t)file, (uintptr_t)data, bytes};
    if (bytes != 0 && semihosting(SYS_WRITE, arguments) != 0) {
        stop(EXIT_FAULT);
    }
}

static void start_timer(void)
{
#if EQ_TIMER == TIMER_CMSDK
    volatile uint32_t *const timer = (volatile uint32_t *)0x40000000u;
    timer[1] = 0xFFFFFFFFu; /* VALUE */
    timer[2] = 0xFFFFFFFFu; /* RELOAD */
    timer[0] = 1u;          /* CTRL: enable */
#elif EQ_TIMER == TIMER_SSE
    volatile uint32_t *const counter = (volatile uint32_t *)0x58100000u;
    counter[0] = 1u; /* CNTCR: enable */
#endif
}

/* Ticks that count up; differences are right across an overflow. */
static inline uint32_t ticks(void)
{
#if EQ_TIMER == TIMER_CMSDK
    return ~((volatile uint32_t *)0x40000000u)[1];
#elif EQ_TIMER == TIMER_SSE
    return ((volatile uint32_t *)0x58100000u)[2]; /* CNTCV, low half */
#else
    uint32_t high;
    uint32_t low;
    uint32_t again;
    do {
        __asm__ volatile("csrr %0, mcycleh\n\tcsrr %1, mcycle\n\tcsrr %2, mcycleh"
                         : "=r"(high), "=r"(low), "=r"(again));
    } while (high != again);
    return high << 25 | low >> 7; /* instructions, which take 128 of QEMU's nanoseconds each */
#endif
}

#if EQ_HOOK == HOOK_ARENA
void eq_trace_op(int op, const void *arena)
{
    static intptr_t file = -1;
    (void)op;
    if (file == -1) {
        file = OPEN_FILE("hook.bin", OPEN_WRITE);
    }
    eq_write(file, arena, EQ_ARENA_BYTES);
}
#elif EQ_HOOK == HOOK_TIME
static uint32_t hook_times[MAX_OPS][2];

void eq_trace_op(int op, const void *arena)
{
    const uint32_t entered = ticks();
    (void)arena;
    if (op < MAX_OPS) {
        hook_times[op][0] = entered;
        hook_times[op][1] = ticks();
    }
}
#endif

__attribute__((noinline)) static void nothing(void)
{
    __asm__ volatile("");
}

/* Ticks of one call, and the stack below this function that the call touches. */
__attribute__((noinline)) static uint32_t measure(void (*function)(void), uint32_t *stack_bytes)
{
    volatile uint32_t *const limit = eq_stack_top - STACK_BYTES / sizeof(uint32_t);
    volatile uint32_t *position = limit;
    uint32_t before;
    uint32_t after;
    uintptr_t stack;
#if defined(__riscv)
    __asm__ volatile("mv %0, sp" : "=r"(stack));
#else
    __asm__ volatile("mov %0, sp" : "=r"(stack));
#endif
    while ((uintptr_t)position < stack) {
        *position++ = PAINT;
    }
    before = ticks();
    function();
    after = ticks();
    position = limit;
    while ((uintptr_t)position < stack && *position == PAINT) {
        position++;
    }
    *stack_bytes = (uint32_t)(stack - (uintptr_t)position);
    return after - before;
}

static void run_all(void)
{
    eq_figures figures = {0, 0, 0, 0};
    uint32_t calls = 0;
    uint32_t ignored;
    const intptr_t input = OPEN_FILE("in.bin", OPEN_READ);
    const intptr_t output = OPEN_FILE("out.bin", OPEN_WRITE);
    intptr_t file;
    eq_read(input, &calls, sizeof(calls));
    for (uint32_t i = 0; i < calls; i++) {
        eq_read_inputs(input);
        figures.ticks = measure(EQ_INVOKE, &figures.stack_bytes);
        eq_write_outputs(output);
    }
    figures.empty_ticks = measure(nothing, &ignored);
#if EQ_HOOK == HOOK_TIME
    file = OPEN_FILE("hook.bin", OPEN_WRITE);
    eq_write(file, hook_times, sizeof(hook_times));
    close_file(file);
    eq_trace_op(0, NULL);
    eq_trace_op(1, NULL);
    figures.empty_hook_ticks = hook_times[1][0] - hook_times[0][1];
#endif
    file = OPEN_FILE("figures.bin", OPEN_WRITE);
    eq_write(file, &figures, sizeof(figures));
    close_file(file);
    close_file(output);
    close_file(input);
}

void eq_main(void)
{
    volatile uint32_t *to = eq_data_start;
    const volatile uint32_t *from = eq_data_load;
    const uint32_t ram_bytes = (uint32_t)(eq_model_ram_end - eq_model_ram);
    intptr_t state;
    while (to < eq_data_end) {
        *to++ = *from++;
    }
    for (to = eq_zero_start; to < eq_zero_end; to++) {
        *to = 0;
    }
    start_timer();
    state = OPEN_FILE("state.bin", OPEN_READ);
    if (state != -1) {
        eq_read(state, eq_model_ram, ram_bytes);
        close_file(state);
    }
    run_all();
    state = OPEN_FILE("state.bin", OPEN_WRITE);
    eq_write(state, eq_model_ram, ram_bytes);
    close_file(state);
    stop(EXIT_OK);
}

void eq_fault(void)
{
    stop(EXIT_FAULT);
}

#if defined(__riscv)
__asm__(".section .eq_vectors, \"ax\"\n"
        ".globl eq_start\n"
        "eq_start:\n"
        "    la t0, eq_fault\n"
        "    csrw mtvec, t0\n"
        "    la sp, eq_stack_top\n"
        "    j eq_main\n"
        ".previous\n");
#else
void eq_start(void)
{
    /* Full access to the coprocessors: the FPU and the vector extension. */
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    eq_main();
}

typedef void (*eq_handler)(void);
typedef struct {
    uint32_t *stack;
    eq_handler handlers[15]; /* reset, then every fault and interrupt of the core */
} eq_vector_table;

extern const eq_vector_table eq_vectors;
const eq_vector_table eq_vectors __attribute__((section(".eq_vectors"), used)) = {
    eq_stack_top,
    {eq_start, eq_fault, eq_fault, eq_fault, eq_fault, eq_fault, eq_fault, eq_fault, eq_fault,
     eq_fault, eq_fault, eq_fault, eq_fault, eq_fault, eq_fault},
};
#endif
