/* TRANSPOSE_CONV, int16 activations (NHWC), int8 weights, for cores with the DSP extension.
 *
 * A convolution of stride 1 for each phase of the strides, as in eq_transpose_conv_dsp.h, through
 * the inner product of eq_matmul_s16_dsp.h. Sums fit 32 bits, proven by the host.
 */
#ifndef EQ_TRANSPOSE_CONV_S16_DSP_H
#define EQ_TRANSPOSE_CONV_S16_DSP_H

#include "eq_base.h"
#include "eq_matmul_s16_dsp.h"
#include "eq_transpose_conv_dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c; /* whole steps of four channels */
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w; /* not more than the filter, nor than EQ_PHASES */
    int32_t pad_top, pad_left;
    int32_t stream[EQ_PHASES * EQ_PHASES]; /* where the weights of each phase start, in words */
    int32_t activation_min, activation_max;
} eq_transpose_conv_dsp_s16_params;

/* The inputs of one output: those at (y, x), (y, x - 1) ... of `rows` by `columns` taps. What is
 * outside the image is 0. */
EQ_KERNEL void eq_transposed_column_dsp_s16(const eq_transpose_conv_dsp_s16_params *p,
                                            const int16_t *input, int32_t y, int32_t x,
                                            int32_t rows, int32_t columns, eq_word *column)
{
    for (int32_t iy = y; iy > y - rows; iy--) {
        for (int32_t ix = x; ix > x - columns; ix--) {
            if (iy < 0 || iy >= p->input_h || ix < 0 || ix >= p->input_w) {
                EQ_UNROLL(4)
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    column[0] = 0;
                    column[EQ_PASS_S16_PIXELS] = 0;
                    column += 2 * EQ_PASS_S16_PIXELS;
                }
            } else {
                const int16_t *pixel = input + (iy * p->input_w + ix) * p->input_c;
                EQ_UNROLL(4)
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    uint32_t four[2];
                    memcpy(four, pixel + c, 8);
                    column[0] = four[0];
                    column[EQ_PASS_S16_PIXELS] = four[1];
                    column += 2 * EQ_PASS_S16_PIXELS;
                }
            }
        }
    }
}

/* All channels of up to three pixels, each where its place says. */
static EQ_NOINLINE EQ_UNUSED void
eq_transposed_pixels_dsp_s16(const eq_transpose_conv_dsp_s16_params *p, const eq_word *columns,
                             int32_t steps, const eq_word *weights, int16_t *const *places,
                             int32_t pixels)
{
    const eq_range_dsp_s16 range = {p->activation_min, p->activation_max};
    const int32_t pair_words = 2 * steps + 4;
    int16_t aside[EQ_PASS_S16_PIXELS][2];
    eq_pass_dsp_s16 pass;
    pass.columns = columns;
    pass.columns_end = columns + 2 * EQ_PASS_S16_PIXELS * steps;
    pass.weights_end = weights + p->output_c / 2 * pair_words;
    pass.skip = eq_pass_skip_dsp_s16(steps);
    pass.room = (INT16_MAX - range.max) * 0x10001;
    for (int32_t i = 0; i < EQ_PASS_S16_PIXELS; i++) {
        pass.output[i] = places[eq_min(i, pixels - 1)];
    }
    if (p->output_c > 1) {
        eq_pass_all_dsp_s16(range, weights, &pass);
    }
    if (p->output_c % 2 != 0) {
        /* The last channel has no partner: its pass writes aside, and one value of two is taken. */
        for (int32_t i = 0; i < EQ_PASS_S16_PIXELS; i++) {
            pass.output[i] = aside[i];
        }
        weights = pass.weights_end;
        pass.weights_end = weights + pair_words;
        eq_pass_all_dsp_s16(range, weights, &pass);
    }
    for (int32_t i = 0; i < pixels; i++) {
        if (p->output_c % 2 != 0) {
            places[i][p->output_c - 1] = aside[i][0];
        }
        eq_pass_clamp_dsp_s16(range, places[i], p->output_c);
    }
}

/* The outputs of one image whose place, padding counted, leaves these rests. */
EQ_KERNEL void eq_transposed_phase_dsp_s16(const eq_transpose_conv_dsp_s16_params *p,
                                           int32_t phase_y, int32_t phase_x, const int16_t *input,
                                           const eq_word *weights, int16_t *output,
                                           eq_word *columns)
{
    const int32_t rows = eq_phase_taps(p->filter_h, p->stride_h, phase_y);
    const int32_t across = eq_phase_taps(p->filter_w, p->stride_w, phase_x);
    const int32_t steps = rows * across * p->input_c / 4;
    const int32_t first_y = (phase_y - p->pad_top % p->stride_h + p->stride_h) % p->stride_h;
    const int32_t first_x = (phase_x - p->pad_left % p->stride_w + p->stride_w) % p->stride_w;
    int16_t *places[EQ_PASS_S16_PIXELS];
    int32_t pixels = 0;
    for (int32_t oy = first_y; oy < p->output_h; oy += p->stride_h) {
        for (int32_t ox = first_x; ox < p->output_w; ox += p->stride_w) {
            eq_transposed_column_dsp_s16(p, input, (oy + p->pad_top) / p->stride_h,
                                         (ox + p->pad_left) / p->stride_w, rows, across,
                                         columns + pixels);
            places[pixels] = output + (oy * p->output_w + ox) * p->output_c;
            pixels++;
            const int end = oy + p->stride_h >= p->output_h && ox + p->stride_w >= p->output_w;
            if (pixels == EQ_PASS_S16_PIXELS || end) {
                eq_transposed_pixels_dsp_s16(p, columns, steps, weights, places, pixels);
                pixels = 0;
            }
        }
    }
}

/* `scratch` holds the columns: 6 words for every four values of the largest phase. */
EQ_KERNEL void eq_transpose_conv_dsp_s16(const eq_transpose_conv_dsp_s16_params *p,
                                         const int16_t *input, const uint32_t *weights,
                                         int16_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t phase_y = 0; phase_y < p->stride_h; phase_y++) {
            for (int32_t phase_x = 0; phase_x < p->stride_w; phase_x++) {
                const eq_word *stream = weights + p->stream[phase_y * p->stride_w + phase_x];
                eq_transposed_phase_dsp_s16(p, phase_y, phase_x, input, stream, output, scratch);
            }
        }
        input += p->input_h * p->input_w * p->input_c;
        output += p->output_h * p->output_w * p->output_c;
    }
}

#endif
