/* SVDF, float32, portable C; sums in the order of the reference. */
#ifndef EQ_SVDF_F32_H
#define EQ_SVDF_F32_H

#include <math.h>

#include "eq_float.h"

typedef struct {
    int32_t batches, input_c;
    int32_t units, rank, memory;
    float activation_min, activation_max;
    int32_t curve; /* 1: TANH, 2: SIGN_BIT, 0: neither */
} eq_svdf_f32_params;

EQ_KERNEL float eq_svdf_curve_f32(const eq_svdf_f32_params *p, float x)
{
    if (p->curve == 1) {
        return tanhf(x);
    }
    if (p->curve == 2) {
        return signbit(x) ? 1.0f : 0.0f;
    }
    return eq_clamp_f32(x, p->activation_min, p->activation_max);
}

EQ_KERNEL void eq_svdf_f32(const eq_svdf_f32_params *p, const float *input, const float *features,
                           const float *time, const float *bias, float *state, float *output)
{
    const int32_t filters = p->units * p->rank;
    memmove(state, state + 1, (size_t)(p->batches * filters * p->memory - 1) * sizeof(*state));
    for (int32_t b = 0; b < p->batches; b++) {
        float *row = state + b * filters * p->memory;
        const float *weight = time;
        for (int32_t unit = 0; unit < p->units; unit++) {
            float sum = bias[unit];
            for (int32_t r = 0; r < p->rank; r++) {
                const float *feature = features + (unit * p->rank + r) * p->input_c;
                float dot = 0.0f;
                for (int32_t c = 0; c < p->input_c; c++) {
                    dot += feature[c] * input[c];
                }
                row[p->memory - 1] = dot;
                float over_time = 0.0f;
                for (int32_t t = 0; t < p->memory; t++) {
                    over_time += *weight++ * row[t];
                }
                sum += over_time;
                row += p->memory;
            }
            *output++ = eq_svdf_curve_f32(p, sum);
        }
        input += p->input_c;
    }
}

#endif
