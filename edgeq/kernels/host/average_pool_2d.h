/* AVERAGE_POOL_2D, int8 (NHWC), for hosts: 16 channels at a time. The window is clipped to the
 * image, and the mean is over the taps that are inside. The primitives are those of
 * eq_lanes_host.h.
 */
#ifndef EQ_AVERAGE_POOL_2D_HOST_H
#define EQ_AVERAGE_POOL_2D_HOST_H

#include "eq_average_pool_2d.h"
#include "eq_simd.h"

/* Means of at most 16 channels over `rows` times `columns` pixels. */
EQ_KERNEL void eq_average_pool_2d_some(const eq_average_pool_2d_params *p, const int8_t *input,
                                       int32_t rows, int32_t columns, int8_t *output,
                                       int32_t channels)
{
    int8_t copy[EQ_LANES];
    int32_t kept[EQ_LANES];
    eq_sums sums = eq_same_sums(0);
    for (int32_t y = 0; y < rows; y++) {
        const int8_t *pixel = input + y * p->input_w * p->channels;
        for (int32_t x = 0; x < columns; x++) {
            sums = eq_add_sums(sums, eq_load_values(eq_some_values(pixel, channels, copy)));
            pixel += p->channels;
        }
    }
    eq_keep_sums(kept, sums);
    const int32_t count = rows * columns;
    for (int32_t c = 0; c < channels; c++) {
        const int32_t acc = kept[c];
        const int32_t mean = (acc > 0 ? acc + count / 2 : acc - count / 2) / count;
        output[c] = (int8_t)eq_clamp(mean, p->activation_min, p->activation_max);
    }
}

EQ_KERNEL void eq_average_pool_2d_host_s8(const eq_average_pool_2d_params *p, const int8_t *input,
                                          int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            const int32_t y = oy * p->stride_h - p->pad_top;
            const int32_t y_begin = eq_max(y, 0);
            const int32_t rows = eq_min(y + p->filter_h, p->input_h) - y_begin;
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t x = ox * p->stride_w - p->pad_left;
                const int32_t x_begin = eq_max(x, 0);
                const int32_t columns = eq_min(x + p->filter_w, p->input_w) - x_begin;
                const int8_t *window = input + (y_begin * p->input_w + x_begin) * p->channels;
                int32_t c = 0;
                for (; c + EQ_LANES <= p->channels; c += EQ_LANES) {
                    eq_average_pool_2d_some(p, window + c, rows, columns, output + c, EQ_LANES);
                }
                if (c < p->channels) {
                    eq_average_pool_2d_some(p, window + c, rows, columns, output + c,
                                            p->channels - c);
                }
                output += p->channels;
            }
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
