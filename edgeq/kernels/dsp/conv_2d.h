/* CONV_2D, int8 (NHWC), for cores with the DSP extension.
 *
 * The inputs of three neighbouring output pixels are widened into columns, then every pair of
 * output channels is one pass over its stream of weights (see eq_matmul_dsp.h). All inputs of the
 * three pixels are read before their outputs are written, so the output may lie over the input.
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
    int32_t steps; /* of four values each, for one output */
    eq_scale_dsp scale;
} eq_conv_2d_dsp_params;

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
        EQ_UNROLL(6)
        for (int32_t i = 0; i + 4 <= row_bytes; i += 4) {
            uint32_t four;
            memcpy(&four, row + i, 4);
            column = eq_widen_dsp(column, four);
        }
    }
    if (rest != 0) {
        uint32_t four = 0, shift = 0;
        EQ_UNROLL(4)
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int8_t *tail = window + ky * pitch + row_bytes - rest;
            EQ_UNROLL(3)
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
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_border_dsp(const eq_conv_2d_dsp_params *p,
                                                        const int8_t *input, int32_t y, int32_t x,
                                                        eq_word *column)
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

/* The same where every tap has whole words of channels. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_border_words_dsp(const eq_conv_2d_dsp_params *p,
                                                              const int8_t *input, int32_t y,
                                                              int32_t x, eq_word *column)
{
    const uint32_t outside = (uint32_t)(p->input_zero_point & 0xFF) * 0x01010101u;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx;
            if (iy < 0 || iy >= p->input_h || ix < 0 || ix >= p->input_w) {
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    column = eq_widen_dsp(column, outside);
                }
            } else {
                const int8_t *tap = input + (iy * p->input_w + ix) * p->input_c;
                for (int32_t c = 0; c < p->input_c; c += 4) {
                    uint32_t four;
                    memcpy(&four, tap + c, 4);
                    column = eq_widen_dsp(column, four);
                }
            }
        }
    }
}

EQ_KERNEL void eq_conv_2d_column_at_dsp(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                        int32_t oy, int32_t ox, eq_word *column)
{
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    const int inside =
        y >= 0 && y + p->filter_h <= p->input_h && x >= 0 && x + p->filter_w <= p->input_w;
    if (inside) {
        eq_conv_2d_column_dsp(p, input + (y * p->input_w + x) * p->input_c, column);
    } else if (p->input_c % 4 == 0) {
        eq_conv_2d_border_words_dsp(p, input, y, x, column);
    } else {
        eq_conv_2d_border_dsp(p, input, y, x, column);
    }
}

/* `scratch` holds the columns: 6 * steps words. */
EQ_KERNEL void eq_conv_2d_dsp_s8(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                 const uint32_t *weights, int8_t *output, void *scratch)
{
    eq_word *columns = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_column_at_dsp(p, input, oy, ox, columns + pixels);
                left--;
                pixels++;
                if (pixels == EQ_PASS_PIXELS || left == 0) {
                    eq_pixels_dsp(&p->scale, columns, p->steps, weights, output, p->output_c,
                                  pixels);
                    output += pixels * p->output_c;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
