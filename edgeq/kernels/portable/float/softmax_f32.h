/* SOFTMAX, float32, portable C with the C library's expf. */
#ifndef EQ_SOFTMAX_F32_H
#define EQ_SOFTMAX_F32_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t rows, depth;
    float beta;
} eq_softmax_f32_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_softmax_f32(const eq_softmax_f32_params *p, const float *input, float *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        float max = input[0];
        for (int32_t c = 1; c < p->depth; c++) {
            max = max < input[c] ? input[c] : max;
        }
        float sum = 0.0f;
        for (int32_t c = 0; c < p->depth; c++) {
            output[c] = expf((input[c] - max) * p->beta);
            sum += output[c];
        }
        for (int32_t c = 0; c < p->depth; c++) {
            output[c] = output[c] / sum;
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
