/* AVERAGE_POOL_2D (NHWC), int16 and float32, portable C. The window is clipped to the image, and
 * the mean is over the taps that are inside. */
#ifndef EQ_AVERAGE_POOL_2D_TYPES_H
#define EQ_AVERAGE_POOL_2D_TYPES_H

#include "eq_average_pool_2d.h"
#include "eq_float.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_average_pool_2d_f32_params;

EQ_KERNEL int32_t eq_mean_s16(const eq_average_pool_2d_params *p, int32_t sum, int32_t count)
{
    const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    return eq_clamp(mean, p->activation_min, p->activation_max);
}

EQ_KERNEL float eq_mean_f32(const eq_average_pool_2d_f32_params *p, float sum, int32_t count)
{
    return eq_clamp_f32(sum / (float)count, p->activation_min, p->activation_max);
}

/* Sums of int16 stay below 2^31: the host checks the size of the window. */
#define EQ_AVERAGE_POOL_2D(name, params_type, type, sum_type, mean)                                \
    EQ_KERNEL void name(const params_type *p, const type *input, type *output)                     \
    {                                                                                              \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t oy = 0; oy < p->output_h; oy++) {                                         \
                for (int32_t ox = 0; ox < p->output_w; ox++) {                                     \
                    const int32_t y = oy * p->stride_h - p->pad_top;                               \
                    const int32_t x = ox * p->stride_w - p->pad_left;                              \
                    const int32_t y_begin = eq_max(y, 0);                                          \
                    const int32_t y_end = eq_min(y + p->filter_h, p->input_h);                     \
                    const int32_t x_begin = eq_max(x, 0);                                          \
                    const int32_t x_end = eq_min(x + p->filter_w, p->input_w);                     \
                    const int32_t count = (y_end - y_begin) * (x_end - x_begin);                   \
                    for (int32_t c = 0; c < p->channels; c++) {                                    \
                        sum_type sum = 0;                                                          \
                        for (int32_t iy = y_begin; iy < y_end; iy++) {                             \
                            for (int32_t ix = x_begin; ix < x_end; ix++) {                         \
                                sum += input[(iy * p->input_w + ix) * p->channels + c];            \
                            }                                                                      \
                        }                                                                          \
                        *output++ = (type)mean(p, sum, count);                                     \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            input += p->input_h * p->input_w * p->channels;                                        \
        }                                                                                          \
    }

EQ_AVERAGE_POOL_2D(eq_average_pool_2d_s16, eq_average_pool_2d_params, int16_t, int32_t, eq_mean_s16)
EQ_AVERAGE_POOL_2D(eq_average_pool_2d_f32, eq_average_pool_2d_f32_params, float, float, eq_mean_f32)

#endif
