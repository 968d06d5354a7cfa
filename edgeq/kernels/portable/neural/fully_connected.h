/* FULLY_CONNECTED, int8 activations, int8 weights (output, input), portable C. */
#ifndef EQ_FULLY_CONNECTED_H
#define EQ_FULLY_CONNECTED_H

#include "eq_base.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t output_offset;
    int32_t multiplier, shift; /* per-tensor scale; positive shift is left */
    int32_t activation_min, activation_max;
} eq_fully_connected_params;

typedef struct {
    eq_fully_connected_params layer;
    int32_t input_offset, weights_offset;
} eq_fully_connected_product_params;

/* Per-tensor weights; the input's zero point is folded into the bias. */
EQ_KERNEL void eq_fully_connected_s8(const eq_fully_connected_params *p, const int8_t *input,
                                     const int8_t *weights, const int32_t *bias, int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *w = weights;
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            int32_t acc = bias[oc];
            for (int32_t c = 0; c < p->input_c; c++) {
                acc += input[c] * w[c];
            }
            w += p->input_c;
            acc = eq_multiply_by_quantized_multiplier(acc, p->multiplier, p->shift);
            *output++ =
                (int8_t)eq_clamp(acc + p->output_offset, p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

/* Per-channel weights; the input's zero point is folded into the bias. */
EQ_KERNEL void eq_fully_connected_per_channel_s8(const eq_fully_connected_params *p,
                                                 const int8_t *input, const int8_t *weights,
                                                 const eq_requant *requant, int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *w = weights;
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            int32_t acc = requant[oc].bias;
            for (int32_t c = 0; c < p->input_c; c++) {
                acc += input[c] * w[c];
            }
            w += p->input_c;
            *output++ = (int8_t)eq_requantize(acc, &requant[oc], p->output_offset,
                                              p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

/* Per-tensor weights that are computed, or that have a zero point. */
EQ_KERNEL void eq_fully_connected_product_s8(const eq_fully_connected_product_params *p,
                                             const int8_t *input, const int8_t *weights,
                                             const int32_t *bias, int8_t *output)
{
    const eq_fully_connected_params *layer = &p->layer;
    for (int32_t b = 0; b < layer->batches; b++) {
        const int8_t *w = weights;
        for (int32_t oc = 0; oc < layer->output_c; oc++) {
            /* |acc| stays below 2^31: checked on the host for any weights. */
            int32_t acc = bias[oc];
            for (int32_t c = 0; c < layer->input_c; c++) {
                acc += (input[c] + p->input_offset) * (w[c] + p->weights_offset);
            }
            w += layer->input_c;
            acc = eq_multiply_by_quantized_multiplier(acc, layer->multiplier, layer->shift);
            *output++ = (int8_t)eq_clamp(acc + layer->output_offset, layer->activation_min,
                                         layer->activation_max);
        }
        input += layer->input_c;
    }
}

#endif
