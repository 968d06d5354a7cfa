/* FULLY_CONNECTED, int8 activations, weights (output, input) as 4-bit codes, portable C. */
#ifndef EQ_FULLY_CONNECTED_PACKED_H
#define EQ_FULLY_CONNECTED_PACKED_H

#include "eq_base.h"
#include "eq_fully_connected.h"
#include "eq_packed.h"

EQ_KERNEL int32_t eq_fully_connected_packed_dot(const int8_t *input, const uint8_t *codes,
                                                const int8_t *values, int32_t count)
{
    int32_t acc = 0;
    for (int32_t c = 0; c + 1 < count; c += 2) {
        const int32_t both = codes[c >> 1];
        acc += input[c] * values[both & 0xF];
        acc += input[c + 1] * values[both >> 4];
    }
    if (count % 2 != 0) {
        acc += input[count - 1] * values[codes[count >> 1] & 0xF];
    }
    return acc;
}

/* Per-tensor weights; the input's zero point is folded into the bias. */
EQ_KERNEL void eq_fully_connected_packed_s8(const eq_fully_connected_params *p, const int8_t *input,
                                            const uint8_t *codes, const int8_t *values,
                                            const int32_t *bias, int8_t *output)
{
    const int32_t row_bytes = (p->input_c + 1) / 2;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            int32_t acc = bias[oc] + eq_fully_connected_packed_dot(input, codes + oc * row_bytes,
                                                                   values, p->input_c);
            acc = eq_multiply_by_quantized_multiplier(acc, p->multiplier, p->shift);
            *output++ =
                (int8_t)eq_clamp(acc + p->output_offset, p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

/* Per-channel weights; the input's zero point is folded into the bias. */
EQ_KERNEL void eq_fully_connected_packed_per_channel_s8(const eq_fully_connected_params *p,
                                                        const int8_t *input, const uint8_t *codes,
                                                        const int8_t *values,
                                                        const eq_requant *requant, int8_t *output)
{
    const int32_t row_bytes = (p->input_c + 1) / 2;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oc = 0; oc < p->output_c; oc++) {
            const int32_t acc =
                requant[oc].bias +
                eq_fully_connected_packed_dot(input, codes + oc * row_bytes, values, p->input_c);
            *output++ = (int8_t)eq_requantize(acc, &requant[oc], p->output_offset,
                                              p->activation_min, p->activation_max);
        }
        input += p->input_c;
    }
}

#endif
