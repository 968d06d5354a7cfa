/* DEPTHWISE_CONV_2D, int16 activations (NHWC), int8 weights, depth multiplier 1, undilated, eight
 * times n channels, with MVE.
 *
 * VMULLB and VMULLT multiply eight values into two registers of 32-bit products, those of the even
 * and those of the odd channels; the host proves that sums fit. What is outside the image is zero
 * and left out. One high multiplication by a multiplier that holds the shift gives the output.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_S16_MVE_H
#define EQ_DEPTHWISE_CONV_2D_S16_MVE_H

#include <arm_mve.h>

#include "eq_base.h"

#define EQ_DEPTHWISE_S16_LANES 8

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t lifted; /* 1: sums are shifted to the left first */
    int32_t activation_min, activation_max;
} eq_depthwise_conv_2d_s16_mve_params;

/* Outputs of eight channels at (y, x) of the input. `head` is the bias of the first, `taps` its
 * first weight. */
EQ_KERNEL void eq_depthwise_eight_mve_s16(const eq_depthwise_conv_2d_s16_mve_params *p,
                                          const int16_t *input, const int32_t *head,
                                          const int8_t *taps, int16_t *output, int32_t y, int32_t x)
{
    const int32_t c = p->channels;
    const int32_t first = eq_max(-x, 0);
    const int32_t last = eq_min(p->filter_w, p->input_w - x);
    const int32_t end = eq_min(p->filter_h, p->input_h - y);
    int32x4_t even = vldrwq_s32(head);
    int32x4_t odd = vldrwq_s32(head + 4);
    for (int32_t ky = eq_max(-y, 0); ky < end; ky++) {
        const int16_t *values = input + ((y + ky) * p->input_w + x + first) * c;
        const int8_t *weights = taps + (ky * p->filter_w + first) * c;
        EQ_UNROLL(3)
        for (int32_t kx = first; kx < last; kx++) {
            const int16x8_t v = vldrhq_s16(values);
            const int16x8_t w = vldrbq_s16(weights);
            even = vaddq_s32(even, vmullbq_int_s16(v, w));
            odd = vaddq_s32(odd, vmulltq_int_s16(v, w));
            values += c;
            weights += c;
        }
    }
    if (p->lifted) {
        even = vshlq_s32(even, vldrwq_s32(head + 2 * c));
        odd = vshlq_s32(odd, vldrwq_s32(head + 2 * c + 4));
    }
    even = vrmulhq_s32(even, vldrwq_s32(head + c));
    odd = vrmulhq_s32(odd, vldrwq_s32(head + c + 4));
    int16x8_t result = vqmovnbq_s32(vreinterpretq_s16_s32(even), even);
    result = vqmovntq_s32(result, odd);
    result = vmaxq_s16(result, vdupq_n_s16((int16_t)p->activation_min));
    vstrhq_s16(output, vminq_s16(result, vdupq_n_s16((int16_t)p->activation_max)));
}

/* `weights` holds in words the biases, the multipliers and, with lifted, the left shifts of all
 * channels, of each eight the even ones first; then the filter as 1HWC. */
EQ_KERNEL void eq_depthwise_conv_2d_mve_s16(const eq_depthwise_conv_2d_s16_mve_params *p,
                                            const int16_t *input, const int8_t *weights,
                                            int16_t *output)
{
    const int32_t *head = (const int32_t *)(const void *)weights;
    const int8_t *taps = weights + (p->lifted ? 12 : 8) * p->channels;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                for (int32_t c = 0; c < p->channels; c += EQ_DEPTHWISE_S16_LANES) {
                    eq_depthwise_eight_mve_s16(p, input + c, head + c, taps + c, output + c, y, x);
                }
                output += p->channels;
            }
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
