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
#define EQ_ROW_STEP_BYTES 52
#ifndef EQ_ROW_TURN
#define EQ_ROW_TURN 8 /* taps of one turn of a dense layer's loop, a power of two */
#endif
/* Added to every weight by the host: of convolutions, and of the rows of dense layers. */
#define EQ_WEIGHT_OFFSET 0
#define EQ_ROW_OFFSET 128

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

/* One tap of eight outputs: r12 its input, r2 and r3 its weights, r4 to r11 the sums. */
#define EQ_ROW_STEP                                                                                \
    "ldrsb r12, [r1], #1\n\t"                                                                      \
    "ldrd r2, r3, [r0], #8\n\t"                                                                    \
    "mla r4, r12, r2, r4\n\t"                                                                      \
    "lsrs r2, r2, #8\n\t"                                                                          \
    "mla r8, r12, r3, r8\n\t"                                                                      \
    "lsrs r3, r3, #8\n\t"                                                                          \
    "mla r5, r12, r2, r5\n\t"                                                                      \
    "lsrs r2, r2, #8\n\t"                                                                          \
    "mla r9, r12, r3, r9\n\t"                                                                      \
    "lsrs r3, r3, #8\n\t"                                                                          \
    "mla r6, r12, r2, r6\n\t"                                                                      \
    "lsrs r2, r2, #8\n\t"                                                                          \
    "mla r10, r12, r3, r10\n\t"                                                                    \
    "lsrs r3, r3, #8\n\t"                                                                          \
    "mla r7, r12, r2, r7\n\t"                                                                      \
    "mla r11, r12, r3, r11\n\t"

/* Four weights are a word u0 + 2^8 u1 + 2^16 u2 + 2^24 u3 of digits without a sign. It is
 * multiplied as it is and shifted by one, two and three digits, so that the last sum has x * u3
 * alone, and each of the others what it should have and 2^8 times the next one. These are taken
 * away at the end. All that is modulo 2^32, where additions and multiplications are exact whatever
 * overflows; each sum itself, its offset taken away, stays below 2^31: checked on the host. */
static EQ_NAKED void eq_row_code(const int8_t *weights __attribute__((unused)),
                                 const int8_t *input __attribute__((unused)),
                                 const int8_t *input_end __attribute__((unused)),
                                 int32_t begin __attribute__((unused)),
                                 int32_t skip __attribute__((unused)),
                                 int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4-r11, lr}\n\t"
        "mov lr, r2\n\t"
        "ldr r12, [sp, #36]\n\t"
        "mov r7, r3\n\t"
        "add r6, r3, r3, lsl #8\n\t"
        "add r5, r3, r6, lsl #8\n\t"
        "add r4, r3, r5, lsl #8\n\t"
        "mov r8, r4\n\t"
        "mov r9, r5\n\t"
        "mov r10, r6\n\t"
        "mov r11, r7\n\t"
        ".p2align 2\n\t"
        "add pc, r12\n\t" /* counts from four bytes behind itself */
        "nop\n\t"
        "1:\n\t"
        ".rept " EQ_STRING(EQ_ROW_TURN) "\n\t" EQ_ROW_STEP ".endr\n\t"
                                        "cmp r1, lr\n\t"
                                        "bne.w 1b\n\t"
                                        "ldr r0, [sp, #40]\n\t"
                                        "sub r4, r4, r5, lsl #8\n\t"
                                        "sub r5, r5, r6, lsl #8\n\t"
                                        "sub r6, r6, r7, lsl #8\n\t"
                                        "sub r8, r8, r9, lsl #8\n\t"
                                        "sub r9, r9, r10, lsl #8\n\t"
                                        "sub r10, r10, r11, lsl #8\n\t"
                                        "stmia r0, {r4, r5, r6, r7, r8, r9, r10, r11}\n\t"
                                        "pop {r4-r11, pc}");
}

/* sums[i] = begin + the sum over all taps of (weight i + 128) * input; the weights of a tap follow
 * each other, and lie at a multiple of four bytes. */
EQ_KERNEL void eq_row(const int8_t *weights, const int8_t *input, int32_t taps, int32_t begin,
                      int32_t *sums)
{
    const int32_t skipped = (EQ_ROW_TURN - taps % EQ_ROW_TURN) % EQ_ROW_TURN;
    eq_row_code(weights, input, input + taps, begin, skipped * EQ_ROW_STEP_BYTES, sums);
}

#endif
