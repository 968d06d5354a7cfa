/* CONV_2D, int8 (NHWC), for cores with the DSP extension.
 *
 * The inputs of two neighbouring output pixels are widened into `columns`, then every pair of
 * output channels is one pass over its stream of weights (see eq_matmul_dsp.h). All inputs of the
 * two pixels are read before their outputs are written, so the output may lie over the input.
 */
#ifndef EQ_CONV_2D_DSP_H
#define EQ_CONV_2D_DSP_H

#include "eq_base.h"
#include "eq_matmul_dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t steps;  /* of four values each, for one output */
    int32_t unroll; /* steps per turn of the inner loop */
    eq_scale_dsp scale;
} eq_conv_2d_dsp_params;

EQ_KERNEL eq_word *eq_widen_dsp(eq_word *column, uint32_t four)
{
    column[0] = eq_widen_even(four);
    column[1] = eq_widen_odd(four);
    return column + 4;
}

/* One pixel's inputs, all inside the image: rows of filter_w * input_c bytes; whole words first,
 * then the bytes left over at the end of each row, together. */
EQ_KERNEL void eq_conv_2d_column_dsp(const eq_conv_2d_dsp_params *p, const int8_t *window,
                                     eq_word *column)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t pitch = p->input_w * p->input_c;
    const int32_t rest = row_bytes & 3;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int8_t *row = window + ky * pitch;
        for (int32_t i = 0; i + 4 <= row_bytes; i += 4) {
            uint32_t four;
            memcpy(&four, row + i, 4);
            column = eq_widen_dsp(column, four);
        }
    }
    if (rest != 0) {
        uint32_t four = 0, shift = 0;
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int8_t *tail = window + ky * pitch + row_bytes - rest;
            for (int32_t i = 0; i < rest; i++) {
                four |= (uint32_t)(uint8_t)tail[i] << shift;
                shift += 8;
                if (shift == 32) {
                    column = eq_widen_dsp(column, four);
                    four = 0;
                    shift = 0;
                }
            }
        }
        if (shift != 0) {
            eq_widen_dsp(column, four);
        }
    }
}

/* The same for a pixel at the border: what is outside the image is the zero point. */
static EQ_NOINLINE void eq_conv_2d_border_dsp(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                              int32_t y, int32_t x, eq_word *column)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t whole = row_bytes & ~3;
    uint32_t four = 0, shift = 0;
    for (int32_t part = 0; part < 2; part++) {
        const int32_t begin = part == 0 ? 0 : whole;
        const int32_t end = part == 0 ? whole : row_bytes;
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int32_t iy = y + ky;
            const int32_t first = iy * p->input_w * p->input_c;
            const int32_t left = x * p->input_c;
            for (int32_t i = begin; i < end; i++) {
                const int32_t at = left + i;
                const int inside =
                    iy >= 0 && iy < p->input_h && at >= 0 && at < p->input_w * p->input_c;
                const int32_t value = inside ? input[first + at] : p->input_zero_point;
                four |= (uint32_t)(uint8_t)value << shift;
                shift += 8;
                if (shift == 32) {
                    column = eq_widen_dsp(column, four);
                    four = 0;
                    shift = 0;
                }
            }
        }
    }
    if (shift != 0) {
        eq_widen_dsp(column, four);
    }
}

/* All output channels of the two pixels whose inputs stand in `columns`. With one pixel left,
 * `output1` is `output0`: what is written there first is overwritten. */
EQ_KERNEL void eq_conv_2d_pixels_dsp(const eq_conv_2d_dsp_params *p, const eq_word *columns,
                                     const eq_word *weights, int8_t *output0, int8_t *output1)
{
    for (int32_t oc = 0; oc < p->output_c; oc += 2) {
        int32_t sums[4];
        weights = eq_dot_2x2_dsp(weights, columns, p->steps, p->unroll, sums);
        for (int32_t k = 0; k < 2; k++) {
            const int32_t doubled = (int32_t)weights[0];
            const int32_t shift_1 = (int32_t)weights[1];
            const int32_t rounding = (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << shift_1);
            weights += 2;
            if (k == 0 || oc + 1 < p->output_c) {
                const int32_t *sum = &sums[2 * k];
                *output1++ =
                    (int8_t)eq_requantize_dsp(&p->scale, sum[1], doubled, rounding, shift_1);
                *output0++ =
                    (int8_t)eq_requantize_dsp(&p->scale, sum[0], doubled, rounding, shift_1);
            }
        }
    }
}

EQ_KERNEL void eq_conv_2d_column_at_dsp(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                        int32_t oy, int32_t ox, eq_word *column)
{
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    const int inside = y >= 0 && y + p->filter_h <= p->input_h && x >= 0 &&
                       x + p->filter_w <= p->input_w;
    if (inside) {
        eq_conv_2d_column_dsp(p, input + (y * p->input_w + x) * p->input_c, column);
    } else {
        eq_conv_2d_border_dsp(p, input, y, x, column);
    }
}

/* `scratch` holds 4 * steps words. */
EQ_KERNEL void eq_conv_2d_dsp_s8(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                 const uint32_t *weights, int8_t *output, void *scratch)
{
    eq_word *columns = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t waiting = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_column_at_dsp(p, input, oy, ox, columns + 2 * waiting);
                left--;
                waiting++;
                if (waiting == 2 || left == 0) {
                    int8_t *last = output + (waiting - 1) * p->output_c;
                    eq_conv_2d_pixels_dsp(p, columns, weights, output, last);
                    output = last + p->output_c;
                    waiting = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
