/* From a spectrum to bands in float32, portable C; see frontend_bands.h. */
#ifndef EQ_FRONTEND_BANDS_F32_H
#define EQ_FRONTEND_BANDS_F32_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t first; /* bin */
    int32_t bins;
    int32_t channels;
    int32_t magnitude; /* whether magnitudes are summed, not powers */
} eq_frontend_bands_f32_params;

EQ_KERNEL float eq_frontend_power_f32(const eq_frontend_bands_f32_params *p, const float *x)
{
    const float power = x[0] * x[0] + x[1] * x[1];
    return p->magnitude ? sqrtf(power) : power;
}

/* `norms` is the factor of each channel. */
EQ_KERNEL void eq_frontend_mel_f32(const eq_frontend_bands_f32_params *p, const float *input,
                                   const float *weights, const uint16_t *widths, const float *norms,
                                   float *output)
{
    float sum = 0.0f; /* of the triangle that falls in this band */
    input += 2 * p->first;
    for (int32_t band = 0; band <= p->channels; band++) {
        float rising = 0.0f;
        for (int32_t i = 0; i < widths[band]; i++, input += 2) {
            const float power = eq_frontend_power_f32(p, input);
            const float weight = *weights++;
            rising += weight * power;
            sum += (1.0f - weight) * power;
        }
        if (band > 0) {
            output[band - 1] = sum * norms[band - 1];
        }
        sum = rising;
    }
}

EQ_KERNEL void eq_frontend_spectrum_f32(const eq_frontend_bands_f32_params *p, const float *input,
                                        float *output)
{
    for (int32_t i = 0; i < p->bins; i++) {
        output[i] = eq_frontend_power_f32(p, input + 2 * (p->first + i));
    }
}

#endif
