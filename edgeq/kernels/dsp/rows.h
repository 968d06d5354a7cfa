/* Products of one vector with many groups of four rows of int8 weights, for cores with the DSP
 * extension. A vector of int8 values is kept widened to 16 bits, since it is read once per group;
 * two rows share each stream of weights as explained in eq_matmul_dsp.h: 14 instructions do 16
 * multiply-accumulates. Values of 16 bits leave no room for two rows, so each row's weights are
 * widened: 18 instructions for 16.
 */
#ifndef EQ_ROWS_DSP_H
#define EQ_ROWS_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_ROWS_STEP_BYTES 56
#define EQ_ROWS_UNROLL 8

/* Four values by four rows. */
#define EQ_ROWS_STEP                                                                               \
    "ldrd r6, r7, [r1], #8\n\t"                                                                    \
    "ldmia.w r0!, {r2, r3, r4, r5}\n\t"                                                            \
    "smlad r9, r2, r6, r9\n\t"                                                                     \
    "sxtb16 r2, r2\n\t"                                                                            \
    "smlad r10, r2, r6, r10\n\t"                                                                   \
    "smlad r11, r3, r6, r11\n\t"                                                                   \
    "sxtb16 r3, r3\n\t"                                                                            \
    "smlad r12, r3, r6, r12\n\t"                                                                   \
    "smlad r9, r4, r7, r9\n\t"                                                                     \
    "sxtb16 r4, r4\n\t"                                                                            \
    "smlad r10, r4, r7, r10\n\t"                                                                   \
    "smlad r11, r5, r7, r11\n\t"                                                                   \
    "sxtb16 r5, r5\n\t"                                                                            \
    "smlad r12, r5, r7, r12\n\t"

/* The four sums of every group from `sums` to `sums_end`; returns what follows the weights of the
 * last. Each group starts with 256 * bias_a + bias_b, bias_b, and the same of c and d. `skip` bytes
 * of the unrolled loop are jumped over on entry. On the stack: vector 0, entry 4, sums_end 8. */
static EQ_NAKED const eq_word *eq_rows_dsp(const eq_word *weights __attribute__((unused)),
                                           const eq_word *vector __attribute__((unused)),
                                           const eq_word *vector_end __attribute__((unused)),
                                           int32_t skip __attribute__((unused)),
                                           int32_t *sums __attribute__((unused)),
                                           int32_t *sums_end __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "ldrd r8, r9, [sp, #36]\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 2f\n\t"
                     "add r3, r2\n\t"
                     "orr r3, #1\n\t"
                     "push {r1, r3, r9}\n\t"
                     "1:\n\t"
                     "ldmia.w r0!, {r9, r10, r11, r12}\n\t"
                     "ldr r1, [sp]\n\t"
                     "ldr pc, [sp, #4]\n\t"
                     ".p2align 2\n\t"
                     "2:\n\t"
                     ".rept 8\n\t" EQ_ROWS_STEP ".endr\n\t"
                     "cmp r1, lr\n\t"
                     "bne 2b\n\t"
                     "sub r9, r9, r10\n\t"
                     "asr r9, r9, #8\n\t"
                     "sub r11, r11, r12\n\t"
                     "asr r11, r11, #8\n\t"
                     "stmia r8!, {r9, r10, r11, r12}\n\t"
                     "ldr r2, [sp, #8]\n\t"
                     "cmp r8, r2\n\t"
                     "bne 1b\n\t"
                     "add sp, #12\n\t"
                     "pop {r4-r11, pc}");
}

#define EQ_ROWS_S16_STEP_BYTES 72
#define EQ_ROWS_S16_UNROLL 4

/* Four values by one row, whose weights lie in the order 0, 2, 1, 3. */
#define EQ_ROW_S16(weights, sum)                                                                   \
    "sxtb16 r8, " weights "\n\t"                                                                   \
    "smlad " sum ", r8, r6, " sum "\n\t"                                                           \
    "sxtb16 " weights ", " weights ", ror #8\n\t"                                                  \
    "smlad " sum ", " weights ", r7, " sum "\n\t"

#define EQ_ROWS_S16_STEP                                                                           \
    "ldrd r6, r7, [r1], #8\n\t"                                                                    \
    "ldmia.w r0!, {r2, r3, r4, r5}\n\t" EQ_ROW_S16("r2", "r9") EQ_ROW_S16("r3", "r10")             \
        EQ_ROW_S16("r4", "r11") EQ_ROW_S16("r5", "r12")

/* As eq_rows_dsp, for values of 16 bits; each group starts with its four biases. Sums fit 32 bits,
 * proven by the host. On the stack: vector 0, entry 4, sums 8, sums_end 12. */
static EQ_NAKED const eq_word *eq_rows_dsp_s16(const eq_word *weights __attribute__((unused)),
                                               const eq_word *vector __attribute__((unused)),
                                               const eq_word *vector_end __attribute__((unused)),
                                               int32_t skip __attribute__((unused)),
                                               int32_t *sums __attribute__((unused)),
                                               int32_t *sums_end __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "ldrd r8, r9, [sp, #36]\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 2f\n\t"
                     "add r3, r2\n\t"
                     "orr r3, #1\n\t"
                     "push {r1, r3, r8, r9}\n\t"
                     "1:\n\t"
                     "ldmia.w r0!, {r9, r10, r11, r12}\n\t"
                     "ldr r1, [sp]\n\t"
                     "ldr pc, [sp, #4]\n\t"
                     ".p2align 2\n\t"
                     "2:\n\t"
                     ".rept 4\n\t" EQ_ROWS_S16_STEP ".endr\n\t"
                     "cmp r1, lr\n\t"
                     "bne 2b\n\t"
                     "ldrd r2, r3, [sp, #8]\n\t"
                     "stmia r2!, {r9, r10, r11, r12}\n\t"
                     "str r2, [sp, #8]\n\t"
                     "cmp r2, r3\n\t"
                     "bne 1b\n\t"
                     "add sp, #16\n\t"
                     "pop {r4-r11, pc}");
}

/* Bytes to jump over for a vector of so many values. */
EQ_KERNEL int32_t eq_rows_skip_dsp(int32_t values)
{
    const int32_t steps = (values + 3) / 4;
    return (EQ_ROWS_UNROLL - steps % EQ_ROWS_UNROLL) % EQ_ROWS_UNROLL * EQ_ROWS_STEP_BYTES;
}

EQ_KERNEL int32_t eq_rows_skip_dsp_s16(int32_t values)
{
    const int32_t steps = (values + 3) / 4;
    return (EQ_ROWS_S16_UNROLL - steps % EQ_ROWS_S16_UNROLL) % EQ_ROWS_S16_UNROLL *
           EQ_ROWS_S16_STEP_BYTES;
}

/* int8 values as int16, in order. */
EQ_KERNEL void eq_widen_vector_dsp(const int8_t *values, int32_t count, int16_t *wide)
{
    for (int32_t i = 0; i < count; i++) {
        wide[i] = values[i];
    }
}

#endif
