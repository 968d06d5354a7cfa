/* CONV_2D, int16 activations (NHWC), int8 weights (OHWI), portable C. */
#ifndef EQ_CONV_2D_S16_H
#define EQ_CONV_2D_S16_H

#include "eq_conv_2d.h"
#include "eq_wide.h"

/* The dot product at (oy, ox) of one filter. */
EQ_KERNEL int64_t eq_conv_2d_dot_s16(const eq_conv_2d_params *p, const int16_t *input,
                                     const int8_t *filter, int32_t oy, int32_t ox)
{
    int64_t acc = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w) {
                const int16_t *in = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->filter_c; c++) {
                    acc += (int32_t)in[c] * filter[c];
                }
            }
            filter += p->filter_c;
        }
    }
    return acc;
}

#define EQ_CONV_2D_S16(requantized)                                                                \
    const int32_t group_c = p->output_c / (p->input_c / p->filter_c);                              \
    for (int32_t b = 0; b < p->batches; b++) {                                                     \
        for (int32_t oy = 0; oy < p->output_h; oy++) {                                             \
            for (int32_t ox = 0; ox < p->output_w; ox++) {                                         \
                for (int32_t oc = 0; oc < p->output_c; oc++) {                                     \
                    const int8_t *filter = weights + oc * p->filter_h * p->filter_w * p->filter_c; \
                    const int16_t *group = input + oc / group_c * p->filter_c;                     \
                    const int64_t acc =                                                            \
                        requant[oc].bias + eq_conv_2d_dot_s16(p, group, filter, oy, ox);           \
                    *output++ = (int16_t)(requantized);                                            \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        input += p->input_h * p->input_w * p->input_c;                                             \
    }

/* 64-bit bias. */
EQ_KERNEL void eq_conv_2d_s16(const eq_conv_2d_params *p, const int16_t *input,
                              const int8_t *weights, const eq_requant_wide *requant,
                              int16_t *output){
    EQ_CONV_2D_S16(eq_requantize_wide(acc, &requant[oc], 0, p -> activation_min,
                                      p->activation_max))}

/* 32-bit bias; |acc| stays below 2^31: checked on the host with this layer's weights. */
EQ_KERNEL
    void eq_conv_2d_s16_bias32(const eq_conv_2d_params *p, const int16_t *input,
                               const int8_t *weights, const eq_requant *requant, int16_t *output)
{
    EQ_CONV_2D_S16(
        eq_requantize((int32_t)acc, &requant[oc], 0, p->activation_min, p->activation_max))
}

#endif
