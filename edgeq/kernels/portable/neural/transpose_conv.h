/* TRANSPOSE_CONV (NHWC, weights OHWI), int8, int16 with int8 weights, and float32, portable C.
 *
 * Every output value gathers its taps, so no image of accumulators is needed: of the rows of the
 * filter, every stride_h-th one meets an input row. Input pixels come in the order in which the
 * reference scatters them, so that float32 sums are the same.
 */
#ifndef EQ_TRANSPOSE_CONV_H
#define EQ_TRANSPOSE_CONV_H

#include "eq_wide.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t input_offset, output_offset;
    int32_t activation_min, activation_max;
} eq_transpose_conv_params;

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_transpose_conv_f32_params;

/* The first input row or column that one with place `y`, padding counted, gathers from. */
EQ_KERNEL int32_t eq_first_transposed(int32_t y, int32_t filter, int32_t stride)
{
    return y < filter ? 0 : (y - filter + stride) / stride;
}

#define EQ_FOR_TRANSPOSED(i, f, y, filter, stride, input)                                          \
    for (int32_t i = eq_first_transposed(y, filter, stride), f = (y) - i * (stride);               \
         i < (input) && f >= 0; i++, f -= (stride))

/* Runs the statement behind it for the input pixels (iy, ix) of one output value, in order, and
 * the tap (fy, fx) that each meets; y and x are the value's place with the padding. */
#define EQ_FOR_TRANSPOSED_TAPS(y, x)                                                               \
    EQ_FOR_TRANSPOSED(iy, fy, y, p->filter_h, p->stride_h, p->input_h)                             \
    EQ_FOR_TRANSPOSED(ix, fx, x, p->filter_w, p->stride_w, p->input_w)

/* The host proves that no accumulator exceeds its bits. */
#define EQ_TRANSPOSE_CONV(suffix, type, acc_type, requant_type, requantize)                        \
    EQ_KERNEL void eq_transpose_conv_##suffix(const eq_transpose_conv_params *p,                   \
                                              const type *input, const int8_t *weights,            \
                                              const requant_type *requant, type *output)           \
    {                                                                                              \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t oy = 0; oy < p->output_h; oy++) {                                         \
                for (int32_t ox = 0; ox < p->output_w; ox++) {                                     \
                    const int8_t *tap = weights;                                                   \
                    for (int32_t oc = 0; oc < p->output_c; oc++) {                                 \
                        acc_type acc = requant[oc].bias;                                           \
                        EQ_FOR_TRANSPOSED_TAPS(oy + p->pad_top, ox + p->pad_left)                  \
                        {                                                                          \
                            const type *in = input + (iy * p->input_w + ix) * p->input_c;          \
                            const int8_t *w = tap + (fy * p->filter_w + fx) * p->input_c;          \
                            for (int32_t c = 0; c < p->input_c; c++) {                             \
                                acc += (in[c] + p->input_offset) * w[c];                           \
                            }                                                                      \
                        }                                                                          \
                        *output++ = (type)requantize(acc, &requant[oc], p->output_offset,          \
                                                     p->activation_min, p->activation_max);        \
                        tap += p->filter_h * p->filter_w * p->input_c;                             \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            input += p->input_h * p->input_w * p->input_c;                                         \
        }                                                                                          \
    }

EQ_TRANSPOSE_CONV(s8, int8_t, int32_t, eq_requant, eq_requantize)
EQ_TRANSPOSE_CONV(s16, int16_t, int64_t, eq_requant_wide, eq_requantize_wide)

EQ_KERNEL void eq_transpose_conv_f32(const eq_transpose_conv_f32_params *p, const float *input,
                                     const float *weights, const float *bias, float *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const float *tap = weights;
                for (int32_t oc = 0; oc < p->output_c; oc++) {
                    float acc = 0.0f;
                    EQ_FOR_TRANSPOSED_TAPS(oy + p->pad_top, ox + p->pad_left)
                    {
                        const float *in = input + (iy * p->input_w + ix) * p->input_c;
                        const float *w = tap + (fy * p->filter_w + fx) * p->input_c;
                        for (int32_t c = 0; c < p->input_c; c++) {
                            acc += in[c] * w[c];
                        }
                    }
                    acc += bias[oc];
                    acc = acc < p->activation_min ? p->activation_min : acc;
                    *output++ = acc > p->activation_max ? p->activation_max : acc;
                    tap += p->filter_h * p->filter_w * p->input_c;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
