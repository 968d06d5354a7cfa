/* DEPTHWISE_CONV_2D, int16 activations (NHWC), int8 weights (1HWC), portable C. */
#ifndef EQ_DEPTHWISE_CONV_2D_S16_H
#define EQ_DEPTHWISE_CONV_2D_S16_H

#include "eq_depthwise_conv_2d.h"
#include "eq_wide.h"

/* One output value before requantization. */
EQ_KERNEL int64_t eq_depthwise_conv_2d_dot_s16(const eq_depthwise_conv_2d_params *p,
                                               const int16_t *input, const int8_t *weights,
                                               int32_t oy, int32_t ox)
{
    const int32_t output_c = p->input_c * p->depth_multiplier;
    int64_t acc = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w) {
                const int32_t value = input[(iy * p->input_w + ix) * p->input_c];
                acc += value * weights[(ky * p->filter_w + kx) * output_c];
            }
        }
    }
    return acc;
}

EQ_KERNEL void eq_depthwise_conv_2d_s16(const eq_depthwise_conv_2d_params *p, const int16_t *input,
                                        const int8_t *weights, const eq_requant_wide *requant,
                                        int16_t *output)
{
    const int32_t output_c = p->input_c * p->depth_multiplier;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                for (int32_t oc = 0; oc < output_c; oc++) {
                    const int64_t acc = requant[oc].bias + eq_depthwise_conv_2d_dot_s16(
                                                               p, input + oc / p->depth_multiplier,
                                                               weights + oc, oy, ox);
                    *output++ = (int16_t)eq_requantize_wide(acc, &requant[oc], 0, p->activation_min,
                                                            p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
