/* Widening of inputs and requantization of accumulators with DSP instructions. */
#ifndef EQ_REQUANTIZE_DSP_H
#define EQ_REQUANTIZE_DSP_H

#include "eq_base.h"

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

/* How one layer's accumulators become outputs on these cores. */
typedef struct {
    int32_t twice_offset_plus_1; /* 2 * output_offset + 1 */
    int32_t rectified; /* 1: results below the zero point are clamped to it, so that the reference's
                          rounding of negative ties away from zero cannot be seen */
    int32_t activation_min, activation_max;
} eq_scale_dsp;

/* x / 2 saturated to int8. */
EQ_KERNEL int32_t eq_saturate_half(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(result) : "r"(x));
    return result;
}

/* The reference's two roundings with the zero point added before the shift: `doubled` is
 * 2 * multiplier - 2^32, `rounding` (2 * output_offset + 1) << shift_1, shift_1 the shift less 1.
 */
EQ_KERNEL int32_t eq_requantize_dsp(const eq_scale_dsp *p, int32_t acc, int32_t doubled,
                                    int32_t rounding, int32_t shift_1)
{
    int32_t x;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(x) : "r"(acc), "r"(doubled));
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

#endif
