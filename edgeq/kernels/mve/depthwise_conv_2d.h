/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, any filter, with MVE: four channels in a
 * register, up to four registers at a time. */
#ifndef EQ_DEPTHWISE_CONV_2D_MVE_H
#define EQ_DEPTHWISE_CONV_2D_MVE_H

#include "eq_base.h"
#include "eq_requantize_mve.h"

#define EQ_DEPTHWISE_VECTORS 4
#define EQ_DEPTHWISE_CHANNELS (4 * EQ_DEPTHWISE_VECTORS)

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    eq_scale_mve scale;
} eq_depthwise_conv_2d_mve_params;

/* `count` <= 4 values widened. */
EQ_KERNEL int32x4_t eq_four_mve(const int8_t *values, int32_t count)
{
    return count >= 4 ? vldrbq_s32(values) : vldrbq_z_s32(values, vctp32q((uint32_t)count));
}

/* Outputs of `channels` <= 16 channels at (y, x) of the input. `head` is the bias of the first,
 * `taps` its first weight. */
EQ_KERNEL void eq_depthwise_block_mve(const eq_depthwise_conv_2d_mve_params *p, const int8_t *input,
                                      const int32_t *head, const int8_t *taps, int8_t *output,
                                      int32_t channels, int32_t y, int32_t x)
{
    const int32_t vectors = (channels + 3) / 4;
    const int32_t words = (p->channels + 3) & ~3;
    int32x4_t acc[EQ_DEPTHWISE_VECTORS];
    EQ_UNROLL(4)
    for (int32_t j = 0; j < vectors; j++) {
        acc[j] = vldrwq_s32(head + 4 * j);
    }
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            if (inside) {
                const int8_t *values = input + (iy * p->input_w + ix) * p->channels;
                EQ_UNROLL(4)
                for (int32_t j = 0; j < vectors; j++) {
                    const int32x4_t w = eq_four_mve(taps + 4 * j, channels - 4 * j);
                    const int32x4_t v = eq_four_mve(values + 4 * j, channels - 4 * j);
                    acc[j] = vaddq_s32(acc[j], vmulq_s32(w, v));
                }
            } else {
                EQ_UNROLL(4)
                for (int32_t j = 0; j < vectors; j++) {
                    const int32x4_t w = eq_four_mve(taps + 4 * j, channels - 4 * j);
                    acc[j] = vmlaq_n_s32(acc[j], w, p->input_zero_point);
                }
            }
            taps += p->channels;
        }
    }
    EQ_UNROLL(4)
    for (int32_t j = 0; j < vectors; j++) {
        const int32x4_t multiplier = vldrwq_s32(head + words + 4 * j);
        const int32x4_t shift = vldrwq_s32(head + 2 * words + 4 * j);
        const int32x4_t value = eq_requantize_mve(&p->scale, acc[j], multiplier, shift);
        if (channels - 4 * j >= 4) {
            vstrbq_s32(output + 4 * j, value);
        } else {
            vstrbq_p_s32(output + 4 * j, value, vctp32q((uint32_t)(channels - 4 * j)));
        }
    }
}

/* `weights` holds in words, each filled up to whole vectors, the biases, the multipliers and the
 * negative right shifts of all channels; then the filter as 1HWC. */
EQ_KERNEL void eq_depthwise_conv_2d_mve_s8(const eq_depthwise_conv_2d_mve_params *p,
                                           const int8_t *input, const int8_t *weights,
                                           int8_t *output)
{
    const int32_t *head = (const int32_t *)(const void *)weights;
    const int8_t *taps = weights + 12 * ((p->channels + 3) & ~3);
    const int32_t rest = p->channels % EQ_DEPTHWISE_CHANNELS;
    const int32_t whole = p->channels - rest;
    for (int32_t b = 0; b < p->batches; b++) {
        int8_t *out = output;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                for (int32_t c = 0; c < whole; c += EQ_DEPTHWISE_CHANNELS) {
                    eq_depthwise_block_mve(p, input + c, head + c, taps + c, out + c,
                                           EQ_DEPTHWISE_CHANNELS, y, x);
                }
                if (rest != 0) {
                    eq_depthwise_block_mve(p, input + whole, head + whole, taps + whole,
                                           out + whole, rest, y, x);
                }
                out += p->channels;
            }
        }
        eq_clamp_mve(&p->scale, output, (int32_t)(out - output));
        input += p->input_h * p->input_w * p->channels;
        output = out;
    }
}

#endif
