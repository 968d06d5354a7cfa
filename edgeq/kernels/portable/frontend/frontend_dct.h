/* The cosine transform of log bands, portable C. */
#ifndef EQ_FRONTEND_DCT_H
#define EQ_FRONTEND_DCT_H

#include "eq_base.h"

typedef struct {
    int32_t channels, coefficients;
    int32_t multiplier; /* from Q16 sums over Q15 rows, 12 bits dropped, to output steps */
    int32_t shift;
} eq_frontend_dct_params;

/* `matrix` has a row of Q15 for each coefficient. Logarithms are below 2^24, a row's sum is below
 * 2^15 * 2^24 * channels, which 64 bits hold. */
EQ_KERNEL void eq_frontend_dct_s16(const eq_frontend_dct_params *p, const int32_t *input,
                                   const int16_t *matrix, int16_t *output)
{
    for (int32_t k = 0; k < p->coefficients; k++) {
        int64_t sum = 0;
        for (int32_t i = 0; i < p->channels; i++) {
            sum += (int64_t)input[i] * *matrix++;
        }
        const int64_t scaled = (sum >> 12) * p->multiplier;
        const int64_t steps = (scaled + ((int64_t)1 << (p->shift - 1))) >> p->shift;
        output[k] = (int16_t)(steps < INT16_MIN   ? INT16_MIN
                              : steps > INT16_MAX ? INT16_MAX
                                                  : steps);
    }
}

typedef struct {
    int32_t channels, coefficients;
} eq_frontend_dct_f32_params;

EQ_KERNEL void eq_frontend_dct_f32(const eq_frontend_dct_f32_params *p, const float *input,
                                   const float *matrix, float *output)
{
    for (int32_t k = 0; k < p->coefficients; k++) {
        float sum = 0.0f;
        for (int32_t i = 0; i < p->channels; i++) {
            sum += input[i] * *matrix++;
        }
        output[k] = sum;
    }
}

#endif
