/* SVDF, portable C: a filter over features, whose results are remembered, then one over time. */
#ifndef EQ_SVDF_H
#define EQ_SVDF_H

#include "eq_base.h"

typedef struct {
    int32_t batches, input_c;
    int32_t units, rank, memory;
    int32_t input_offset; /* -zero_point of the input */
    int32_t state_zero_point;
    int32_t feature_multiplier, feature_shift;
    int32_t output_multiplier, output_shift;
    int32_t output_offset;
    int32_t state_min, state_max;
} eq_svdf_params;

/* The sum over features stays below 2^31: checked on the host with this layer's weights. The sum
 * over time may wrap, as it does in the reference. */
#define EQ_SVDF(name, type)                                                                        \
    EQ_KERNEL void name(const eq_svdf_params *p, const int8_t *input, const int8_t *features,      \
                        const type *time, const int32_t *bias, type *state, int8_t *output)        \
    {                                                                                              \
        const int32_t filters = p->units * p->rank;                                                \
        memmove(state, state + 1,                                                                  \
                (size_t)(p->batches * filters * p->memory - 1) * sizeof(*state));                  \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            type *row = state + b * filters * p->memory;                                           \
            const type *weight = time;                                                             \
            for (int32_t unit = 0; unit < p->units; unit++) {                                      \
                uint32_t sum = (uint32_t)bias[unit];                                               \
                for (int32_t r = 0; r < p->rank; r++) {                                            \
                    const int8_t *feature = features + (unit * p->rank + r) * p->input_c;          \
                    int32_t dot = 0;                                                               \
                    for (int32_t c = 0; c < p->input_c; c++) {                                     \
                        dot += feature[c] * (input[c] + p->input_offset);                          \
                    }                                                                              \
                    dot = eq_multiply_by_quantized_multiplier(dot, p->feature_multiplier,          \
                                                              p->feature_shift);                   \
                    row[p->memory - 1] =                                                           \
                        (type)(eq_clamp(dot, p->state_min, p->state_max) + p->state_zero_point);   \
                    for (int32_t t = 0; t < p->memory; t++) {                                      \
                        sum += (uint32_t)(*weight++ * (row[t] - p->state_zero_point));             \
                    }                                                                              \
                    row += p->memory;                                                              \
                }                                                                                  \
                const int32_t scaled = eq_multiply_by_quantized_multiplier(                        \
                    (int32_t)sum, p->output_multiplier, p->output_shift);                          \
                *output++ = (int8_t)eq_clamp(scaled + p->output_offset, INT8_MIN, INT8_MAX);       \
            }                                                                                      \
            input += p->input_c;                                                                   \
        }                                                                                          \
    }

EQ_SVDF(eq_svdf_s8, int8_t)
EQ_SVDF(eq_svdf_s16, int16_t)

#endif
