/* CONV_2D, int8 activations (NHWC), 4-bit weights, for cores with the DSP extension: as
 * eq_conv_2d_dsp.h, with streams of weights that are half as long (see eq_matmul_packed_dsp.h).
 */
#ifndef EQ_CONV_2D_PACKED_DSP_H
#define EQ_CONV_2D_PACKED_DSP_H

#include "eq_base.h"
#include "eq_conv_2d_dsp.h"
#include "eq_matmul_packed_dsp.h"

EQ_KERNEL void eq_conv_2d_packed_dsp(const eq_conv_2d_dsp_params *p, int clustered,
                                     const int8_t *input, const uint32_t *weights,
                                     const eq_word *pairs, int8_t *output, eq_word *columns)
{
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_column_at_dsp(p, input, oy, ox, columns + pixels);
                left--;
                pixels++;
                if (pixels == EQ_PASS_PIXELS || left == 0) {
                    eq_pixels_packed_dsp(&p->scale, clustered, columns, p->steps, weights, pairs,
                                         output, p->output_c, pixels);
                    output += pixels * p->output_c;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

/* `scratch` holds the columns: 6 * steps words. */
EQ_KERNEL void eq_conv_2d_int4_dsp_s8(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                      const uint32_t *weights, int8_t *output, void *scratch)
{
    eq_conv_2d_packed_dsp(p, 0, input, weights, NULL, output, scratch);
}

/* `values` is what the codes mean; in `scratch` the table of pairs comes before the columns. */
EQ_KERNEL void eq_conv_2d_clustered_dsp_s8(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                           const uint32_t *weights, const int8_t *values,
                                           int8_t *output, void *scratch)
{
    eq_word *pairs = scratch;
    eq_make_pairs(values, pairs);
    eq_conv_2d_packed_dsp(p, 1, input, weights, pairs, output, pairs + EQ_PACKED_PAIRS);
}

#endif
