/* The inner product of CONV_2D on Armv7E-M and Armv8-M with DSP instructions.
 *
 * Two output channels share one stream of weights. A 16-bit half of a weight word holds
 *     v = 256 * wa + wb
 * for the channels a and b, so a single SMLAD multiplies two inputs with the weights of both
 * channels and adds up T = 256 * sum(wa * x) + sum(wb * x) without unpacking anything. Unpacking
 * only b (SXTB16) and adding up B = sum(wb * x) as well gives a back at the end:
 *     sum(wa * x) = (T - B) / 256, exactly.
 * T may wrap around; the host checks that sum(wa * x) fits 24 bits for this layer's weights, and
 * that every v fits 16 bits.
 *
 * Two pixels at a time read the weights once: 12 instructions do 16 multiply-accumulates.
 */
#ifndef EQ_MATMUL_DSP_H
#define EQ_MATMUL_DSP_H

#include "eq_base.h"

/* Inputs of two pixels, widened to 16 bits: for every four values k of the dot product four words,
 * pixel 0 (k0, k2), pixel 0 (k1, k3), pixel 1 (k0, k2), pixel 1 (k1, k3). */

/* Bytes 0 and 2, and bytes 1 and 3, of four int8 values as pairs of int16. */
EQ_KERNEL uint32_t eq_widen_even(uint32_t four)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(four));
    return pair;
}

EQ_KERNEL uint32_t eq_widen_odd(uint32_t four)
{
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(four));
    return pair;
}

/* The high half of 2 * acc * multiplier, rounded, for `doubled` = 2 * multiplier - 2^32. */
EQ_KERNEL int32_t eq_high_mul_dsp(int32_t acc, int32_t doubled)
{
    int32_t high;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(high) : "r"(acc), "r"(doubled));
    return high;
}

/* x / 2 saturated to int8. */
EQ_KERNEL int32_t eq_saturate_half(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(result) : "r"(x));
    return result;
}

/* How one layer's accumulators become outputs on these cores. */
typedef struct {
    int32_t twice_offset_plus_1; /* 2 * output_offset + 1 */
    int32_t rectified; /* 1: results below the zero point are clamped to it, so that the reference's
                          rounding of negative ties away from zero cannot be seen */
    int32_t activation_min, activation_max;
} eq_scale_dsp;

/* The reference's two roundings, with the zero point added before the shift:
 * (x + (x < 0 ? -1 : 0) + 2^(s-1) + zero_point * 2^s) >> s, where shift_1 = s - 1 >= 0. */
EQ_KERNEL int32_t eq_requantize_dsp(const eq_scale_dsp *p, int32_t acc, int32_t doubled,
                                    int32_t rounding, int32_t shift_1)
{
    int32_t x = eq_high_mul_dsp(acc, doubled);
    if (!p->rectified) {
        x += x >> 31;
    }
    x = eq_saturate_half((x + rounding) >> shift_1);
    if (p->activation_min > INT8_MIN) {
        x = eq_max(x, p->activation_min);
    }
    if (p->activation_max < INT8_MAX) {
        x = eq_min(x, p->activation_max);
    }
    return x;
}

/* One step: four values of the dot product, two pixels, two channels. */
#define EQ_STEP_2X2                                                                                \
    "ldrd %[w0], %[w1], [%[w]], #8\n\t"                                                            \
    "ldmia %[c]!, {r2, r3, r4, r5}\n\t"                                                            \
    "sxtb16 %[x], %[w0]\n\t"                                                                       \
    "smlad %[t0], %[w0], r2, %[t0]\n\t"                                                            \
    "smlad %[t1], %[w0], r4, %[t1]\n\t"                                                            \
    "smlad %[b0], %[x], r2, %[b0]\n\t"                                                             \
    "smlad %[b1], %[x], r4, %[b1]\n\t"                                                             \
    "sxtb16 %[x], %[w1]\n\t"                                                                       \
    "smlad %[t0], %[w1], r3, %[t0]\n\t"                                                            \
    "smlad %[t1], %[w1], r5, %[t1]\n\t"                                                            \
    "smlad %[b0], %[x], r3, %[b0]\n\t"                                                             \
    "smlad %[b1], %[x], r5, %[b1]\n\t"

#define EQ_OPERANDS_2X2                                                                            \
    [t0] "+&r"(t0), [t1] "+&r"(t1), [b0] "+&r"(b0), [b1] "+&r"(b1), [w] "+&r"(w), [c] "+&r"(c),    \
        [w0] "=&r"(w0), [w1] "=&r"(w1), [x] "=&r"(x)

#define EQ_UNROLLED_2X2(count)                                                                     \
    case count:                                                                                    \
        __asm__ volatile(".rept " #count "\n\t" EQ_STEP_2X2 ".endr"                                \
                         : EQ_OPERANDS_2X2                                                         \
                         :                                                                         \
                         : "r2", "r3", "r4", "r5", "memory");                                      \
        break

#define EQ_LOOP_2X2(count)                                                                         \
    case count:                                                                                    \
        n = steps / (count);                                                                       \
        __asm__ volatile("1:\n\t.rept " #count "\n\t" EQ_STEP_2X2 ".endr\n\t"                      \
                         "subs %[n], #1\n\tbne 1b"                                                 \
                         : EQ_OPERANDS_2X2, [n] "+&r"(n)                                           \
                         :                                                                         \
                         : "r2", "r3", "r4", "r5", "cc", "memory");                                \
        break

/* The four sums of two pixels and two channels; `sums` is a0, a1, b0, b1.
 *
 * `weights` points at 256 * bias_a + bias_b and bias_b, then two words for each of `steps` steps.
 * `unroll` divides `steps`; equal means no loop. Returns where the weights end. */
EQ_KERNEL const eq_word *eq_dot_2x2_dsp(const eq_word *weights, const eq_word *columns,
                                        int32_t steps, int32_t unroll, int32_t *sums)
{
    const eq_word *w = weights + 2;
    const eq_word *c = columns;
    uint32_t t0 = weights[0], b0 = weights[1], t1 = t0, b1 = b0;
    uint32_t w0, w1, x;
    int32_t n;
    if (steps == unroll) {
        switch (unroll) {
            EQ_UNROLLED_2X2(1);
            EQ_UNROLLED_2X2(2);
            EQ_UNROLLED_2X2(3);
            EQ_UNROLLED_2X2(4);
            EQ_UNROLLED_2X2(5);
            EQ_UNROLLED_2X2(6);
            EQ_UNROLLED_2X2(7);
            EQ_UNROLLED_2X2(8);
            EQ_UNROLLED_2X2(9);
            EQ_UNROLLED_2X2(10);
        }
    } else {
        switch (unroll) {
            EQ_LOOP_2X2(1);
            EQ_LOOP_2X2(2);
            EQ_LOOP_2X2(3);
            EQ_LOOP_2X2(4);
            EQ_LOOP_2X2(5);
            EQ_LOOP_2X2(6);
            EQ_LOOP_2X2(7);
            EQ_LOOP_2X2(8);
            EQ_LOOP_2X2(9);
            EQ_LOOP_2X2(10);
        }
    }
    sums[0] = (int32_t)(t0 - b0) >> 8;
    sums[1] = (int32_t)(t1 - b1) >> 8;
    sums[2] = (int32_t)b0;
    sums[3] = (int32_t)b1;
    return w;
}

#endif
