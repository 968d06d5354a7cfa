/* The first stage of a front end, portable C: a window of samples is weighted and laid out in the
 * order in which the FFT begins.
 *
 * int16 samples become int32 of 30 fractional bits (28 with pre-emphasis) and as many more as a
 * quiet window leaves free, so that the FFT's scaling loses nothing that 16 bits hold. What counts
 * is how loud it is under the weights: of a sound that ends under the window's foot little is left.
 */
#ifndef EQ_FRONTEND_WINDOW_H
#define EQ_FRONTEND_WINDOW_H

#include "eq_base.h"

/* Bits that a window may leave unused. */
#define EQ_FRONTEND_UNUSED 4

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

/* A sample, Q14 with pre-emphasis: then it is below 2^(30 - free bits). */
EQ_KERNEL int32_t eq_frontend_sample(const eq_frontend_window_params *p, const int16_t *input,
                                     int32_t i)
{
    if (p->pre_emphasis == 0) {
        return input[i];
    }
    return (int32_t)input[i + 1] * (1 << 14) - (int32_t)input[i] * p->pre_emphasis;
}

/* A sample shifted by no more than its free bits, and weighted by a Q31 weight. */
EQ_KERNEL int32_t eq_frontend_weighted(const eq_frontend_window_params *p, const int16_t *input,
                                       const int32_t *weights, int32_t shift, int32_t i)
{
    if (i >= p->length) {
        return 0;
    }
    const int32_t shifted = eq_frontend_sample(p, input, i) * ((int32_t)1 << shift);
    if (p->pre_emphasis == 0) {
        /* The compiler is told that it has 16 bits: one instruction on cores with SMULWB. */
        return (int32_t)(((int64_t)weights[i] * (int16_t)shifted) >> 16);
    }
    return (int32_t)(((int64_t)weights[i] * shifted) >> 32);
}

/* The same with a shift by which the product fits in 62 bits and the result in 31, whatever that
 * makes of the sample. */
EQ_KERNEL int32_t eq_frontend_quiet(const eq_frontend_window_params *p, const int16_t *input,
                                    const int32_t *weights, int32_t shift, int32_t i)
{
    if (i >= p->length) {
        return 0;
    }
    const int64_t product = (int64_t)weights[i] * eq_frontend_sample(p, input, i);
    return (int32_t)((int64_t)((uint64_t)product << shift) >> (p->pre_emphasis == 0 ? 16 : 32));
}

/* `order` says which pair of samples a point of the FFT's first stage takes, `shift` how far all of
 * them were shifted. Where the weights leave 4 bits or more of a window unused it is made again,
 * out of the samples: bits that were cut off are among those that count then. */
EQ_KERNEL void eq_frontend_window_s16(const eq_frontend_window_params *p, const int16_t *input,
                                      const int32_t *weights, const uint16_t *order,
                                      int32_t *output, int32_t *shift)
{
    int32_t left = eq_frontend_free_bits(p, input), all = 0;
    for (int32_t i = 0; i < p->points; i++) {
        const int32_t at = 2 * (int32_t)order[i];
        const int32_t even = eq_frontend_weighted(p, input, weights, left, at);
        const int32_t odd = eq_frontend_weighted(p, input, weights, left, at + 1);
        output[2 * i] = even;
        output[2 * i + 1] = odd;
        all |= (even ^ (even >> 31)) | (odd ^ (odd >> 31));
    }
    /* Where not even one bit of loud samples is left, they may lie under weights of 0. */
    if ((all != 0 || left < 15) && all < (int32_t)1 << (30 - EQ_FRONTEND_UNUSED)) {
        for (all |= 1; all < (int32_t)1 << 29; all *= 2) {
            left++;
        }
        for (int32_t i = 0; i < p->points; i++) {
            const int32_t at = 2 * (int32_t)order[i];
            output[2 * i] = eq_frontend_quiet(p, input, weights, left, at);
            output[2 * i + 1] = eq_frontend_quiet(p, input, weights, left, at + 1);
        }
    }
    *shift = left;
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
