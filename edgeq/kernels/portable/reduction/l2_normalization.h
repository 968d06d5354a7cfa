/* L2_NORMALIZATION of the last axis, int8 and float32, portable C. */
#ifndef EQ_L2_NORMALIZATION_H
#define EQ_L2_NORMALIZATION_H

#include "eq_inverse_sqrt.h"

typedef struct {
    int32_t rows, depth;
    int32_t input_offset;
} eq_l2_normalization_params;

/* The output's scale is 1 / 128. A sum of squares is at most depth * 255^2; the host checks the
 * depth. The output may be written over the input. */
EQ_KERNEL void eq_l2_normalization_s8(const eq_l2_normalization_params *p, const int8_t *input,
                                      int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t sum = 0;
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t x = input[c] + p->input_offset;
            sum += x * x;
        }
        const eq_scaling by = eq_inverse_sqrt(sum);
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t y = eq_multiply_by_quantized_multiplier(input[c] + p->input_offset,
                                                                  by.multiplier, by.shift + 7);
            output[c] = (int8_t)eq_clamp(y, INT8_MIN, INT8_MAX);
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
