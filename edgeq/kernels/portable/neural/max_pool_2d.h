/* MAX_POOL_2D (NHWC), portable C. The window is clipped to the image. */
#ifndef EQ_MAX_POOL_2D_H
#define EQ_MAX_POOL_2D_H

#include "eq_float.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t activation_min, activation_max;
} eq_max_pool_2d_params;

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_max_pool_2d_f32_params;

/* Pixels are made in raster order, each channel from its whole window. Starting from the lowest
 * number, NaN is passed over, as in the reference. */
#define EQ_MAX_POOL_2D(suffix, params_type, type, lowest)                                          \
    EQ_KERNEL void eq_max_pool_2d_##suffix(const params_type *p, const type *input, type *output)  \
    {                                                                                              \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t oy = 0; oy < p->output_h; oy++) {                                         \
                const int32_t y = oy * p->stride_h - p->pad_top;                                   \
                const int32_t y_begin = eq_max(y, 0);                                              \
                const int32_t y_end = eq_min(y + p->filter_h, p->input_h);                         \
                for (int32_t ox = 0; ox < p->output_w; ox++) {                                     \
                    const int32_t x = ox * p->stride_w - p->pad_left;                              \
                    const int32_t x_begin = eq_max(x, 0);                                          \
                    const int32_t x_end = eq_min(x + p->filter_w, p->input_w);                     \
                    for (int32_t c = 0; c < p->channels; c++) {                                    \
                        type largest = (lowest);                                                   \
                        for (int32_t iy = y_begin; iy < y_end; iy++) {                             \
                            for (int32_t ix = x_begin; ix < x_end; ix++) {                         \
                                const type tap = input[(iy * p->input_w + ix) * p->channels + c];  \
                                largest = tap > largest ? tap : largest;                           \
                            }                                                                      \
                        }                                                                          \
                        if (largest < p->activation_min) {                                         \
                            largest = (type)p->activation_min;                                     \
                        }                                                                          \
                        if (largest > p->activation_max) {                                         \
                            largest = (type)p->activation_max;                                     \
                        }                                                                          \
                        *output++ = largest;                                                       \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            input += p->input_h * p->input_w * p->channels;                                        \
        }                                                                                          \
    }

EQ_MAX_POOL_2D(s8, eq_max_pool_2d_params, int8_t, INT8_MIN)
EQ_MAX_POOL_2D(s16, eq_max_pool_2d_params, int16_t, INT16_MIN)
EQ_MAX_POOL_2D(f32, eq_max_pool_2d_f32_params, float, -EQ_FLOAT_MAX)

#endif
