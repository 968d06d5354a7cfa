/* Front ends for motion in float32, portable C: filters that run on as samples come, and what is
 * true of a window of several axes. Samples of all axes at a time stand beside each other.
 */
#ifndef EQ_FRONTEND_MOTION_H
#define EQ_FRONTEND_MOTION_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t rows, axes, sections;
    float unit; /* real value of a sample's step */
} eq_frontend_biquad_params;

/* Second-order sections in a row, each in its transposed direct form II; `sections` has b0, b1, b2,
 * a1, a2 of each, `state` two numbers for each section of each axis. */
EQ_KERNEL void eq_frontend_biquad_f32(const eq_frontend_biquad_params *p, const int16_t *input,
                                      const float *sections, float *state, float *output)
{
    for (int32_t i = 0; i < p->rows * p->axes; i++) {
        float x = p->unit * (float)input[i];
        float *z = state + 2 * p->sections * (i % p->axes);
        const float *c = sections;
        for (int32_t s = 0; s < p->sections; s++, z += 2, c += 5) {
            const float y = c[0] * x + z[0];
            z[0] = c[1] * x - c[3] * y + z[1];
            z[1] = c[2] * x - c[4] * y;
            x = y;
        }
        output[i] = x;
    }
}

typedef struct {
    int32_t rows, axes, statistics;
} eq_frontend_statistics_params;

enum {
    EQ_MEAN,
    EQ_STD,
    EQ_RMS,
    EQ_MIN,
    EQ_MAX,
    EQ_MEAN_ABS,
    EQ_SKEWNESS,
    EQ_KURTOSIS,
    EQ_ZERO_CROSSINGS,
    EQ_PEAKS
};

/* The mean of (x - centre)^power, or of |x| for power 0. */
EQ_KERNEL float eq_frontend_moment(const eq_frontend_statistics_params *p, const float *x,
                                   float centre, int32_t power)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < p->rows; i++) {
        const float value = x[i * p->axes] - centre;
        float term = power == 0 && value < 0.0f ? -value : value;
        for (int32_t k = 1; k < power; k++) {
            term *= value;
        }
        sum += term;
    }
    return sum / (float)p->rows;
}

EQ_KERNEL float eq_frontend_extreme(const eq_frontend_statistics_params *p, const float *x,
                                    int32_t most)
{
    float found = x[0];
    for (int32_t i = 1; i < p->rows; i++) {
        const float value = x[i * p->axes];
        if (most ? value > found : value < found) {
            found = value;
        }
    }
    return found;
}

/* How often neighbours have different signs; or how many values exceed both neighbours. */
EQ_KERNEL float eq_frontend_count(const eq_frontend_statistics_params *p, const float *x,
                                  int32_t peaks)
{
    int32_t count = 0;
    for (int32_t i = 1; i < p->rows - peaks; i++) {
        const float before = x[(i - 1) * p->axes], here = x[i * p->axes];
        if (peaks) {
            count += before < here && here > x[(i + 1) * p->axes];
        } else {
            count += (before < 0.0f) != (here < 0.0f);
        }
    }
    return (float)count;
}

/* A higher moment over that power of the deviation; 0 where nothing deviates. */
EQ_KERNEL float eq_frontend_shape(const eq_frontend_statistics_params *p, const float *x,
                                  int32_t power)
{
    const float mean = eq_frontend_moment(p, x, 0.0f, 1);
    const float variance = eq_frontend_moment(p, x, mean, 2);
    if (!(variance > 0.0f)) {
        return 0.0f;
    }
    const float moment = eq_frontend_moment(p, x, mean, power);
    return power == 3 ? moment / (variance * sqrtf(variance))
                      : moment / (variance * variance) - 3.0f;
}

EQ_KERNEL float eq_frontend_statistic(const eq_frontend_statistics_params *p, const float *x,
                                      uint16_t which)
{
    switch (which) {
    case EQ_MEAN:
        return eq_frontend_moment(p, x, 0.0f, 1);
    case EQ_STD:
        return sqrtf(eq_frontend_moment(p, x, eq_frontend_moment(p, x, 0.0f, 1), 2));
    case EQ_RMS:
        return sqrtf(eq_frontend_moment(p, x, 0.0f, 2));
    case EQ_MEAN_ABS:
        return eq_frontend_moment(p, x, 0.0f, 0);
    case EQ_SKEWNESS:
        return eq_frontend_shape(p, x, 3);
    case EQ_KURTOSIS:
        return eq_frontend_shape(p, x, 4);
    case EQ_ZERO_CROSSINGS:
        return eq_frontend_count(p, x, 0);
    case EQ_PEAKS:
        return eq_frontend_count(p, x, 1);
    default:
        return eq_frontend_extreme(p, x, which == EQ_MAX);
    }
}

/* Each statistic of every axis, then the next one. */
EQ_KERNEL void eq_frontend_statistics_f32(const eq_frontend_statistics_params *p,
                                          const float *input, const uint16_t *which, float *output)
{
    for (int32_t k = 0; k < p->statistics; k++) {
        for (int32_t axis = 0; axis < p->axes; axis++) {
            *output++ = eq_frontend_statistic(p, input + axis, which[k]);
        }
    }
}

typedef struct {
    int32_t rows, axes;
} eq_frontend_axes_params;

/* Each axis by itself, without its mean, weighted. */
EQ_KERNEL void eq_frontend_axes_f32(const eq_frontend_axes_params *p, const float *input,
                                    const float *weights, float *output)
{
    const eq_frontend_statistics_params all = {p->rows, p->axes, 0};
    for (int32_t axis = 0; axis < p->axes; axis++) {
        const float mean = eq_frontend_moment(&all, input + axis, 0.0f, 1);
        for (int32_t i = 0; i < p->rows; i++) {
            *output++ = (input[i * p->axes + axis] - mean) * weights[i];
        }
    }
}

typedef struct {
    int32_t axes, bins, bands;
} eq_frontend_band_powers_params;

/* Power between two bins of each axis, by band: weights are those of the bins, `edges` the first
 * bin of each band and the last one's end. */
EQ_KERNEL void eq_frontend_band_powers_f32(const eq_frontend_band_powers_params *p,
                                           const float *input, const float *weights,
                                           const uint16_t *edges, float *output)
{
    for (int32_t band = 0; band < p->bands; band++) {
        for (int32_t axis = 0; axis < p->axes; axis++) {
            const float *x = input + 2 * p->bins * axis;
            float sum = 0.0f;
            for (int32_t k = edges[band]; k < edges[band + 1]; k++) {
                sum += weights[k] * (x[2 * k] * x[2 * k] + x[2 * k + 1] * x[2 * k + 1]);
            }
            *output++ = sum;
        }
    }
}

#endif
