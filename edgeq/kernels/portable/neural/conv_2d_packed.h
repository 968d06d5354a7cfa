/* CONV_2D, int8 activations (NHWC), weights (OHWI) as 4-bit codes, portable C.
 * Taps outside the image are skipped: they stand for the zero point and add nothing.
 */
#ifndef EQ_CONV_2D_PACKED_H
#define EQ_CONV_2D_PACKED_H

#include "eq_base.h"
#include "eq_conv_2d.h"
#include "eq_packed.h"

/* One output value before requantization: the dot product at (oy, ox) of one filter. */
EQ_KERNEL int32_t eq_conv_2d_packed_dot(const eq_conv_2d_params *p, const int8_t *input,
                                        const uint8_t *codes, const int8_t *values, int32_t oy,
                                        int32_t ox)
{
    int32_t acc = 0;
    int32_t tap = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            if (iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w) {
                const int8_t *in = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->filter_c; c++) {
                    acc += (in[c] + p->input_offset) * eq_packed_weight(codes, values, tap + c);
                }
            }
            tap += p->filter_c;
        }
    }
    return acc;
}

EQ_KERNEL void eq_conv_2d_packed_s8(const eq_conv_2d_params *p, const int8_t *input,
                                    const uint8_t *codes, const int8_t *values,
                                    const eq_requant *requant, int8_t *output)
{
    const int32_t group_c = p->output_c / (p->input_c / p->filter_c);
    const int32_t row_bytes = (p->filter_h * p->filter_w * p->filter_c + 1) / 2;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    const int8_t *group = input + oc / group_c * p->filter_c;
                    /* |acc| stays below 2^31: checked on the host with this layer's weights. */
                    const int32_t acc =
                        requant[oc].bias +
                        eq_conv_2d_packed_dot(p, group, codes + oc * row_bytes, values, oy, ox);
                    *output++ = (int8_t)eq_requantize(acc, &requant[oc], p->output_offset,
                                                      p->activation_min, p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
