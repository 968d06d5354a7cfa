/* CONV_2D, float32 (NHWC), weights OHWI, portable C; sums in the order of the reference. */
#ifndef EQ_CONV_2D_F32_H
#define EQ_CONV_2D_F32_H

#include "eq_float.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w, filter_c;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_conv_2d_f32_params;

EQ_KERNEL float eq_conv_2d_dot_f32(const eq_conv_2d_f32_params *p, const float *input,
                                   const float *filter, int32_t oy, int32_t ox)
{
    float total = 0.0f;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w) {
                const float *in = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->filter_c; c++) {
                    total += in[c] * filter[c];
                }
            }
            filter += p->filter_c;
        }
    }
    return total;
}

EQ_KERNEL void eq_conv_2d_f32(const eq_conv_2d_f32_params *p, const float *input,
                              const float *weights, const float *bias, float *output)
{
    const int32_t group_c = p->output_c / (p->input_c / p->filter_c);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    const float *filter = weights + oc * p->filter_h * p->filter_w * p->filter_c;
                    const float *group = input + oc / group_c * p->filter_c;
                    const float total = eq_conv_2d_dot_f32(p, group, filter, oy, ox) + bias[oc];
                    *output++ = eq_clamp_f32(total, p->activation_min, p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
