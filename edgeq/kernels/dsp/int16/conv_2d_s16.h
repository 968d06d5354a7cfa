/* CONV_2D, int16 activations (NHWC), int8 weights, for cores with the DSP extension.
 *
 * The values of three neighbouring output pixels are put into columns, then every pair of output
 * channels is one pass over its stream of weights (eq_matmul_s16_dsp.h). All inputs of the three
 * pixels are read before their outputs are written, so the output may lie over the input.
 */
#ifndef EQ_CONV_2D_S16_DSP_H
#define EQ_CONV_2D_S16_DSP_H

#include "eq_base.h"
#include "eq_conv_2d_columns_s16_dsp.h"

/* `scratch` holds the columns: 6 * steps words. */
EQ_KERNEL void eq_conv_2d_dsp_s16(const eq_conv_2d_dsp_s16_params *p, const int16_t *input,
                                  const uint32_t *weights, int16_t *output, void *scratch)
{
    const eq_range_dsp_s16 range = {p->activation_min, p->activation_max};
    eq_word *columns = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_conv_2d_column_at_dsp_s16(p, input, oy, ox, columns + pixels);
                left--;
                pixels++;
                if (pixels == EQ_PASS_S16_PIXELS || left == 0) {
                    eq_pixels_dsp_s16(range, columns, p->steps, weights, output, p->output_c,
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
