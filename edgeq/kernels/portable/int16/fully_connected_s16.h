/* FULLY_CONNECTED, int16 activations, int8 weights (output, input), portable C. */
#ifndef EQ_FULLY_CONNECTED_S16_H
#define EQ_FULLY_CONNECTED_S16_H

#include "eq_wide.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t input_offset, output_offset;
    int32_t activation_min, activation_max;
} eq_fully_connected_s16_params;

EQ_KERNEL int64_t eq_fully_connected_dot_s16(const eq_fully_connected_s16_params *p,
                                             const int16_t *input, const int8_t *weights)
{
    int64_t acc = 0;
    for (int32_t c = 0; c < p->input_c; c++) {
        acc += (input[c] + p->input_offset) * weights[c];
    }
    return acc;
}

/* 64-bit bias. */
EQ_KERNEL void eq_fully_connected_s16(const eq_fully_connected_s16_params *p, const int16_t *input,
                                      const int8_t *weights, const eq_requant_wide *requant,
                                      int16_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            const int64_t acc =
                requant[oc].bias + eq_fully_connected_dot_s16(p, input, weights + oc * p->input_c);
            *output++ = (int16_t)eq_requantize_wide(acc, &requant[oc], p->output_offset,
                                                    p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

/* 32-bit bias; |acc| stays below 2^31: checked on the host with this layer's weights. */
EQ_KERNEL void eq_fully_connected_s16_bias32(const eq_fully_connected_s16_params *p,
                                             const int16_t *input, const int8_t *weights,
                                             const eq_requant *requant, int16_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            const int64_t acc =
                requant[oc].bias + eq_fully_connected_dot_s16(p, input, weights + oc * p->input_c);
            *output++ = (int16_t)eq_requantize((int32_t)acc, &requant[oc], p->output_offset,
                                               p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

#endif
