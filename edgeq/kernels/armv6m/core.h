/* What the column kernels need of Armv6-M (Cortex-M0, M0+, M23): inner products in assembly. The
 * same in plain C: eq_core.h of kernels/rv32.
 *
 * Thumb has an unsigned byte load with an offset, but no signed one, so the host adds 128 to every
 * weight, and every sum begins with -128 times that of the inputs.
 */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include "eq_base.h"

/* A widened input value. */
typedef int32_t eq_lane;

#define EQ_DOT_PIXELS 5
#define EQ_DOT_SUMS 10 /* numbers: the sums, then what each of them begins with */
#define EQ_DOT_UNROLL 8
#define EQ_DOT_STEP_BYTES 24
#define EQ_ROW_OUTPUTS 4
#define EQ_ROW_UNROLL 8
/* Added to every weight by the host: of convolutions, and of the rows of dense layers. */
#define EQ_WEIGHT_OFFSET 128
#define EQ_ROW_OFFSET 128

/* The low half of a word. gcc makes two shifts of a mask. */
EQ_KERNEL uint32_t eq_low_half(uint32_t x)
{
    uint32_t half;
    __asm__("uxth %0, %1" : "=l"(half) : "l"(x));
    return half;
}

/* round(acc * (2^32 + doubled) / 2^32), ties up, from products of 16-bit halves; |acc| < 2^30. */
EQ_KERNEL int32_t eq_high_mul(int32_t acc, int32_t doubled)
{
    const uint32_t low = eq_low_half((uint32_t)acc);
    const int32_t high = acc >> 16;
    const uint32_t factor_low = (uint32_t)doubled & 0xFFFFu;
    const uint32_t factor_high = (uint32_t)doubled >> 16;
    const uint32_t middle = low * factor_high + ((low * factor_low) >> 16);
    const int32_t rest = (int32_t)eq_low_half(middle) + high * (int32_t)factor_low + 0x8000;
    return high * (int32_t)factor_high + (int32_t)(middle >> 16) + (rest >> 16);
}

#define EQ_DOT_STEP(tap)                                                                           \
    "ldrb r7, [r0, #" #tap "]\n\t"                                                                 \
    "ldmia r1!, {r2, r3, r4, r5, r6}\n\t"                                                          \
    "muls r2, r7, r2\n\t"                                                                          \
    "add r8, r2\n\t"                                                                               \
    "muls r3, r7, r3\n\t"                                                                          \
    "add r9, r3\n\t"                                                                               \
    "muls r4, r7, r4\n\t"                                                                          \
    "add r10, r4\n\t"                                                                              \
    "muls r5, r7, r5\n\t"                                                                          \
    "add r11, r5\n\t"                                                                              \
    "muls r6, r7, r6\n\t"                                                                          \
    "add r12, r6\n\t"

/* r2 to r6: one tap's inputs of five pixels; r7: its weight; r8 to r12: the sums. */
static EQ_NAKED void eq_dot_code(const int8_t *weights __attribute__((unused)),
                                 const eq_lane *columns __attribute__((unused)),
                                 const eq_lane *columns_end __attribute__((unused)),
                                 int32_t skip __attribute__((unused)),
                                 int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n\t"
                     "push {r4-r7, lr}\n\t"
                     "mov r4, r8\n\t"
                     "mov r5, r9\n\t"
                     "mov r6, r10\n\t"
                     "mov r7, r11\n\t"
                     "push {r4-r7}\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 1f\n\t"
                     "adds r2, r2, r3\n\t"
                     "adds r2, #1\n\t"
                     "ldr r3, [sp, #36]\n\t"
                     "adds r3, #20\n\t"
                     "ldmia r3, {r3, r4, r5, r6, r7}\n\t"
                     "mov r8, r3\n\t"
                     "mov r9, r4\n\t"
                     "mov r10, r5\n\t"
                     "mov r11, r6\n\t"
                     "mov r12, r7\n\t"
                     "bx r2\n\t"
                     ".p2align 2\n\t"
                     "1:\n\t" EQ_DOT_STEP(0) EQ_DOT_STEP(1) EQ_DOT_STEP(2) EQ_DOT_STEP(3)
                         EQ_DOT_STEP(4) EQ_DOT_STEP(5) EQ_DOT_STEP(6)
                             EQ_DOT_STEP(7) "adds r0, #8\n\t"
                                            "cmp r1, lr\n\t"
                                            "bne 1b\n\t"
                                            "ldr r0, [sp, #36]\n\t"
                                            "mov r2, r8\n\t"
                                            "mov r3, r9\n\t"
                                            "mov r4, r10\n\t"
                                            "mov r5, r11\n\t"
                                            "mov r6, r12\n\t"
                                            "stmia r0!, {r2, r3, r4, r5, r6}\n\t"
                                            "pop {r4-r7}\n\t"
                                            "mov r8, r4\n\t"
                                            "mov r9, r5\n\t"
                                            "mov r10, r6\n\t"
                                            "mov r11, r7\n\t"
                                            "pop {r4-r7, pc}");
}

/* sums[i] = sums[5 + i] + the sum over all taps of (weight + 128) * column of pixel i. */
EQ_KERNEL void eq_dot(const int8_t *weights, const eq_lane *columns, int32_t taps, int32_t *sums)
{
    const int32_t skipped = (EQ_DOT_UNROLL - taps % EQ_DOT_UNROLL) % EQ_DOT_UNROLL;
    eq_dot_code(weights - skipped, columns, columns + EQ_DOT_PIXELS * taps,
                skipped * EQ_DOT_STEP_BYTES, sums);
}

#define EQ_ROW_OUTPUT(acc, at)                                                                     \
    "ldrb r3, [r0, #" #at "]\n\t"                                                                  \
    "muls r3, r2, r3\n\t"                                                                          \
    "adds " acc ", " acc ", r3\n\t"

#define EQ_ROW_STEP(tap, a, b, c, d)                                                               \
    "ldrb r2, [r1, #" #tap "]\n\t"                                                                 \
    "sxtb r2, r2\n\t" EQ_ROW_OUTPUT("r4", a) EQ_ROW_OUTPUT("r5", b) EQ_ROW_OUTPUT("r6", c)         \
        EQ_ROW_OUTPUT("r7", d)

static EQ_NAKED void eq_row_code(const int8_t *weights __attribute__((unused)),
                                 const int8_t *input __attribute__((unused)),
                                 const int8_t *input_end __attribute__((unused)),
                                 int32_t begin __attribute__((unused)),
                                 int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push {r4-r7, lr}\n\t"
        "mov lr, r2\n\t"
        "movs r4, r3\n\t"
        "movs r5, r3\n\t"
        "movs r6, r3\n\t"
        "movs r7, r3\n\t"
        "1:\n\t" EQ_ROW_STEP(0, 0, 1, 2, 3) EQ_ROW_STEP(1, 4, 5, 6, 7) EQ_ROW_STEP(2, 8, 9, 10, 11)
            EQ_ROW_STEP(3, 12, 13, 14, 15) EQ_ROW_STEP(4, 16, 17, 18, 19)
                EQ_ROW_STEP(5, 20, 21, 22, 23) EQ_ROW_STEP(6, 24, 25, 26, 27)
                    EQ_ROW_STEP(7, 28, 29, 30, 31) "adds r0, #32\n\t"
                                                   "adds r1, #8\n\t"
                                                   "cmp r1, lr\n\t"
                                                   "bne 1b\n\t"
                                                   "ldr r3, [sp, #20]\n\t"
                                                   "stmia r3!, {r4, r5, r6, r7}\n\t"
                                                   "pop {r4-r7, pc}");
}

/* sums[i] = begin + the sum over all taps of (weight i + 128) * input; the weights of a tap follow
 * each other. The number of taps is a multiple of EQ_ROW_UNROLL. */
EQ_KERNEL void eq_row(const int8_t *weights, const int8_t *input, int32_t taps, int32_t begin,
                      int32_t *sums)
{
    eq_row_code(weights, input, input + taps, begin, sums);
}

#endif
