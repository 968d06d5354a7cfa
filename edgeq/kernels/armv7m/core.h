/* What the column kernels need of Armv7-M (Cortex-M3): inner products in assembly, because no
 * compiler leaves that many registers free. The same in plain C: eq_core.h of kernels/rv32. */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include "eq_base.h"

/* A widened input value. */
typedef int32_t eq_lane;

#define EQ_DOT_PIXELS 5
#define EQ_DOT_SUMS 5 /* numbers: the sums, each of which begins with 0 */
#define EQ_DOT_UNROLL 8
#define EQ_DOT_STEP_BYTES 28
#define EQ_ROW_OUTPUTS 8
#define EQ_ROW_UNROLL 1
/* Added to every weight by the host. */
#define EQ_WEIGHT_OFFSET 0

/* round(acc * (2^32 + doubled) / 2^32), ties up. */
EQ_KERNEL int32_t eq_high_mul(int32_t acc, int32_t doubled)
{
    return acc + (int32_t)(((int64_t)acc * doubled + ((int64_t)1 << 31)) >> 32);
}

/* r2 to r6: one tap's inputs of five pixels; r7: its weight; r8 to r12: the sums. */
static EQ_NAKED void eq_dot_code(const int8_t *weights __attribute__((unused)),
                                 const eq_lane *columns __attribute__((unused)),
                                 const eq_lane *columns_end __attribute__((unused)),
                                 int32_t skip __attribute__((unused)),
                                 int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 1f\n\t"
                     "add r2, r3\n\t"
                     "orr r2, #1\n\t"
                     "mov r8, #0\n\t"
                     "mov r9, #0\n\t"
                     "mov r10, #0\n\t"
                     "mov r11, #0\n\t"
                     "mov r12, #0\n\t"
                     "bx r2\n\t"
                     ".p2align 2\n\t"
                     "1:\n\t"
                     ".rept 8\n\t"
                     "ldrsb r7, [r0], #1\n\t"
                     "ldmia.w r1!, {r2, r3, r4, r5, r6}\n\t"
                     "mla r8, r7, r2, r8\n\t"
                     "mla r9, r7, r3, r9\n\t"
                     "mla r10, r7, r4, r10\n\t"
                     "mla r11, r7, r5, r11\n\t"
                     "mla r12, r7, r6, r12\n\t"
                     ".endr\n\t"
                     "cmp r1, lr\n\t"
                     "bne 1b\n\t"
                     "ldr r0, [sp, #36]\n\t"
                     "stmia r0, {r8, r9, r10, r11, r12}\n\t"
                     "pop {r4-r11, pc}");
}

/* sums[i] = the sum over all taps of weight * column of pixel i. */
EQ_KERNEL void eq_dot(const int8_t *weights, const eq_lane *columns, int32_t taps, int32_t *sums)
{
    const int32_t skipped = (EQ_DOT_UNROLL - taps % EQ_DOT_UNROLL) % EQ_DOT_UNROLL;
    eq_dot_code(weights, columns, columns + EQ_DOT_PIXELS * taps, skipped * EQ_DOT_STEP_BYTES,
                sums);
}

/* sums[i] = the sum over all taps of weight i * input; the weights of a tap follow each other. */
static EQ_NAKED void eq_row(const int8_t *weights __attribute__((unused)),
                            const int8_t *input __attribute__((unused)),
                            const int8_t *input_end __attribute__((unused)),
                            int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r3-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "mov r4, #0\n\t"
                     "mov r5, #0\n\t"
                     "mov r6, #0\n\t"
                     "mov r7, #0\n\t"
                     "mov r8, #0\n\t"
                     "mov r9, #0\n\t"
                     "mov r10, #0\n\t"
                     "mov r11, #0\n\t"
                     "1:\n\t"
                     "ldrsb r2, [r1], #1\n\t"
                     "ldrsb r3, [r0], #1\n\t"
                     "ldrsb r12, [r0], #1\n\t"
                     "mla r4, r2, r3, r4\n\t"
                     "ldrsb r3, [r0], #1\n\t"
                     "mla r5, r2, r12, r5\n\t"
                     "ldrsb r12, [r0], #1\n\t"
                     "mla r6, r2, r3, r6\n\t"
                     "ldrsb r3, [r0], #1\n\t"
                     "mla r7, r2, r12, r7\n\t"
                     "ldrsb r12, [r0], #1\n\t"
                     "mla r8, r2, r3, r8\n\t"
                     "ldrsb r3, [r0], #1\n\t"
                     "mla r9, r2, r12, r9\n\t"
                     "ldrsb r12, [r0], #1\n\t"
                     "mla r10, r2, r3, r10\n\t"
                     "mla r11, r2, r12, r11\n\t"
                     "cmp r1, lr\n\t"
                     "bne 1b\n\t"
                     "pop {r3}\n\t"
                     "stmia r3, {r4, r5, r6, r7, r8, r9, r10, r11}\n\t"
                     "pop {r4-r11, pc}");
}

#endif
