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

/* x saturated to int8. */
EQ_KERNEL int32_t eq_saturate_8(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(x));
    return result;
}

/* x saturated to int16. */
EQ_KERNEL int32_t eq_saturate_16(int32_t x)
{
    int32_t result;
    __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(x));
    return result;
}

#define EQ_SATURATE_8_CASE(right)                                                                  \
    case right:                                                                                    \
        __asm__("ssat %0, #8, %1, asr #" #right : "=r"(result) : "r"(x));                          \
        break;

/* x / 2^right, rounded down and saturated to int8; one instruction where `right` is known. */
EQ_KERNEL int32_t eq_saturate_8_shifted(int32_t x, int32_t right)
{
    int32_t result;
    switch (right) {
        EQ_SATURATE_8_CASE(16)
        EQ_SATURATE_8_CASE(17)
        EQ_SATURATE_8_CASE(18)
        EQ_SATURATE_8_CASE(19)
        EQ_SATURATE_8_CASE(20)
        EQ_SATURATE_8_CASE(21)
        EQ_SATURATE_8_CASE(22)
    default:
        result = eq_saturate_8(x >> right);
        break;
    }
    return result;
}

#define EQ_SATURATE_16_CASE(right)                                                                 \
    case right:                                                                                    \
        __asm__("ssat %0, #16, %1, asr #" #right : "=r"(result) : "r"(x));                         \
        break;

/* x / 2^right, rounded down and saturated to int16; one instruction where `right` is known. */
EQ_KERNEL int32_t eq_saturate_16_shifted(int32_t x, int32_t right)
{
    int32_t result;
    switch (right) {
        EQ_SATURATE_16_CASE(1)
        EQ_SATURATE_16_CASE(2)
        EQ_SATURATE_16_CASE(3)
        EQ_SATURATE_16_CASE(4)
        EQ_SATURATE_16_CASE(5)
        EQ_SATURATE_16_CASE(6)
        EQ_SATURATE_16_CASE(7)
        EQ_SATURATE_16_CASE(8)
        EQ_SATURATE_16_CASE(9)
        EQ_SATURATE_16_CASE(10)
        EQ_SATURATE_16_CASE(11)
        EQ_SATURATE_16_CASE(12)
        EQ_SATURATE_16_CASE(13)
        EQ_SATURATE_16_CASE(14)
        EQ_SATURATE_16_CASE(15)
        EQ_SATURATE_16_CASE(16)
        EQ_SATURATE_16_CASE(17)
        EQ_SATURATE_16_CASE(18)
        EQ_SATURATE_16_CASE(19)
        EQ_SATURATE_16_CASE(20)
        EQ_SATURATE_16_CASE(21)
        EQ_SATURATE_16_CASE(22)
        EQ_SATURATE_16_CASE(23)
        EQ_SATURATE_16_CASE(24)
    default:
        result = eq_saturate_16(x >> right);
        break;
    }
    return result;
}

/* The product of the low halves. */
EQ_KERNEL int32_t eq_multiply_low(int32_t a, int32_t b)
{
    int32_t product;
    __asm__("smulbb %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* The reference's two roundings of x * multiplier * 2^(shift - 31), saturated to int16: `doubled`
 * is 2 * multiplier - 2^32, a positive shift is left. */
EQ_KERNEL int32_t eq_scale_to_s16_dsp(int32_t x, int32_t doubled, int32_t shift)
{
    const int32_t lifted = shift > 0 ? (int32_t)((uint32_t)x << shift) : x;
    int32_t high;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(high) : "r"(lifted), "r"(doubled));
    if (shift >= 0) {
        return eq_saturate_16(high);
    }
    return eq_saturate_16_shifted(high + (high >> 31) + (1 << (-shift - 1)), -shift);
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
