/* CONV_2D and FULLY_CONNECTED, int8 (NHWC), for hosts: a tile of pixels by a block of channels at
 * a time, the sums in registers. The inputs of a pixel are runs of bytes, read where they are or in
 * a padded copy; no matrix of them is made. The primitives are those of eq_lanes_host.h.
 */
#ifndef EQ_CONV_2D_HOST_H
#define EQ_CONV_2D_HOST_H

#include "eq_simd.h"
#include "eq_fours_host.h"
#include "eq_padded_host.h"

/* All steps are in bytes of the input, or of its copy. */
typedef struct {
    int32_t batches, image_bytes;
    eq_padding padding;           /* of the copy, where there is one */
    int32_t rows, row_step;       /* of output pixels */
    int32_t columns, column_step; /* in a row */
    int32_t runs_h, run_step_h;   /* of inputs that lie together */
    int32_t runs_w, run_step_w;
    int32_t groups; /* of four inputs in a run */
    int32_t output_c;
    eq_limits limits;
} eq_conv_2d_host_params;

/* `fours` times four inputs of each pixel of a tile. */
EQ_KERNEL void eq_conv_2d_fours(const eq_conv_2d_host_params *p, const int8_t *input,
                                const int8_t *weights, eq_partial *sums, const int32_t pixels,
                                const int32_t blocks, const int32_t fours)
{
    const int32_t block_bytes = p->runs_h * p->runs_w * p->groups * EQ_WEIGHT_BYTES;
    eq_inputs x[EQ_ACCUMULATORS];
    EQ_UNROLL(16)
    for (int32_t i = 0; i < pixels; i++) {
        x[i] = eq_load_inputs(input + i * p->column_step, fours);
    }
    EQ_UNROLL(4)
    for (int32_t four = 0; four < fours; four += EQ_WEIGHT_FOURS) {
        const int32_t some = eq_min(fours - four, EQ_WEIGHT_FOURS);
        const int8_t *from = weights + four * EQ_WEIGHT_BYTES;
        eq_two two[(EQ_ACCUMULATORS + 1) / 2];
        EQ_UNROLL(4)
        for (int32_t part = 0; part < EQ_WEIGHT_PARTS; part++) {
            eq_fours w[4];
            EQ_UNROLL(4)
            for (int32_t k = 0; k < blocks; k++) {
                w[k] = eq_load_fours(from + k * block_bytes, some, part);
            }
            EQ_UNROLL(8)
            for (int32_t i = 0; i + 2 <= pixels; i += 2) {
                if (part == 0) {
                    two[i / 2] = eq_take_two(&x[i], &x[i + 1], four, some);
                }
                EQ_UNROLL(4)
                for (int32_t k = 0; k < blocks; k++) {
                    eq_dot_two(&sums[i * blocks + k], &sums[(i + 1) * blocks + k], &w[k],
                               &two[i / 2], part);
                }
            }
            if (pixels % 2) {
                const eq_same same = eq_take_inputs(&x[pixels - 1], four, some);
                EQ_UNROLL(4)
                for (int32_t k = 0; k < blocks; k++) {
                    eq_partial *sum = &sums[(pixels - 1) * blocks + k];
                    *sum = eq_dot_same(*sum, &w[k], &same, part);
                }
            }
            EQ_PART_DONE();
        }
    }
}

/* Channels of `blocks` times 16 in `pixels` pixels; both are constants for the compiler. `last` is
 * how many channels the last block has. */
EQ_KERNEL void eq_conv_2d_tile(const eq_conv_2d_host_params *p, const int8_t *input,
                               const int8_t *weights, const int32_t *table, const eq_scales *scales,
                               int8_t *output, const int32_t pixels, const int32_t blocks,
                               const int32_t last)
{
    const int32_t rest = p->groups % EQ_INPUT_FOURS;
    eq_partial sums[EQ_ACCUMULATORS];
    EQ_UNROLL(4)
    for (int32_t k = 0; k < blocks; k++) {
        EQ_UNROLL(8)
        for (int32_t i = 0; i + 2 <= pixels; i += 2) {
            eq_first_two(&sums[i * blocks + k], &sums[(i + 1) * blocks + k],
                         table + k * EQ_TABLE_ROWS);
        }
        if (pixels % 2) {
            sums[(pixels - 1) * blocks + k] = eq_first_partial(table + k * EQ_TABLE_ROWS);
        }
    }
    for (int32_t run = 0; run < p->runs_h * p->runs_w; run++) {
        const int8_t *from =
            input + run / p->runs_w * p->run_step_h + run % p->runs_w * p->run_step_w;
        for (int32_t group = 0; group < p->groups - rest; group += EQ_INPUT_FOURS) {
            eq_conv_2d_fours(p, from, weights, sums, pixels, blocks, EQ_INPUT_FOURS);
            weights += EQ_INPUT_FOURS * EQ_WEIGHT_BYTES;
            from += EQ_INPUT_FOURS * 4;
        }
        if (rest) {
            eq_conv_2d_fours(p, from, weights, sums, pixels, blocks, rest);
            weights += rest * EQ_WEIGHT_BYTES;
        }
    }
    EQ_FROM_MEMORY(scales);
    EQ_UNROLL(4)
    for (int32_t k = 0; k < blocks; k++) {
        const int32_t count = k == blocks - 1 ? last : EQ_LANES;
        int8_t *to = output + k * EQ_LANES;
        EQ_UNROLL(8)
        for (int32_t i = 0; i + 2 <= pixels; i += 2) {
            eq_sums a, b;
            eq_whole_two(&sums[i * blocks + k], &sums[(i + 1) * blocks + k], &a, &b);
            eq_store_outputs(to + i * p->output_c, a, &scales[k], &p->limits, count);
            eq_store_outputs(to + (i + 1) * p->output_c, b, &scales[k], &p->limits, count);
        }
        if (pixels % 2) {
            const eq_sums a = eq_whole(&sums[(pixels - 1) * blocks + k]);
            eq_store_outputs(to + (pixels - 1) * p->output_c, a, &scales[k], &p->limits, count);
        }
    }
}

/* `rows` times `columns` pixels for `blocks` blocks of channels. The last tiles of a row have a
 * pixel less where a level has tiles so small that this pays, else the last one begins early enough
 * to be a whole one. */
EQ_KERNEL void eq_conv_2d_blocks(const eq_conv_2d_host_params *p, const int8_t *input,
                                 const int8_t *weights, const int32_t *table, int8_t *output,
                                 const int32_t rows, const int32_t columns, const int32_t pixels,
                                 const int32_t blocks, const int32_t last)
{
    eq_scales scales[4];
    EQ_UNROLL(4)
    for (int32_t k = 0; k < blocks; k++) {
        scales[k] = eq_load_scales(table + k * EQ_TABLE_ROWS);
    }
    const int32_t tiles = (columns + pixels - 1) / pixels;
    const int32_t wide = EQ_MIXED_TILES ? columns - tiles * (pixels - 1) : tiles;
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t tile = 0; tile < wide; tile++) {
            const int32_t x = eq_min(tile * pixels, columns - pixels);
            eq_conv_2d_tile(p, input + y * p->row_step + x * p->column_step, weights, table, scales,
                            output + (y * p->columns + x) * p->output_c, pixels, blocks, last);
        }
        for (int32_t x = wide * pixels; EQ_MIXED_TILES && x < columns; x += pixels - 1) {
            eq_conv_2d_tile(p, input + y * p->row_step + x * p->column_step, weights, table, scales,
                            output + (y * p->columns + x) * p->output_c, pixels - 1, blocks, last);
        }
    }
}

/* Tiles of at most `most` pixels in a row, as equal as can be: how many pixels one has. */
EQ_KERNEL int32_t eq_conv_2d_equal_tiles(const int32_t columns, const int32_t most)
{
    const int32_t tiles = (columns + most - 1) / most, pixels = (columns + tiles - 1) / tiles;
    return pixels < most && pixels % EQ_TILE_STEP ? pixels + 1 : pixels;
}

/* How many pixels a tile has: as many as there is room for, or less where that computes so many
 * fewer of them twice that it is worth the weights that are loaded more often. */
EQ_KERNEL int32_t eq_conv_2d_tile_pixels(const int32_t columns, const int32_t room)
{
    if (EQ_MIXED_TILES) {
        return eq_min(room, columns);
    }
    const int32_t most = eq_conv_2d_equal_tiles(columns, eq_min(room, columns));
    const int32_t less = eq_conv_2d_equal_tiles(columns, eq_max(most - EQ_TILE_STEP, 1));
    const int32_t tiles = (columns + most - 1) / most, more_tiles = (columns + less - 1) / less;
    return more_tiles * (2 * less + 1) < tiles * (2 * most + 1) ? less : most;
}

/* How many blocks a tile has: those of the level, and more where a row is short. */
EQ_KERNEL int32_t eq_conv_2d_tile_blocks(const eq_conv_2d_host_params *p)
{
    const int32_t all = (p->output_c + EQ_LANES - 1) / EQ_LANES;
    const int32_t room = EQ_ACCUMULATORS / p->columns;
    const int32_t usual = EQ_TILE_BLOCKS > 1 ? EQ_TILE_BLOCKS : eq_max(room, 1);
    return eq_min(all, room >= EQ_MOST_BLOCKS ? EQ_MOST_BLOCKS : usual);
}

/* A share of an image. */
EQ_KERNEL void eq_conv_2d_image(const eq_conv_2d_host_params *p, const eq_share share,
                                const int8_t *input, const int8_t *weights, const int32_t *table,
                                int8_t *output)
{
    const int32_t all = (p->output_c + EQ_LANES - 1) / EQ_LANES;
    const int32_t blocks = eq_conv_2d_tile_blocks(p), odd = all % blocks;
    const int32_t pixels = eq_conv_2d_tile_pixels(p->columns, EQ_ACCUMULATORS / blocks);
    const int32_t partial = p->output_c % EQ_LANES;
    const int32_t block_bytes = p->runs_h * p->runs_w * p->groups * EQ_WEIGHT_BYTES;
    const int32_t tiles = (all + blocks - 1) / blocks, whole = tiles - (odd || partial ? 1 : 0);
    const eq_cut cut = eq_cut_of(p->rows, p->columns, pixels, tiles, share);
    const int32_t height = cut.rows.end - cut.rows.begin;
    const int32_t width = cut.columns.end - cut.columns.begin;
    input += cut.rows.begin * p->row_step + cut.columns.begin * p->column_step;
    output += (cut.rows.begin * p->columns + cut.columns.begin) * p->output_c;
    for (int32_t tile = cut.tiles.begin; tile < eq_min(cut.tiles.end, whole); tile++) {
        const int32_t block = tile * blocks;
        eq_conv_2d_blocks(p, input, weights + block * block_bytes, table + block * EQ_TABLE_ROWS,
                          output + block * EQ_LANES, height, width, pixels, blocks, EQ_LANES);
    }
    if (cut.tiles.begin < cut.tiles.end && cut.tiles.end > whole) {
        const int32_t block = whole * blocks;
        eq_conv_2d_blocks(p, input, weights + block * block_bytes, table + block * EQ_TABLE_ROWS,
                          output + block * EQ_LANES, height, width, pixels, odd ? odd : blocks,
                          partial ? partial : EQ_LANES);
    }
}

/* `weights` hold, for each block of 16 channels, its taps by fours; `table` is that of
 * eq_lanes_host.h. */
EQ_KERNEL void eq_conv_2d_host_s8_share(const eq_conv_2d_host_params *p, const eq_share share,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *table, int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        eq_conv_2d_image(p, share, input, weights, table, output);
        input += p->image_bytes;
        output += p->rows * p->columns * p->output_c;
    }
}

EQ_KERNEL void eq_conv_2d_host_s8(const eq_conv_2d_host_params *p, const int8_t *input,
                                  const int8_t *weights, const int32_t *table, int8_t *output)
{
    eq_conv_2d_host_s8_share(p, eq_whole_share(0), input, weights, table, output);
}

/* The same, from a padded copy of an image in `scratch`. */
EQ_KERNEL void eq_conv_2d_copied_host_s8_share(const eq_conv_2d_host_params *p,
                                               const eq_share share, const int8_t *input,
                                               const int8_t *weights, const int32_t *table,
                                               int8_t *output, void *scratch)
{
    if (share.stage == 0) {
        eq_pad_share(&p->padding, share, input, scratch);
    } else {
        eq_conv_2d_image(p, share, scratch, weights, table, output);
    }
}

EQ_KERNEL void eq_conv_2d_copied_host_s8(const eq_conv_2d_host_params *p, const int8_t *input,
                                         const int8_t *weights, const int32_t *table,
                                         int8_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t stage = 0; stage < 2; stage++) {
            eq_conv_2d_copied_host_s8_share(p, eq_whole_share(stage), input, weights, table, output,
                                            scratch);
        }
        input += p->image_bytes;
        output += p->rows * p->columns * p->output_c;
    }
}

#endif
