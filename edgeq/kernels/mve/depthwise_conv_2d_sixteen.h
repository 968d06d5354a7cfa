/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, sixteen times n channels, any filter without
 * a weight of -128, with MVE.
 *
 * Products of int8 values are at most 128 * 127, so two of them add up in 16 bits: VMULLB and
 * VMULLT make sixteen at once, and only every second tap is widened to 32 bits. That leaves the
 * sums of channels 0, 4, 8, 12 in one register, of 2, 6, 10, 14 in the next, then the odd ones;
 * narrowing puts them in order again.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_SIXTEEN_MVE_H
#define EQ_DEPTHWISE_CONV_2D_SIXTEEN_MVE_H

#include "eq_base.h"
#include "eq_depthwise_conv_2d_mve.h"
#include "eq_requantize_mve.h"

/* Adds the products of two taps to the sums of sixteen channels. */
EQ_KERNEL void eq_two_taps_mve(const int8_t *values[2], const int8_t *taps[2], int32x4_t acc[4])
{
    int32x4_t a, b, c, d;
    __asm__("vldrb.u8 %q[a], [%[values0]]\n\t"
            "vldrb.u8 %q[b], [%[taps0]]\n\t"
            "vmullb.s8 %q[c], %q[a], %q[b]\n\t"
            "vmullt.s8 %q[d], %q[a], %q[b]\n\t"
            "vldrb.u8 %q[a], [%[values1]]\n\t"
            "vldrb.u8 %q[b], [%[taps1]]\n\t"
            "vmullb.s8 %q[b], %q[a], %q[b]\n\t"
            "vadd.i16 %q[c], %q[c], %q[b]\n\t"
            "vldrb.u8 %q[b], [%[taps1]]\n\t"
            "vmullt.s8 %q[a], %q[a], %q[b]\n\t"
            "vadd.i16 %q[d], %q[d], %q[a]\n\t"
            "vmovlb.s16 %q[a], %q[c]\n\t"
            "vmovlt.s16 %q[c], %q[c]\n\t"
            "vadd.i32 %q[s0], %q[s0], %q[a]\n\t"
            "vmovlb.s16 %q[b], %q[d]\n\t"
            "vadd.i32 %q[s1], %q[s1], %q[c]\n\t"
            "vmovlt.s16 %q[d], %q[d]\n\t"
            "vadd.i32 %q[s2], %q[s2], %q[b]\n\t"
            "vadd.i32 %q[s3], %q[s3], %q[d]"
            : [s0] "+w"(acc[0]), [s1] "+w"(acc[1]), [s2] "+w"(acc[2]), [s3] "+w"(acc[3]),
              [a] "=&w"(a), [b] "=&w"(b), [c] "=&w"(c), [d] "=&w"(d)
            : [values0] "r"(values[0]), [taps0] "r"(taps[0]), [values1] "r"(values[1]),
              [taps1] "r"(taps[1])
            : "memory");
}

/* Sums of sixteen channels as outputs. `scales` are the multipliers, then `words` words on the
 * negative right shifts, in the order of the sums. */
EQ_KERNEL void eq_sixteen_outputs_mve(const eq_scale_mve *scale, const int32_t *scales,
                                      int32_t words, int32x4_t acc[4], int8_t *output)
{
    EQ_UNROLL(4)
    for (int32_t j = 0; j < 4; j++) {
        acc[j] = vqrdmulhq_s32(acc[j], vldrwq_s32(scales + 4 * j));
        if (!scale->rectified) {
            acc[j] = eq_ties_away_mve(acc[j]);
        }
        acc[j] = vrshlq_s32(acc[j], vldrwq_s32(scales + words + 4 * j));
    }
    const int16x8_t zero = vdupq_n_s16((int16_t)scale->output_offset);
    int16x8_t even = vqmovnbq_s32(vreinterpretq_s16_s32(acc[0]), acc[0]);
    int16x8_t odd = vqmovnbq_s32(vreinterpretq_s16_s32(acc[2]), acc[2]);
    even = vqaddq_s16(vqmovntq_s32(even, acc[1]), zero);
    odd = vqaddq_s16(vqmovntq_s32(odd, acc[3]), zero);
    const int8x16_t all = vqmovnbq_s16(vreinterpretq_s8_s16(even), even);
    vstrbq_s8(output, vqmovntq_s16(all, odd));
}

/* Outputs of sixteen channels at (y, x) of the input. `head` is the bias of the first, `taps` its
 * first weight; `outside` sixteen times the zero point. An odd number of taps has a last one of
 * zeros. */
EQ_KERNEL void eq_depthwise_sixteen_mve(const eq_depthwise_conv_2d_mve_params *p,
                                        const int8_t *input, const int32_t *head,
                                        const int8_t *taps, const int8_t *outside, int8_t *output,
                                        int32_t y, int32_t x)
{
    const int32_t count = p->filter_h * p->filter_w;
    int32x4_t acc[4];
    int32_t ky = 0, kx = 0;
    EQ_UNROLL(4)
    for (int32_t j = 0; j < 4; j++) {
        acc[j] = vldrwq_s32(head + 4 * j);
    }
    for (int32_t k = 0; k < count; k += 2) {
        const int8_t *values[2], *weights[2];
        EQ_UNROLL(2)
        for (int32_t i = 0; i < 2; i++) {
            const int32_t iy = y + ky * p->dilation_h;
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            values[i] = inside ? input + (iy * p->input_w + ix) * p->channels : outside;
            weights[i] = taps + (k + i) * p->channels;
            kx++;
            if (kx == p->filter_w) {
                kx = 0;
                ky++;
            }
        }
        eq_two_taps_mve(values, weights, acc);
    }
    eq_sixteen_outputs_mve(&p->scale, head + p->channels, p->channels, acc, output);
}

/* `weights` holds in words the biases, the multipliers and the negative right shifts of all
 * channels, of each sixteen in the order of the sums; then the filter as 1HWC, with a tap of zeros
 * behind an odd number. */
EQ_KERNEL void eq_depthwise_conv_2d_sixteen_mve_s8(const eq_depthwise_conv_2d_mve_params *p,
                                                   const int8_t *input, const int8_t *weights,
                                                   int8_t *output)
{
    const int32_t *head = (const int32_t *)(const void *)weights;
    const int8_t *taps = weights + 12 * p->channels;
    int8_t outside[16];
    vstrbq_s8(outside, vdupq_n_s8((int8_t)p->input_zero_point));
    for (int32_t b = 0; b < p->batches; b++) {
        int8_t *out = output;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                for (int32_t c = 0; c < p->channels; c += 16) {
                    eq_depthwise_sixteen_mve(p, input + c, head + c, taps + c, outside, out + c, y,
                                             x);
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
