/* CONV_2D, int8 activations (NHWC), int8 weights (OHWI), portable C.
 * Taps outside the image are skipped: they stand for the zero point and add nothing.
 */
#ifndef EQ_CONV_2D_H
#define EQ_CONV_2D_H

#include "eq_base.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w, filter_c; /* filter_c < input_c: grouped convolution */
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t input_offset; /* -zero_point of the input */
    int32_t output_offset;
    int32_t activation_min, activation_max;
} eq_conv_2d_params;

/* One output value before requantization: the dot product at (oy, ox) of one filter. */
EQ_KERNEL int32_t eq_conv_2d_dot_s8(const eq_conv_2d_params *p, const int8_t *input,
                                    const int8_t *filter, int32_t oy, int32_t ox)
{
    int32_t acc = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w) {
                const int8_t *in = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->filter_c; c++) {
                    acc += (in[c] + p->input_offset) * filter[c];
                }
            }
            filter += p->filter_c;
        }
    }
    return acc;
}

EQ_KERNEL void eq_conv_2d_s8(const eq_conv_2d_params *p, const int8_t *input, const int8_t *weights,
                             const eq_requant *requant, int8_t *output)
{
    const int32_t group_c = p->output_c / (p->input_c / p->filter_c);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    const int8_t *filter = weights + oc * p->filter_h * p->filter_w * p->filter_c;
                    const int8_t *group = input + oc / group_c * p->filter_c;
                    /* |acc| stays below 2^31: checked on the host with this layer's weights. */
                    const int32_t acc =
                        requant[oc].bias + eq_conv_2d_dot_s8(p, group, filter, oy, ox);
                    *output++ = (int8_t)eq_requantize(acc, &requant[oc], p->output_offset,
                                                      p->activation_min, p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
