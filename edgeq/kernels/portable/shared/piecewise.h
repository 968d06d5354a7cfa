/* RELU, LEAKY_RELU and ABS of int16: two slopes, portable C. (Of int8 they are a table.) */
#ifndef EQ_PIECEWISE_H
#define EQ_PIECEWISE_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t input_offset, output_offset;
    int32_t positive_multiplier, positive_shift;
    int32_t negative_multiplier, negative_shift; /* the multiplier may be negative */
    int32_t activation_min, activation_max;
} eq_piecewise_params;

EQ_KERNEL int32_t eq_piecewise_one(const eq_piecewise_params *p, int32_t x)
{
    if (x >= 0) {
        return eq_multiply_by_quantized_multiplier(x, p->positive_multiplier, p->positive_shift);
    }
    if (p->negative_multiplier < 0) {
        return -eq_multiply_by_quantized_multiplier(x, -p->negative_multiplier, p->negative_shift);
    }
    return eq_multiply_by_quantized_multiplier(x, p->negative_multiplier, p->negative_shift);
}

/* The output may be written over the input. */
EQ_KERNEL void eq_piecewise_s16(const eq_piecewise_params *p, const int16_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t y = eq_piecewise_one(p, input[i] + p->input_offset) + p->output_offset;
        output[i] = (int16_t)eq_clamp(y, p->activation_min, p->activation_max);
    }
}

/* The absolute value, with the fields for positive inputs. Of plain numbers activation_max is 2^15,
 * which the cast makes the smallest value: that one has no counterpart. */
EQ_KERNEL void eq_abs_s16(const eq_piecewise_params *p, const int16_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t x = input[i] + p->input_offset;
        const int32_t y = eq_piecewise_one(p, x < 0 ? -x : x) + p->output_offset;
        output[i] = (int16_t)eq_clamp(y, p->activation_min, p->activation_max);
    }
}

#endif
