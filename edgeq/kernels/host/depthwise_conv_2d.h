/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, for hosts: 16 channels at a time. Four rows
 * of a column are multiplied at once, and a column serves all outputs of a tile whose windows it
 * is in. The primitives are those of eq_lanes_host.h.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_HOST_H
#define EQ_DEPTHWISE_CONV_2D_HOST_H

#include "eq_simd.h"
#include "eq_own_host.h"
#include "eq_padded_host.h"

enum { EQ_DEPTHWISE_PIXELS = EQ_ACCUMULATORS > 1 ? 4 : 1, EQ_DEPTHWISE_COLUMNS = 7 };

/* All steps are in bytes of the input, or of its copy. */
typedef struct {
    int32_t batches, image_bytes;
    eq_padding padding; /* of the copy, where there is one */
    int32_t output_h, output_w, channels;
    int32_t row_step, column_step; /* of output pixels */
    int32_t filter_h, filter_w;
    int32_t tap_row_step, tap_column_step;
    int32_t stride_w, dilation_w; /* in columns of the input */
    eq_limits limits;
} eq_depthwise_conv_2d_host_params;

/* Four rows of one column, of which the filter has `rows`. */
EQ_KERNEL eq_own eq_depthwise_column(const eq_depthwise_conv_2d_host_params *p,
                                     const int8_t *column, const int32_t row, const int32_t rows)
{
    const int32_t last = p->filter_h - 1, step = p->tap_row_step;
    return eq_take_own(column + row * step, column + eq_min(row + 1, last) * step,
                       column + eq_min(row + 2, last) * step, column + eq_min(row + 3, last) * step,
                       rows);
}

/* Sums of `pixels` outputs beside each other, filters of any size. */
EQ_KERNEL void eq_depthwise_any(const eq_depthwise_conv_2d_host_params *p, const int8_t *input,
                                const int8_t *weights, eq_sums *sums, const int32_t pixels)
{
    for (int32_t kx = 0; kx < p->filter_w; kx++) {
        EQ_UNROLL(4)
        for (int32_t row = 0; row < p->filter_h; row += 4) {
            const int32_t rows = eq_min(p->filter_h - row, 4);
            const eq_own_weights w = eq_load_own(weights);
            EQ_UNROLL(4)
            for (int32_t i = 0; i < pixels; i++) {
                const eq_own own = eq_depthwise_column(
                    p, input + i * p->column_step + kx * p->tap_column_step, row, rows);
                sums[i] = eq_dot_own(sums[i], &w, &own, rows);
            }
            weights += EQ_WEIGHT_BYTES;
        }
    }
}

/* The same for filters of at most four rows and `reach` columns from the first to the last output:
 * every column is turned once. */
EQ_KERNEL void eq_depthwise_narrow(const eq_depthwise_conv_2d_host_params *p, const int8_t *input,
                                   const eq_own_weights *weights, eq_sums *sums,
                                   const int32_t pixels, const int32_t reach)
{
    EQ_UNROLL(16)
    for (int32_t j = 0; j < reach; j++) {
        const int8_t *column = input + j * p->column_step / p->stride_w;
        const eq_own own = eq_depthwise_column(p, column, 0, p->filter_h);
        EQ_UNROLL(4)
        for (int32_t i = 0; i < pixels; i++) {
            const int32_t kx = j - i * p->stride_w;
            if (kx >= 0 && kx < p->filter_w) {
                sums[i] = eq_dot_own(sums[i], &weights[kx], &own, p->filter_h);
            }
        }
    }
}

/* How many columns `pixels` outputs read. */
EQ_KERNEL int32_t eq_depthwise_reach(const eq_depthwise_conv_2d_host_params *p,
                                     const int32_t pixels)
{
    return (pixels - 1) * p->stride_w + p->filter_w;
}

EQ_KERNEL int eq_depthwise_is_narrow(const eq_depthwise_conv_2d_host_params *p)
{
    return EQ_ACCUMULATORS > 1 && p->filter_h <= 4 && p->filter_w <= EQ_DEPTHWISE_COLUMNS &&
           eq_depthwise_reach(p, EQ_DEPTHWISE_PIXELS) <= 16 && p->dilation_w == 1;
}

/* `turned` are the weights of a narrow filter. */
EQ_KERNEL void eq_depthwise_tile(const eq_depthwise_conv_2d_host_params *p, const int8_t *input,
                                 const int8_t *weights, const eq_own_weights *turned,
                                 const int32_t *table, const eq_scales *scales, int8_t *output,
                                 const int32_t pixels, const int32_t count)
{
    eq_sums sums[EQ_DEPTHWISE_PIXELS];
    EQ_UNROLL(4)
    for (int32_t i = 0; i < pixels; i++) {
        sums[i] = eq_first_sums(table);
    }
    if (eq_depthwise_is_narrow(p)) {
        eq_depthwise_narrow(p, input, turned, sums, pixels, eq_depthwise_reach(p, pixels));
    } else {
        eq_depthwise_any(p, input, weights, sums, pixels);
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < pixels; i++) {
        eq_store_outputs(output + i * p->channels, sums[i], scales, &p->limits, count);
    }
}

/* One row of outputs of `count` channels, in tiles as equal as can be: of two sizes. */
EQ_KERNEL void eq_depthwise_row(const eq_depthwise_conv_2d_host_params *p, const int8_t *input,
                                const int8_t *weights, const int32_t *table, int8_t *output,
                                const int32_t count)
{
    const eq_scales scales = eq_load_scales(table);
    const int32_t tiles = (p->output_w + EQ_DEPTHWISE_PIXELS - 1) / EQ_DEPTHWISE_PIXELS;
    const int32_t pixels = (p->output_w + tiles - 1) / tiles;
    const int32_t wide = (p->output_w - tiles * (pixels - 1)) * pixels;
    eq_own_weights turned[EQ_DEPTHWISE_COLUMNS];
    const int32_t columns = eq_depthwise_is_narrow(p) ? p->filter_w : 0;
    EQ_UNROLL(7)
    for (int32_t kx = 0; kx < columns; kx++) {
        turned[kx] = eq_load_own(weights + kx * EQ_WEIGHT_BYTES);
    }
    for (int32_t x = 0; x < wide; x += pixels) {
        eq_depthwise_tile(p, input + x * p->column_step, weights, turned, table, &scales,
                          output + x * p->channels, pixels, count);
    }
    for (int32_t x = wide; x < p->output_w; x += pixels - 1) {
        eq_depthwise_tile(p, input + x * p->column_step, weights, turned, table, &scales,
                          output + x * p->channels, pixels - 1, count);
    }
}

/* A share of an image: of its rows, where there are enough of them, or of the channels. */
EQ_KERNEL void eq_depthwise_image(const eq_depthwise_conv_2d_host_params *p, const eq_share share,
                                  const int8_t *input, const int8_t *weights, const int32_t *table,
                                  int8_t *output)
{
    const int32_t block_bytes = p->filter_w * ((p->filter_h + 3) / 4) * EQ_WEIGHT_BYTES;
    const int32_t whole = p->channels / EQ_LANES, partial = p->channels % EQ_LANES;
    const int32_t all = whole + (partial ? 1 : 0);
    const int by_rows = p->output_h >= share.parts / 2;
    const eq_range rows = by_rows ? eq_share_of(p->output_h, 1, share) : eq_all_of(p->output_h);
    const eq_range blocks = by_rows ? eq_all_of(all) : eq_share_of(all, 1, share);
    input += rows.begin * p->row_step;
    output += rows.begin * p->output_w * p->channels;
    for (int32_t y = rows.begin; y < rows.end; y++) {
        for (int32_t block = blocks.begin; block < eq_min(blocks.end, whole); block++) {
            eq_depthwise_row(p, input + block * EQ_LANES, weights + block * block_bytes,
                             table + block * EQ_TABLE_ROWS, output + block * EQ_LANES, EQ_LANES);
        }
        if (partial && blocks.end > whole) {
            eq_depthwise_row(p, input + whole * EQ_LANES, weights + whole * block_bytes,
                             table + whole * EQ_TABLE_ROWS, output + whole * EQ_LANES, partial);
        }
        input += p->row_step;
        output += p->output_w * p->channels;
    }
}

/* `weights` hold, for each block of 16 channels, its columns of taps by fours; `table` is that of
 * eq_lanes_host.h. */
EQ_KERNEL void eq_depthwise_conv_2d_host_s8_share(const eq_depthwise_conv_2d_host_params *p,
                                                  const eq_share share, const int8_t *input,
                                                  const int8_t *weights, const int32_t *table,
                                                  int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        eq_depthwise_image(p, share, input, weights, table, output);
        input += p->image_bytes;
        output += p->output_h * p->output_w * p->channels;
    }
}

EQ_KERNEL void eq_depthwise_conv_2d_host_s8(const eq_depthwise_conv_2d_host_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            const int32_t *table, int8_t *output)
{
    eq_depthwise_conv_2d_host_s8_share(p, eq_whole_share(0), input, weights, table, output);
}

/* The same, from a padded copy of an image in `scratch`. */
EQ_KERNEL void eq_depthwise_conv_2d_copied_host_s8_share(const eq_depthwise_conv_2d_host_params *p,
                                                         const eq_share share, const int8_t *input,
                                                         const int8_t *weights,
                                                         const int32_t *table, int8_t *output,
                                                         void *scratch)
{
    if (share.stage == 0) {
        eq_pad_share(&p->padding, share, input, scratch);
    } else {
        eq_depthwise_image(p, share, scratch, weights, table, output);
    }
}

EQ_KERNEL void eq_depthwise_conv_2d_copied_host_s8(const eq_depthwise_conv_2d_host_params *p,
                                                   const int8_t *input, const int8_t *weights,
                                                   const int32_t *table, int8_t *output,
                                                   void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t stage = 0; stage < 2; stage++) {
            eq_depthwise_conv_2d_copied_host_s8_share(p, eq_whole_share(stage), input, weights,
                                                      table, output, scratch);
        }
        input += p->image_bytes;
        output += p->output_h * p->output_w * p->channels;
    }
}

#endif
