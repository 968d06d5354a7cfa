/* SignalWindow and SignalFftAutoScale for cores with the DSP extension: two samples at a time. The
 * arithmetic is that of signal_window.h, bit for bit.
 */
#ifndef EQ_SIGNAL_WINDOW_DSP_H
#define EQ_SIGNAL_WINDOW_DSP_H

#include "eq_base.h"
#include "eq_signal_window.h"

typedef struct {
    int32_t frames, length; /* length is even */
} eq_signal_window_dsp_params;

/* Products of Q12 weights, as the front end of TensorFlow Lite has them. */
EQ_KERNEL void eq_signal_window_dsp_s16(const eq_signal_window_dsp_params *p, const int16_t *input,
                                        const int16_t *weights, int16_t *output)
{
    const eq_word *in = (const eq_word *)(const void *)input;
    eq_word *out = (eq_word *)(void *)output;
    for (int32_t frame = 0; frame < p->frames; frame++) {
        const eq_word *weight = (const eq_word *)(const void *)weights;
        EQ_UNROLL(4)
        for (int32_t i = 0; i < p->length / 2; i++) {
            const uint32_t x = *in++, w = *weight++;
            int32_t low, high;
            uint32_t pair;
            __asm__("smulbb %0, %1, %2" : "=r"(low) : "r"(x), "r"(w));
            __asm__("smultt %0, %1, %2" : "=r"(high) : "r"(x), "r"(w));
            __asm__("ssat %0, #16, %1, asr #12" : "=r"(low) : "r"(low));
            __asm__("ssat %0, #16, %1, asr #12" : "=r"(high) : "r"(high));
            __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
            *out++ = pair;
        }
    }
}

typedef struct {
    int32_t size; /* even */
} eq_signal_fft_auto_scale_dsp_params;

/* The largest and the least of each half so far. */
EQ_KERNEL void eq_pair_extremes(uint32_t x, uint32_t *most, uint32_t *least)
{
    uint32_t unused;
    __asm__("ssub16 %0, %2, %1\n\tsel %1, %2, %1" : "=&r"(unused), "+r"(*most) : "r"(x));
    __asm__("ssub16 %0, %1, %2\n\tsel %1, %2, %1" : "=&r"(unused), "+r"(*least) : "r"(x));
}

EQ_KERNEL void eq_signal_fft_auto_scale_dsp_s16(const eq_signal_fft_auto_scale_dsp_params *p,
                                                const int16_t *input, int16_t *output,
                                                int32_t *bits)
{
    const eq_word *in = (const eq_word *)(const void *)input;
    eq_word *out = (eq_word *)(void *)output;
    uint32_t most = 0, least = 0;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < p->size / 2; i++) {
        eq_pair_extremes(in[i], &most, &least);
    }
    const int32_t low = eq_min((int16_t)least, (int32_t)least >> 16);
    int32_t max = eq_max(eq_max((int16_t)most, (int32_t)most >> 16), -low);
    if (low == INT16_MIN) {
        max = eq_max_abs_s16(input, p->size);
    }
    int32_t left = 0;
    while (max > 0 && (max << left) < (1 << 14)) {
        left++;
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < p->size / 2; i++) {
        const uint32_t x = in[i], even = x << left, odd = (x >> 16) << left;
        uint32_t pair;
        __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(even), "r"(odd));
        out[i] = pair;
    }
    *bits = left;
}

#endif
