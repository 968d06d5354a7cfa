/* ADD, int8, inputs of the same shape, for cores with the DSP extension.
 *
 * The reference scales both inputs by their scale over twice the larger one, so the input with the
 * larger scale is multiplied by exactly one half: a shift.
 */
#ifndef EQ_ADD_DSP_H
#define EQ_ADD_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

typedef struct {
    int32_t size;
    int32_t half_offset;  /* -zero_point * 2^19 of the input with the larger scale */
    int32_t other_offset; /* -zero_point * 2^21 of the other one */
    int32_t other_multiplier;
    int32_t other_shift; /* to the right */
    int32_t doubled;     /* 2 * output multiplier - 2^32 */
    int32_t shift_1;     /* output shift to the right, less 1 */
    eq_scale_dsp scale;
} eq_add_dsp_params;

/* The high half of a * b, rounded, ties up. */
EQ_KERNEL int32_t eq_smmulr(int32_t a, int32_t b)
{
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
}

EQ_KERNEL int8_t eq_add_one_dsp(const eq_add_dsp_params *p, int32_t half, int32_t other)
{
    int32_t x = eq_smmulr(other * (1 << 21) + p->other_offset, p->other_multiplier);
    if (p->other_shift > 0) {
        x = (x + (x >> 31) + (1 << (p->other_shift - 1))) >> p->other_shift;
    }
    x += half * (1 << 19) + p->half_offset;
    const int32_t rounding = p->scale.twice_offset_plus_1 * (1 << p->shift_1);
    return (int8_t)eq_requantize_dsp(&p->scale, x, p->doubled, rounding, p->shift_1);
}

/* `half` is the input with the larger scale. The output may be written over either input. */
EQ_KERNEL void eq_add_dsp_s8(const eq_add_dsp_params *p, const int8_t *half, const int8_t *other,
                             int8_t *output)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = eq_add_one_dsp(p, half[i], other[i]);
    }
}

#endif
