/* L2_NORMALIZATION of the last axis and L2_POOL_2D (NHWC) of float32, portable C. */
#ifndef EQ_L2_F32_H
#define EQ_L2_F32_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t rows, depth;
} eq_l2_normalization_f32_params;

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_l2_pool_2d_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_l2_normalization_f32(const eq_l2_normalization_f32_params *p, const float *input,
                                       float *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        float sum = 0.0f;
        for (int32_t c = 0; c < p->depth; c++) {
            sum += input[c] * input[c];
        }
        const float norm = sqrtf(sum);
        const float divisor = norm < 1e-6f ? 1e-6f : norm; /* of NaN, too */
        for (int32_t c = 0; c < p->depth; c++) {
            output[c] = input[c] / divisor;
        }
        input += p->depth;
        output += p->depth;
    }
}

/* The square root of the mean square over the taps that are inside the image. */
EQ_KERNEL void eq_l2_pool_2d_f32(const eq_l2_pool_2d_params *p, const float *input, float *output)
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
                    float sum = 0.0f;
                    for (int32_t iy = y_begin; iy < y_end; iy++) {
                        for (int32_t ix = x_begin; ix < x_end; ix++) {
                            const float tap = input[(iy * p->input_w + ix) * p->channels + c];
                            sum += tap * tap;
                        }
                    }
                    float root = sqrtf(sum / (float)count);
                    root = root < p->activation_min ? p->activation_min : root;
                    *output++ = root > p->activation_max ? p->activation_max : root;
                }
            }
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
