/* RSQRT of int16, portable C. (Of int8 it is a table.) */
#ifndef EQ_RSQRT_H
#define EQ_RSQRT_H

#include "eq_inverse_sqrt.h"

typedef struct {
    int32_t size;
    int32_t input_offset, output_offset;
    int32_t output_multiplier, output_shift; /* the shift is 20 less, see below */
    int32_t activation_min, activation_max;
} eq_rsqrt_params;

/* 1 / sqrt(x) in Q20, then rescaled; 0 and what is below become the largest value. The output may
 * be written over the input. */
EQ_KERNEL void eq_rsqrt_s16(const eq_rsqrt_params *p, const int16_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t x = input[i] + p->input_offset;
        if (x <= 0) {
            output[i] = (int16_t)p->activation_max;
            continue;
        }
        const eq_scaling by = eq_inverse_sqrt(x);
        const int32_t root = eq_multiply_by_quantized_multiplier(1, by.multiplier, by.shift + 20);
        const int32_t y =
            eq_multiply_by_quantized_multiplier(root, p->output_multiplier, p->output_shift);
        output[i] = (int16_t)eq_clamp(y + p->output_offset, p->activation_min, p->activation_max);
    }
}

#endif
