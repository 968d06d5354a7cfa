/* LOG_SOFTMAX of the last axis, float32, portable C. */
#ifndef EQ_LOG_SOFTMAX_F32_H
#define EQ_LOG_SOFTMAX_F32_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t rows, depth;
} eq_log_softmax_f32_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_log_softmax_f32(const eq_log_softmax_f32_params *p, const float *input,
                                  float *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        float max = input[0];
        for (int32_t c = 1; c < p->depth; c++) {
            max = input[c] > max ? input[c] : max;
        }
        float sum = 0.0f;
        for (int32_t c = 0; c < p->depth; c++) {
            sum += expf(input[c] - max);
        }
        const float log_sum = logf(sum);
        for (int32_t c = 0; c < p->depth; c++) {
            output[c] = input[c] - max - log_sum;
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
