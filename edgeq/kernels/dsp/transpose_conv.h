/* TRANSPOSE_CONV, int8 (NHWC), for cores with the DSP extension.
 *
 * Outputs whose rows and columns have the same rest when divided by the strides gather from the
 * same taps: they are a convolution of stride 1 with a part of the filter, and go through the inner
 * product of eq_matmul_dsp.h, three pixels by two channels at a time. Each such phase has a stream
 * of weights of its own.
 */
#ifndef EQ_TRANSPOSE_CONV_DSP_H
#define EQ_TRANSPOSE_CONV_DSP_H

#include "eq_base.h"
#include "eq_matmul_dsp.h"

#define EQ_PHASES 4 /* most of a direction */

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c; /* whole words of channels */
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w; /* not more than the filter, nor than EQ_PHASES */
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t stream[EQ_PHASES * EQ_PHASES]; /* where the weights of each phase start, in words */
    eq_scale_dsp scale;
} eq_transpose_conv_dsp_params;

/* Taps of the filter's that meet an input in a phase. */
EQ_KERNEL int32_t eq_phase_taps(int32_t filter, int32_t stride, int32_t phase)
{
    return (filter - phase + stride - 1) / stride;
}

/* The inputs of one output: those at (y, x), (y, x - 1) ... of `rows` by `columns` taps. What is
 * outside the image is the zero point. */
EQ_KERNEL void eq_transposed_column_dsp(const eq_transpose_conv_dsp_params *p, const int8_t *input,
                                        int32_t y, int32_t x, int32_t rows, int32_t columns,
                                        eq_word *column)
{
    const uint32_t outside = (uint32_t)(p->input_zero_point & 0xFF) * 0x01010101u;
    for (int32_t iy = y; iy > y - rows; iy--) {
        for (int32_t ix = x; ix > x - columns; ix--) {
            if (iy < 0 || iy >= p->input_h || ix < 0 || ix >= p->input_w) {
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    column = eq_widen_dsp(column, outside);
                }
            } else {
                const int8_t *pixel = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    uint32_t four;
                    memcpy(&four, pixel + c, 4);
                    column = eq_widen_dsp(column, four);
                }
            }
        }
    }
}

/* All channels of up to three pixels, each where its place says. (eq_pixels_dsp is for neighbours.)
 */
static EQ_NOINLINE EQ_UNUSED void eq_transposed_pixels_dsp(const eq_transpose_conv_dsp_params *p,
                                                           const eq_word *columns, int32_t steps,
                                                           const eq_word *weights,
                                                           int8_t *const *places, int32_t pixels)
{
    const int32_t pair_words = eq_pair_words_dsp(steps);
    int8_t aside[EQ_PASS_PIXELS][2];
    eq_pass_dsp pass = eq_pass_of_dsp(columns, steps, weights, p->output_c);
    for (int32_t i = 0; i < EQ_PASS_PIXELS; i++) {
        pass.output[i] = places[eq_min(i, pixels - 1)];
    }
    /* The last of an odd number of channels has no partner: its pass writes aside. */
    for (int32_t part = p->output_c > 1 ? 0 : 1; part < 1 + p->output_c % 2; part++) {
        if (part == 1) {
            weights = pass.weights_end;
            pass.weights_end = weights + pair_words;
            for (int32_t i = 0; i < EQ_PASS_PIXELS; i++) {
                pass.output[i] = aside[i];
            }
        }
        eq_pass_pairs_of_dsp(&p->scale, weights, &pass);
    }
    for (int32_t i = 0; i < pixels; i++) {
        if (p->output_c % 2 != 0) {
            places[i][p->output_c - 1] = aside[i][0];
        }
        eq_pass_clamp_dsp(&p->scale, places[i], p->output_c);
    }
}

/* The outputs of one image whose place, padding counted, leaves these rests. */
EQ_KERNEL void eq_transposed_phase_dsp(const eq_transpose_conv_dsp_params *p, int32_t phase_y,
                                       int32_t phase_x, const int8_t *input, const eq_word *weights,
                                       int8_t *output, eq_word *columns)
{
    const int32_t rows = eq_phase_taps(p->filter_h, p->stride_h, phase_y);
    const int32_t across = eq_phase_taps(p->filter_w, p->stride_w, phase_x);
    const int32_t steps = rows * across * p->input_c / 4;
    const int32_t first_y = (phase_y - p->pad_top % p->stride_h + p->stride_h) % p->stride_h;
    const int32_t first_x = (phase_x - p->pad_left % p->stride_w + p->stride_w) % p->stride_w;
    int8_t *places[EQ_PASS_PIXELS];
    int32_t pixels = 0;
    for (int32_t oy = first_y; oy < p->output_h; oy += p->stride_h) {
        for (int32_t ox = first_x; ox < p->output_w; ox += p->stride_w) {
            eq_transposed_column_dsp(p, input, (oy + p->pad_top) / p->stride_h,
                                     (ox + p->pad_left) / p->stride_w, rows, across,
                                     columns + pixels);
            places[pixels] = output + (oy * p->output_w + ox) * p->output_c;
            pixels++;
            const int end = oy + p->stride_h >= p->output_h && ox + p->stride_w >= p->output_w;
            if (pixels == EQ_PASS_PIXELS || end) {
                eq_transposed_pixels_dsp(p, columns, steps, weights, places, pixels);
                pixels = 0;
            }
        }
    }
}

/* `scratch` holds the columns: 6 words for every four values of the largest phase. */
EQ_KERNEL void eq_transpose_conv_dsp_s8(const eq_transpose_conv_dsp_params *p, const int8_t *input,
                                        const uint32_t *weights, int8_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t phase_y = 0; phase_y < p->stride_h; phase_y++) {
            for (int32_t phase_x = 0; phase_x < p->stride_w; phase_x++) {
                const eq_word *stream = weights + p->stream[phase_y * p->stride_w + phase_x];
                eq_transposed_phase_dsp(p, phase_y, phase_x, input, stream, output, scratch);
            }
        }
        input += p->input_h * p->input_w * p->input_c;
        output += p->output_h * p->output_w * p->output_c;
    }
}

#endif
