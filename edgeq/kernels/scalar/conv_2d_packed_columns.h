/* CONV_2D, int8 (NHWC), on widened inputs as in eq_conv_2d_columns.h, with weights as 4-bit codes:
 * those of an output channel become bytes when its turn comes.
 */
#ifndef EQ_CONV_2D_PACKED_COLUMNS_H
#define EQ_CONV_2D_PACKED_COLUMNS_H

#include "eq_base.h"
#include "eq_conv_2d_columns.h"
#include "eq_packed.h"

/* All output channels of up to EQ_DOT_PIXELS pixels; `row` holds the weights of one. */
EQ_KERNEL void eq_conv_2d_packed_channels(const eq_conv_2d_columns_params *p,
                                          const eq_lane *columns, int32_t *sums,
                                          const uint8_t *codes, const int8_t *values,
                                          const eq_requant *requant, int8_t *output, int32_t pixels,
                                          int8_t *row)
{
    const int32_t taps = p->filter_h * p->filter_w * p->input_c;
    for (int32_t oc = 0; oc < p->output_c; oc++) {
        eq_unpack(codes, values, taps, row);
        eq_dot(row, columns, taps, sums);
        codes += (taps + 1) / 2;
        eq_conv_2d_channel(p, sums, &requant[oc], output + oc, pixels);
    }
}

/* `scratch` holds EQ_DOT_PIXELS columns of filter_h * filter_w * input_c lanes, then the weights
 * of a channel. */
EQ_KERNEL void eq_conv_2d_packed_columns_s8(const eq_conv_2d_columns_params *p, const int8_t *input,
                                            const uint8_t *codes, const int8_t *values,
                                            const eq_requant *requant, int8_t *output,
                                            void *scratch)
{
    eq_lane *columns = scratch;
    int8_t *row = (int8_t *)(columns + EQ_DOT_PIXELS * p->filter_h * p->filter_w * p->input_c);
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
                    eq_conv_2d_packed_channels(p, columns, sums, codes, values, requant, output,
                                               pixels, row);
                    output += pixels * p->output_c;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
