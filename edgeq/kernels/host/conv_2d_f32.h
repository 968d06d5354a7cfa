/* CONV_2D and FULLY_CONNECTED, float32 (NHWC), for hosts: a tile of pixels by a block of channels
 * at a time, as in eq_conv_2d_host.h; each sum in the order of the reference, by fused
 * multiply-adds where the level has them. The primitives are those of eq_floats_host.h.
 */
#ifndef EQ_CONV_2D_F32_HOST_H
#define EQ_CONV_2D_F32_HOST_H

#include "eq_floats_host.h"
#include "eq_padded_host.h"

/* All steps are in elements of the input, or of its copy. */
typedef struct {
    int32_t batches, image_size;
    eq_padding padding;           /* of the copy, where there is one; in bytes */
    int32_t rows, row_step;       /* of output pixels */
    int32_t columns, column_step; /* in a row */
    int32_t runs_h, run_step_h;   /* of inputs that lie together */
    int32_t runs_w, run_step_w;
    int32_t run_size;
    int32_t output_c;
    float activation_min, activation_max;
} eq_conv_2d_f32_host_params;

EQ_KERNEL void eq_conv_2d_f32_tile(const eq_conv_2d_f32_host_params *p, const float *input,
                                   const float *weights, const float *bias, float *output,
                                   const int32_t pixels, const int32_t blocks, const int32_t last)
{
    const int32_t block_size = p->runs_h * p->runs_w * p->run_size * EQ_LANES;
    eq_floats sums[EQ_FLOAT_SUMS > EQ_MOST_FLOAT_BLOCKS ? EQ_FLOAT_SUMS : EQ_MOST_FLOAT_BLOCKS];
    EQ_UNROLL(16)
    for (int32_t i = 0; i < pixels * blocks; i++) {
        sums[i] = eq_same_floats(0.0f);
    }
    for (int32_t run = 0; run < p->runs_h * p->runs_w; run++) {
        const float *from =
            input + run / p->runs_w * p->run_step_h + run % p->runs_w * p->run_step_w;
        for (int32_t c = 0; c < p->run_size; c++) {
            eq_floats w[EQ_MOST_FLOAT_BLOCKS];
            EQ_UNROLL(8)
            for (int32_t k = 0; k < blocks; k++) {
                w[k] = eq_load_floats(weights + k * block_size);
            }
            EQ_UNROLL(16)
            for (int32_t i = 0; i < pixels; i++) {
                const eq_floats x = eq_same_floats(from[i * p->column_step + c]);
                EQ_UNROLL(8)
                for (int32_t k = 0; k < blocks; k++) {
                    sums[i * blocks + k] = eq_multiply_add(sums[i * blocks + k], x, w[k]);
                }
            }
            weights += EQ_LANES;
        }
    }
    EQ_UNROLL(16)
    for (int32_t i = 0; i < pixels; i++) {
        EQ_UNROLL(8)
        for (int32_t k = 0; k < blocks; k++) {
            eq_store_float_outputs(output + i * p->output_c + k * EQ_LANES, sums[i * blocks + k],
                                   bias + k * EQ_LANES, p->activation_min, p->activation_max,
                                   k == blocks - 1 ? last : EQ_LANES);
        }
    }
}

/* `rows` times `columns` pixels for `blocks` blocks of channels. The last tile of a row begins
 * early enough to be a whole one. */
EQ_KERNEL void eq_conv_2d_f32_blocks(const eq_conv_2d_f32_host_params *p, const float *input,
                                     const float *weights, const float *bias, float *output,
                                     const int32_t rows, const int32_t columns,
                                     const int32_t pixels, const int32_t blocks, const int32_t last)
{
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t next = 0; next < columns; next += pixels) {
            const int32_t x = eq_min(next, columns - pixels);
            eq_conv_2d_f32_tile(p, input + y * p->row_step + x * p->column_step, weights, bias,
                                output + (y * p->columns + x) * p->output_c, pixels, blocks, last);
        }
    }
}

/* A share of an image. */
EQ_KERNEL void eq_conv_2d_f32_image(const eq_conv_2d_f32_host_params *p, const eq_share share,
                                    const float *input, const float *weights, const float *bias,
                                    float *output)
{
    const int32_t all = (p->output_c + EQ_LANES - 1) / EQ_LANES;
    const int32_t room = eq_max(EQ_FLOAT_BLOCKS, EQ_FLOAT_SUMS / p->columns);
    const int32_t blocks = eq_min(all, eq_min(room, EQ_MOST_FLOAT_BLOCKS)), odd = all % blocks;
    const int32_t most = eq_max(1, eq_min(EQ_FLOAT_SUMS / blocks, p->columns));
    const int32_t count = (p->columns + most - 1) / most;
    const int32_t pixels = (p->columns + count - 1) / count;
    const int32_t partial = p->output_c % EQ_LANES;
    const int32_t block_size = p->runs_h * p->runs_w * p->run_size * EQ_LANES;
    const int32_t tiles = (all + blocks - 1) / blocks, whole = tiles - (odd || partial ? 1 : 0);
    const eq_cut cut = eq_cut_of(p->rows, p->columns, pixels, tiles, share);
    const int32_t height = cut.rows.end - cut.rows.begin;
    const int32_t width = cut.columns.end - cut.columns.begin;
    input += cut.rows.begin * p->row_step + cut.columns.begin * p->column_step;
    output += (cut.rows.begin * p->columns + cut.columns.begin) * p->output_c;
    for (int32_t tile = cut.tiles.begin; tile < eq_min(cut.tiles.end, whole); tile++) {
        const int32_t block = tile * blocks;
        eq_conv_2d_f32_blocks(p, input, weights + block * block_size, bias + block * EQ_LANES,
                              output + block * EQ_LANES, height, width, pixels, blocks, EQ_LANES);
    }
    if (cut.tiles.begin < cut.tiles.end && cut.tiles.end > whole) {
        const int32_t block = whole * blocks;
        eq_conv_2d_f32_blocks(p, input, weights + block * block_size, bias + block * EQ_LANES,
                              output + block * EQ_LANES, height, width, pixels, odd ? odd : blocks,
                              partial ? partial : EQ_LANES);
    }
}

/* `weights` hold, for each block of 16 channels, 16 weights of each tap; `bias` is filled up to
 * whole blocks. */
EQ_KERNEL void eq_conv_2d_host_f32_share(const eq_conv_2d_f32_host_params *p, const eq_share share,
                                         const float *input, const float *weights,
                                         const float *bias, float *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        eq_conv_2d_f32_image(p, share, input, weights, bias, output);
        input += p->image_size;
        output += p->rows * p->columns * p->output_c;
    }
}

EQ_KERNEL void eq_conv_2d_host_f32(const eq_conv_2d_f32_host_params *p, const float *input,
                                   const float *weights, const float *bias, float *output)
{
    eq_conv_2d_host_f32_share(p, eq_whole_share(0), input, weights, bias, output);
}

/* The same, from a padded copy of an image in `scratch`. */
EQ_KERNEL void eq_conv_2d_copied_host_f32_share(const eq_conv_2d_f32_host_params *p,
                                                const eq_share share, const float *input,
                                                const float *weights, const float *bias,
                                                float *output, void *scratch)
{
    if (share.stage == 0) {
        eq_pad_share(&p->padding, share, (const int8_t *)(const void *)input, scratch);
    } else {
        eq_conv_2d_f32_image(p, share, scratch, weights, bias, output);
    }
}

EQ_KERNEL void eq_conv_2d_copied_host_f32(const eq_conv_2d_f32_host_params *p, const float *input,
                                          const float *weights, const float *bias, float *output,
                                          void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t stage = 0; stage < 2; stage++) {
            eq_conv_2d_copied_host_f32_share(p, eq_whole_share(stage), input, weights, bias, output,
                                             scratch);
        }
        input += p->image_size;
        output += p->rows * p->columns * p->output_c;
    }
}

#endif
