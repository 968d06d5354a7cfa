/* TRANSPOSE_CONV (NHWC, weights OHWI), int16 activations, portable C. */
#ifndef EQ_TRANSPOSE_CONV_S16_H
#define EQ_TRANSPOSE_CONV_S16_H

#include "eq_transpose_conv.h"
#include "eq_wide.h"

EQ_KERNEL void eq_transpose_conv_s16(const eq_transpose_conv_params *p, const int16_t *input,
                                     const int8_t *weights, const eq_requant_wide *requant,
                                     int16_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int8_t *tap = weights;
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    int64_t acc = requant[oc].bias;
                    EQ_FOR_TRANSPOSED_TAPS(oy + p->pad_top, ox + p->pad_left)
                    {
                        const int32_t ix = (ox + p->pad_left - fx) / p->stride_w;
                        if (ix >= p->input_w) {
                            continue;
                        }
                        const int16_t *in = input + (iy * p->input_w + ix) * p->input_c;
                        const int8_t *w = tap + (fy * p->filter_w + fx) * p->input_c;
                        for (int32_t c = 0; c < p->input_c; c++) {
                            acc += (int32_t)in[c] * w[c];
                        }
                    }
                    *output++ = (int16_t)eq_requantize_wide(acc, &requant[oc], 0,
                                                            p->activation_min, p->activation_max);
                    tap += p->filter_h * p->filter_w * p->input_c;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
