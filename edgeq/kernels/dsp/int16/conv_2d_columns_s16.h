/* The values of output pixels of a CONV_2D with int16 activations (NHWC), as columns for
 * eq_matmul_s16_dsp.h. */
#ifndef EQ_CONV_2D_COLUMNS_S16_DSP_H
#define EQ_CONV_2D_COLUMNS_S16_DSP_H

#include "eq_base.h"
#include "eq_matmul_s16_dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t steps; /* of four values each, for one output */
    int32_t activation_min, activation_max;
} eq_conv_2d_dsp_s16_params;

/* One pixel's values, all inside the image, from filters without gaps: the pairs of each row of
 * filter_w * input_c values first, then the values left over at the rows' ends, together. */
EQ_KERNEL void eq_conv_2d_column_dsp_s16(const eq_conv_2d_dsp_s16_params *p, const int16_t *window,
                                         eq_word *column)
{
    const int32_t row = p->filter_w * p->input_c;
    const int32_t pitch = p->dilation_h * p->input_w * p->input_c;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int16_t *from = window + ky * pitch;
        EQ_UNROLL(8)
        for (int32_t i = 0; i + 2 <= row; i += 2) {
            memcpy(column, from + i, 4);
            column += EQ_PASS_S16_PIXELS;
        }
    }
    if (row % 2 != 0) {
        const int16_t *end = window + row - 1;
        for (int32_t ky = 0; ky < p->filter_h; ky += 2) {
            const int32_t next = ky + 1 < p->filter_h ? end[(ky + 1) * pitch] : 0;
            *column = ((uint32_t)end[ky * pitch] & 0xFFFF) | (uint32_t)next << 16;
            column += EQ_PASS_S16_PIXELS;
        }
    }
}

/* The same for filters with gaps, and for pixels at the border: 0 is outside the image. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_taps_dsp_s16(const eq_conv_2d_dsp_s16_params *p,
                                                          const int16_t *input, int32_t y,
                                                          int32_t x, eq_word *column)
{
    const int32_t row = p->filter_w * p->input_c;
    eq_word *rest = column + p->filter_h * (row / 2) * EQ_PASS_S16_PIXELS;
    uint32_t pair = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        int32_t place = 0; /* in the row */
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            const int16_t *tap = input + (iy * p->input_w + ix) * p->input_c;
            for (int32_t c = 0; c < p->input_c; c++) {
                const uint32_t value = inside ? (uint32_t)tap[c] & 0xFFFF : 0;
                pair = pair >> 16 | value << 16;
                place++;
                if (place % 2 == 0) {
                    *column = pair;
                    column += EQ_PASS_S16_PIXELS;
                }
            }
        }
        if (row % 2 != 0 && ky % 2 == 0) {
            *rest = pair >> 16;
        } else if (row % 2 != 0) {
            *rest |= pair & 0xFFFF0000u;
            rest += EQ_PASS_S16_PIXELS;
        }
    }
}

/* The same where every tap has whole pairs of channels. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_pairs_dsp_s16(const eq_conv_2d_dsp_s16_params *p,
                                                           const int16_t *input, int32_t y,
                                                           int32_t x, eq_word *column)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            const int16_t *tap = input + (iy * p->input_w + ix) * p->input_c;
            EQ_UNROLL(4)
            for (int32_t c = 0; c < p->input_c; c += 2) {
                uint32_t pair = 0;
                if (inside) {
                    memcpy(&pair, tap + c, 4);
                }
                *column = pair;
                column += EQ_PASS_S16_PIXELS;
            }
        }
    }
}

EQ_KERNEL void eq_conv_2d_column_at_dsp_s16(const eq_conv_2d_dsp_s16_params *p,
                                            const int16_t *input, int32_t oy, int32_t ox,
                                            eq_word *column)
{
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    const int inside = y >= 0 && y + (p->filter_h - 1) * p->dilation_h < p->input_h && x >= 0 &&
                       x + p->filter_w <= p->input_w;
    if ((p->filter_w == 1 || p->dilation_w == 1) && inside) {
        eq_conv_2d_column_dsp_s16(p, input + (y * p->input_w + x) * p->input_c, column);
    } else if (p->input_c % 2 == 0) {
        eq_conv_2d_pairs_dsp_s16(p, input, y, x, column);
    } else {
        eq_conv_2d_taps_dsp_s16(p, input, y, x, column);
    }
}

#endif
