/* CONV_2D, int8 (NHWC), for hosts whose compiler vectorises inner products: the inputs of one
 * output pixel are gathered in the order of the weights, then every output channel is one product
 * of two contiguous vectors. All inputs of a pixel are read before its outputs are written.
 */
#ifndef EQ_CONV_2D_HOST_H
#define EQ_CONV_2D_HOST_H

#include "eq_base.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t output_offset;
    int32_t activation_min, activation_max;
} eq_conv_2d_host_params;

EQ_KERNEL void eq_conv_2d_gather(const eq_conv_2d_host_params *p, const int8_t *input, int32_t oy,
                                 int32_t ox, eq_half *column)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            for (int32_t c = 0; c < p->input_c; c++) {
                const int32_t value =
                    inside ? input[(iy * p->input_w + ix) * p->input_c + c] : p->input_zero_point;
                column[c] = (eq_half)value;
            }
            column += p->input_c;
        }
    }
}

/* The input's zero point is folded into the bias. `scratch` holds one column of int16. */
EQ_KERNEL void eq_conv_2d_host_s8(const eq_conv_2d_host_params *p, const int8_t *input,
                                  const int8_t *weights, const eq_requant *requant, int8_t *output,
                                  void *scratch)
{
    const int32_t taps = p->filter_h * p->filter_w * p->input_c;
    eq_half *column = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_gather(p, input, oy, ox, column);
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    const int8_t *filter = weights + oc * taps;
                    int32_t acc = 0;
                    for (int32_t k = 0; k < taps; k++) {
                        acc += column[k] * filter[k];
                    }
                    *output++ = (int8_t)eq_requantize(acc + requant[oc].bias, &requant[oc],
                                                      p->output_offset, p->activation_min,
                                                      p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
