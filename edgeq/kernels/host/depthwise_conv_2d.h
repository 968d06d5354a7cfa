/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, for hosts: all channels of a pixel at once,
 * so that the compiler can vectorise over them.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_HOST_H
#define EQ_DEPTHWISE_CONV_2D_HOST_H

#include "eq_base.h"
#include "eq_depthwise_conv_2d.h"

/* Takes the same arguments as the portable kernel, and `scratch` for one accumulator a channel. */
EQ_KERNEL void eq_depthwise_conv_2d_host_s8(const eq_depthwise_conv_2d_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            const eq_requant *requant, int8_t *output,
                                            void *scratch)
{
    int32_t *acc = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                memset(acc, 0, (size_t)p->input_c * sizeof(*acc));
                for (int32_t ky = 0; ky < p->filter_h; ky++) {
                    const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
                    for (int32_t kx = 0; kx < p->filter_w; kx++) {
                        const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
                        if (iy < 0 || iy >= p->input_h || ix < 0 || ix >= p->input_w) {
                            continue;
                        }
                        const int8_t *in = input + (iy * p->input_w + ix) * p->input_c;
                        const int8_t *w = weights + (ky * p->filter_w + kx) * p->input_c;
                        for (int32_t c = 0; c < p->input_c; c++) {
                            acc[c] += (in[c] + p->input_offset) * w[c];
                        }
                    }
                }
                for (int32_t c = 0; c < p->input_c; c++) {
                    output[c] = (int8_t)eq_requantize(acc[c] + requant[c].bias, &requant[c],
                                                      p->output_offset, p->activation_min,
                                                      p->activation_max);
                }
                output += p->input_c;
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
