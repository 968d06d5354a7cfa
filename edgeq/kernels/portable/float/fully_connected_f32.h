/* FULLY_CONNECTED, float32, weights (output, input), portable C. */
#ifndef EQ_FULLY_CONNECTED_F32_H
#define EQ_FULLY_CONNECTED_F32_H

#include "eq_float.h"

typedef struct {
    int32_t batches, input_c, output_c;
    float activation_min, activation_max;
} eq_fully_connected_f32_params;

EQ_KERNEL void eq_fully_connected_f32(const eq_fully_connected_f32_params *p, const float *input,
                                      const float *weights, const float *bias, float *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const float *w = weights;
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            float total = 0.0f;
            for (int32_t c = 0; c < p->input_c; c++) {
                total += input[c] * w[c];
            }
            w += p->input_c;
            *output++ = eq_clamp_f32(total + bias[oc], p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

#endif
