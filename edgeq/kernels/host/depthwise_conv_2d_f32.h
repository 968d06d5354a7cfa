/* DEPTHWISE_CONV_2D, float32 (NHWC), depth multiplier 1, for hosts: 16 channels of a few pixels at
 * a time, each sum in the order of the reference. The primitives are those of eq_floats_host.h.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_F32_HOST_H
#define EQ_DEPTHWISE_CONV_2D_F32_HOST_H

#include "eq_floats_host.h"
#include "eq_padded_host.h"

enum { EQ_DEPTHWISE_FLOAT_PIXELS = EQ_FLOAT_SUMS > 4 ? 4 : EQ_FLOAT_SUMS };

/* All steps are in elements of the input, or of its copy. */
typedef struct {
    int32_t batches, image_size;
    eq_padding padding; /* of the copy, where there is one; in bytes */
    int32_t output_h, output_w, channels;
    int32_t row_step, column_step; /* of output pixels */
    int32_t filter_h, filter_w;
    int32_t tap_row_step, tap_column_step;
    float activation_min, activation_max;
} eq_depthwise_conv_2d_f32_host_params;

EQ_KERNEL void eq_depthwise_f32_tile(const eq_depthwise_conv_2d_f32_host_params *p,
                                     const float *input, const float *weights, const float *bias,
                                     float *output, const int32_t pixels, const int32_t count)
{
    eq_floats sums[EQ_DEPTHWISE_FLOAT_PIXELS];
    EQ_UNROLL(4)
    for (int32_t i = 0; i < pixels; i++) {
        sums[i] = eq_same_floats(0.0f);
    }
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const float *from = input + ky * p->tap_row_step + kx * p->tap_column_step;
            const eq_floats w = eq_load_floats(weights);
            EQ_UNROLL(4)
            for (int32_t i = 0; i < pixels; i++) {
                const eq_floats x = eq_load_some_floats(from + i * p->column_step, count);
                sums[i] = eq_multiply_add(sums[i], x, w);
            }
            weights += EQ_LANES;
        }
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < pixels; i++) {
        eq_store_float_outputs(output + i * p->channels, sums[i], bias, p->activation_min,
                               p->activation_max, count);
    }
}

/* One row of outputs of `count` channels; the last tile begins early enough to be a whole one. */
EQ_KERNEL void eq_depthwise_f32_row(const eq_depthwise_conv_2d_f32_host_params *p,
                                    const float *input, const float *weights, const float *bias,
                                    float *output, const int32_t count)
{
    const int32_t most = EQ_DEPTHWISE_FLOAT_PIXELS, tiles = (p->output_w + most - 1) / most;
    const int32_t pixels = (p->output_w + tiles - 1) / tiles;
    for (int32_t next = 0; next < p->output_w; next += pixels) {
        const int32_t x = eq_min(next, p->output_w - pixels);
        eq_depthwise_f32_tile(p, input + x * p->column_step, weights, bias,
                              output + x * p->channels, pixels, count);
    }
}

/* A share of an image. */
EQ_KERNEL void eq_depthwise_f32_image(const eq_depthwise_conv_2d_f32_host_params *p,
                                      const eq_share share, const float *input,
                                      const float *weights, const float *bias, float *output)
{
    const int32_t block_size = p->filter_w * p->filter_h * EQ_LANES;
    const int32_t whole = p->channels / EQ_LANES, partial = p->channels % EQ_LANES;
    const eq_cut cut = eq_cut_of(p->output_h, 0, 1, whole + (partial ? 1 : 0), share);
    for (int32_t y = cut.rows.begin; y < cut.rows.end; y++) {
        const float *from = input + y * p->row_step;
        float *to = output + y * p->output_w * p->channels;
        for (int32_t block = cut.tiles.begin; block < eq_min(cut.tiles.end, whole); block++) {
            const int32_t c = block * EQ_LANES;
            eq_depthwise_f32_row(p, from + c, weights + block * block_size, bias + c, to + c,
                                 EQ_LANES);
        }
        if (partial && cut.tiles.end > whole) {
            const int32_t c = whole * EQ_LANES;
            eq_depthwise_f32_row(p, from + c, weights + whole * block_size, bias + c, to + c,
                                 partial);
        }
    }
}

/* `weights` hold, for each block of 16 channels, 16 weights of each tap; `bias` is filled up to
 * whole blocks. */
EQ_KERNEL void eq_depthwise_conv_2d_host_f32_share(const eq_depthwise_conv_2d_f32_host_params *p,
                                                   const eq_share share, const float *input,
                                                   const float *weights, const float *bias,
                                                   float *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        eq_depthwise_f32_image(p, share, input, weights, bias, output);
        input += p->image_size;
        output += p->output_h * p->output_w * p->channels;
    }
}

EQ_KERNEL void eq_depthwise_conv_2d_host_f32(const eq_depthwise_conv_2d_f32_host_params *p,
                                             const float *input, const float *weights,
                                             const float *bias, float *output)
{
    eq_depthwise_conv_2d_host_f32_share(p, eq_whole_share(0), input, weights, bias, output);
}

/* The same, from a padded copy of an image in `scratch`. */
EQ_KERNEL void eq_depthwise_conv_2d_copied_host_f32_share(
    const eq_depthwise_conv_2d_f32_host_params *p, const eq_share share, const float *input,
    const float *weights, const float *bias, float *output, void *scratch)
{
    if (share.stage == 0) {
        eq_pad_share(&p->padding, share, (const int8_t *)(const void *)input, scratch);
    } else {
        eq_depthwise_f32_image(p, share, scratch, weights, bias, output);
    }
}

EQ_KERNEL void eq_depthwise_conv_2d_copied_host_f32(const eq_depthwise_conv_2d_f32_host_params *p,
                                                    const float *input, const float *weights,
                                                    const float *bias, float *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t stage = 0; stage < 2; stage++) {
            eq_depthwise_conv_2d_copied_host_f32_share(p, eq_whole_share(stage), input, weights,
                                                       bias, output, scratch);
        }
        input += p->image_size;
        output += p->output_h * p->output_w * p->channels;
    }
}

#endif
