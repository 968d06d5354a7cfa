/* AVERAGE_POOL_2D, int8 (NHWC), portable C. The window is clipped to the image, and the mean is
 * over the taps that are inside. */
#ifndef EQ_AVERAGE_POOL_2D_H
#define EQ_AVERAGE_POOL_2D_H

#include "eq_base.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t activation_min, activation_max;
} eq_average_pool_2d_params;

EQ_KERNEL void eq_average_pool_2d_s8(const eq_average_pool_2d_params *p, const int8_t *input,
                                     int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                const int32_t y_begin = eq_max(y, 0);
                const int32_t y_end = eq_min(y + p->filter_h, p->input_h);
                const int32_t x_begin = eq_max(x, 0);
                const int32_t x_end = eq_min(x + p->filter_w, p->input_w);
                const int32_t count = (y_end - y_begin) * (x_end - x_begin);
                for (int32_t c = 0; c < p->channels; c++) {
                    int32_t acc = 0;
                    for (int32_t iy = y_begin; iy < y_end; iy++) {
                        for (int32_t ix = x_begin; ix < x_end; ix++) {
                            acc += input[(iy * p->input_w + ix) * p->channels + c];
                        }
                    }
                    acc = (acc > 0 ? acc + count / 2 : acc - count / 2) / count;
                    *output++ = (int8_t)eq_clamp(acc, p->activation_min, p->activation_max);
                }
            }
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
