/* SignalWindow and SignalFftAutoScale, portable C: what a frame goes through before its FFT. */
#ifndef EQ_SIGNAL_WINDOW_H
#define EQ_SIGNAL_WINDOW_H

#include "eq_base.h"

typedef struct {
    int32_t frames, length;
    int32_t shift; /* right shift of the products, 0..31 */
} eq_signal_window_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_signal_window_s16(const eq_signal_window_params *p, const int16_t *input,
                                    const int16_t *weights, int16_t *output)
{
    for (int32_t frame = 0; frame < p->frames; frame++) {
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t raw = ((int32_t)*input++ * weights[i]) >> p->shift;
            *output++ = (int16_t)eq_clamp(raw, INT16_MIN, INT16_MAX);
        }
    }
}

typedef struct {
    int32_t size;
} eq_signal_fft_auto_scale_params;

/* The largest magnitude, with the reference's own way with -32768: it counts as the lowest. */
EQ_KERNEL int32_t eq_max_abs_s16(const int16_t *input, int32_t size)
{
    int32_t max = 0;
    for (int32_t i = 0; i < size; i++) {
        const int32_t value = input[i];
        if (value > max) {
            max = value;
        } else if (-value > max) {
            max = value == INT16_MIN ? INT16_MIN : -value;
        }
    }
    return max;
}

/* Shifts left as far as the largest value allows. */
EQ_KERNEL void eq_signal_fft_auto_scale_s16(const eq_signal_fft_auto_scale_params *p,
                                            const int16_t *input, int16_t *output, int32_t *bits)
{
    const int32_t max = eq_max_abs_s16(input, p->size);
    int32_t left = 0;
    while (max > 0 && (max << left) < (1 << 14)) {
        left++;
    }
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int16_t)(input[i] * ((int32_t)1 << left));
    }
    *bits = left;
}

#endif
