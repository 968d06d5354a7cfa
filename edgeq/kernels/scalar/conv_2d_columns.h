/* CONV_2D, int8 (NHWC), on widened inputs: those of a few neighbouring output pixels are laid out
 * tap by tap, and every output channel is one inner product over all of them. All inputs of a
 * group of pixels are read before its outputs are written.
 */
#ifndef EQ_CONV_2D_COLUMNS_H
#define EQ_CONV_2D_COLUMNS_H

#include "eq_base.h"
#include "eq_columns.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    eq_scale scale;
} eq_conv_2d_columns_params;

/* Widen one pixel's inputs; returns what the offset of the weights adds to each of its sums. */
EQ_KERNEL int32_t eq_conv_2d_column(const eq_conv_2d_columns_params *p, const int8_t *input,
                                    int32_t oy, int32_t ox, eq_lane *column)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t image_bytes = p->input_w * p->input_c;
    const int32_t left = (ox * p->stride_w - p->pad_left) * p->input_c;
    /* The pixels of a 1x1 layer are those of one row, which has no border. */
    const int one_row = p->filter_h == 1 && p->filter_w == 1 && p->stride_h == 1 &&
                        p->stride_w == 1 && p->pad_top == 0 && p->pad_left == 0;
    int32_t sum = 0;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = oy * p->stride_h - p->pad_top + ky;
        const int8_t *row = input + iy * image_bytes + left;
        if (one_row ||
            (iy >= 0 && iy < p->input_h && left >= 0 && left + row_bytes <= image_bytes)) {
            EQ_UNROLL(4)
            for (int32_t i = 0; i < row_bytes; i++) {
                *column = row[i];
                if (EQ_WEIGHT_OFFSET != 0) {
                    sum += row[i];
                }
                column += EQ_DOT_PIXELS;
            }
        } else {
            for (int32_t i = 0; i < row_bytes; i++) {
                const int32_t at = left + i;
                const int inside = iy >= 0 && iy < p->input_h && at >= 0 && at < image_bytes;
                const int32_t value = inside ? row[i] : p->input_zero_point;
                *column = (eq_lane)value;
                sum += value;
                column += EQ_DOT_PIXELS;
            }
        }
    }
    return EQ_WEIGHT_OFFSET * sum;
}

/* The same for the pixel number `pixel` of a group, whose sums `sums` are. */
EQ_KERNEL void eq_conv_2d_pixel(const eq_conv_2d_columns_params *p, const int8_t *input, int32_t oy,
                                int32_t ox, eq_lane *columns, int32_t pixel, int32_t *sums)
{
    const int32_t added = eq_conv_2d_column(p, input, oy, ox, columns + pixel);
    if (EQ_WEIGHT_OFFSET != 0) {
        sums[EQ_DOT_PIXELS + pixel] = -added;
    }
}

/* One output channel of these pixels, from their sums. */
EQ_KERNEL void eq_conv_2d_channel(const eq_conv_2d_columns_params *p, const int32_t *sums,
                                  const eq_requant *requant, int8_t *out, int32_t pixels)
{
    const eq_channel channel = eq_channel_of(&p->scale, requant);
    for (int32_t i = 0; i < pixels; i++) {
        *out = (int8_t)eq_scale_output(&p->scale, &channel, channel.bias + sums[i]);
        out += p->output_c;
    }
}

/* All output channels of up to EQ_DOT_PIXELS pixels. */
EQ_KERNEL void eq_conv_2d_channels(const eq_conv_2d_columns_params *p, const eq_lane *columns,
                                   int32_t *sums, const int8_t *weights, const eq_requant *requant,
                                   int8_t *output, int32_t pixels)
{
    const int32_t taps = p->filter_h * p->filter_w * p->input_c;
    int32_t oc = 0;
#ifdef EQ_DOT_TWO
    for (; oc + 1 < p->output_c; oc += 2) {
        int32_t both[2 * EQ_DOT_PIXELS];
        eq_dot_two(weights, columns, taps, both);
        weights += 2 * taps;
        for (int32_t k = 0; k < 2; k++) {
            eq_conv_2d_channel(p, both + k * EQ_DOT_PIXELS, &requant[oc + k], output + oc + k,
                               pixels);
        }
    }
#endif
    for (; oc < p->output_c; oc++) {
        eq_dot(weights, columns, taps, sums);
        weights += taps;
        eq_conv_2d_channel(p, sums, &requant[oc], output + oc, pixels);
    }
}

/* `scratch` holds EQ_DOT_PIXELS columns of filter_h * filter_w * input_c lanes. */
EQ_KERNEL void eq_conv_2d_columns_s8(const eq_conv_2d_columns_params *p, const int8_t *input,
                                     const int8_t *weights, const eq_requant *requant,
                                     int8_t *output, void *scratch)
{
    eq_lane *columns = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        int32_t sums[EQ_DOT_SUMS];
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_pixel(p, input, oy, ox, columns, pixels, sums);
                left--;
                pixels++;
                if (pixels == EQ_DOT_PIXELS || left == 0) {
                    eq_conv_2d_channels(p, columns, sums, weights, requant, output, pixels);
                    output += pixels * p->output_c;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
