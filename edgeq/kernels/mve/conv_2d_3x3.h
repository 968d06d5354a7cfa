/* CONV_2D, int8 (NHWC), filters of 3x3, stride 1, sixteen times n input channels, lines of four
 * times n outputs, with MVE.
 *
 * Four neighbouring pixels of a line see six columns of three lines: those are copied into a
 * window, and each of its vectors is loaded once for all pixels that it belongs to (see
 * eq_matmul_passes_mve.h). All inputs of the four pixels are read before their outputs are written,
 * so the output may lie over the input.
 */
#ifndef EQ_CONV_2D_3X3_MVE_H
#define EQ_CONV_2D_3X3_MVE_H

#include "eq_base.h"
#include "eq_matmul_mve.h"

#define EQ_WINDOW_TAPS 3
#define EQ_WINDOW_COLUMNS 6

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    eq_scale_mve scale;
} eq_conv_2d_3x3_mve_params;

/* What the tile at (y, x) of the input sees: for each line sixteen channels after the other, six
 * columns of each. What is outside the image is the zero point. */
EQ_KERNEL void eq_window_fill_mve(const eq_conv_2d_3x3_mve_params *p, const int8_t *input,
                                  int32_t y, int32_t x, int8_t *window)
{
    const int8x16_t outside = vdupq_n_s8((int8_t)p->input_zero_point);
    const int whole = x >= 0 && x + EQ_WINDOW_COLUMNS <= p->input_w;
    for (int32_t ky = 0; ky < EQ_WINDOW_TAPS; ky++) {
        const int inside = y + ky >= 0 && y + ky < p->input_h;
        const int8_t *line = input + ((y + ky) * p->input_w + x) * p->input_c;
        for (int32_t c = 0; c < p->input_c; c += 16) {
            if (inside && whole) {
                EQ_UNROLL(6)
                for (int32_t i = 0; i < EQ_WINDOW_COLUMNS; i++) {
                    vstrbq_s8(window + 16 * i, vldrbq_s8(line + i * p->input_c + c));
                }
            } else {
                for (int32_t i = 0; i < EQ_WINDOW_COLUMNS; i++) {
                    const int here = inside && x + i >= 0 && x + i < p->input_w;
                    vstrbq_s8(window + 16 * i,
                              here ? vldrbq_s8(line + i * p->input_c + c) : outside);
                }
            }
            window += 16 * EQ_WINDOW_COLUMNS;
        }
    }
}

/* `scratch` holds the window: 18 * input_c bytes. */
EQ_KERNEL void eq_conv_2d_3x3_mve_s8(const eq_conv_2d_3x3_mve_params *p, const int8_t *input,
                                     const int8_t *weights, int8_t *output, void *scratch)
{
    int8_t *window = scratch;
    eq_tile_mve tile;
    tile.pixels[0] = window;
    tile.pixels[1] = window + EQ_WINDOW_TAPS * EQ_WINDOW_COLUMNS * p->input_c;
    tile.output_offset = p->scale.output_offset;
    eq_tile_places_mve(p->output_c, &tile);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox += EQ_TILE_PIXELS) {
                eq_window_fill_mve(p, input, oy - p->pad_top, ox - p->pad_left, window);
                eq_tile_run_mve(&p->scale, &tile, EQ_PASS_WINDOW, 9 * p->input_c / 16, weights,
                                output, p->output_c, EQ_TILE_PIXELS);
                output += EQ_TILE_PIXELS * p->output_c;
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
