/* The first stage of a front end, portable C: a window of samples is weighted and laid out in the
 * order in which the FFT begins.
 *
 * int16 samples become int32 of 30 fractional bits (28 with pre-emphasis) and as many more as a
 * quiet window leaves free, so that the FFT's scaling loses nothing that 16 bits hold.
 */
#ifndef EQ_FRONTEND_WINDOW_H
#define EQ_FRONTEND_WINDOW_H

#include "eq_base.h"

typedef struct {
    int32_t length;       /* samples in the window */
    int32_t points;       /* complex: half the FFT's length */
    int32_t pre_emphasis; /* Q14; where it is not 0, one more sample stands before the window */
} eq_frontend_window_params;

/* How far all samples can be shifted to the left. */
EQ_KERNEL int32_t eq_frontend_free_bits(const eq_frontend_window_params *p, const int16_t *input)
{
    int32_t all = 0, free = 15;
    for (int32_t i = 0; i < p->length + (p->pre_emphasis != 0); i++) {
        all |= input[i] ^ (input[i] >> 15);
    }
    for (; all != 0; all >>= 1) {
        free--;
    }
    return free;
}

/* A sample shifted, and weighted by a Q31 weight. */
EQ_KERNEL int32_t eq_frontend_sample_s16(const eq_frontend_window_params *p, const int16_t *input,
                                         const int32_t *weights, int32_t shift, int32_t i)
{
    if (i >= p->length) {
        return 0;
    }
    if (p->pre_emphasis == 0) {
        const int16_t sample = (int16_t)(input[i] * (1 << shift));
        return (int32_t)(((int64_t)weights[i] * sample) >> 16);
    }
    /* Both products are below 2^(29 - shift). */
    const int32_t sharp = input[i + 1] * (1 << 14) - input[i] * p->pre_emphasis;
    return (int32_t)(((int64_t)weights[i] * (sharp * (1 << shift))) >> 32);
}

/* `order` says which pair of samples a point of the FFT's first stage takes, `shift` how far all of
 * them were shifted. */
EQ_KERNEL void eq_frontend_window_s16(const eq_frontend_window_params *p, const int16_t *input,
                                      const int32_t *weights, const uint16_t *order,
                                      int32_t *output, int32_t *shift)
{
    const int32_t left = eq_frontend_free_bits(p, input);
    *shift = left;
    for (int32_t i = 0; i < p->points; i++) {
        const int32_t at = 2 * (int32_t)order[i];
        output[2 * i] = eq_frontend_sample_s16(p, input, weights, left, at);
        output[2 * i + 1] = eq_frontend_sample_s16(p, input, weights, left, at + 1);
    }
}

typedef struct {
    int32_t length;
    int32_t lead;       /* 1 where a sample stands before the window, else 0 */
    float pre_emphasis; /* over 32768, as are the weights' samples */
} eq_frontend_window_f32_params;

/* Samples of -1 to 1 in order; the FFT orders and pads them. `weights` hold the 1 / 32768. */
EQ_KERNEL void eq_frontend_window_f32(const eq_frontend_window_f32_params *p, const int16_t *input,
                                      const float *weights, float *output)
{
    for (int32_t i = 0; i < p->length; i++) {
        float sample = (float)input[i + p->lead];
        if (p->lead) {
            sample -= p->pre_emphasis * (float)input[i];
        }
        output[i] = sample * weights[i];
    }
}

#endif
