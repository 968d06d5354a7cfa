/* SignalRfft of int16 for cores with the DSP extension: a word holds a complex number, the real
 * part low. The arithmetic is that of signal_fft.h, bit for bit.
 */
#ifndef EQ_SIGNAL_FFT_DSP_H
#define EQ_SIGNAL_FFT_DSP_H

#include "eq_base.h"

typedef struct {
    int32_t rows;
    int32_t input_length;
    int32_t points; /* complex: half the FFT's length, a power of two, at least 4 */
    int32_t odd;    /* whether `points` is no power of four: then the first stage has radix 2 */
} eq_signal_fft_dsp_params;

#define EQ_PAIR_OP(name, instruction)                                                              \
    EQ_KERNEL uint32_t eq_pair_##name(uint32_t a, uint32_t b)                                      \
    {                                                                                              \
        uint32_t result;                                                                           \
        __asm__(instruction " %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));                        \
        return result;                                                                             \
    }

EQ_PAIR_OP(add, "sadd16")
EQ_PAIR_OP(sub, "ssub16")
EQ_PAIR_OP(half_add, "shadd16")
EQ_PAIR_OP(half_sub, "shsub16")
EQ_PAIR_OP(minus_turned, "ssax") /* a - i * b */
EQ_PAIR_OP(plus_turned, "sasx")  /* a + i * b */

/* Factors of a scaling by 1 / 4 and 1 / 2: floor(32767 / divisor) low, twice that high. */
#define EQ_QUARTERS (8191u | 16382u << 16)
#define EQ_HALVES (16383u | 32766u << 16)

/* Both halves times a factor, rounded: the upper product is twice as large and needs no shift. */
EQ_KERNEL uint32_t eq_pair_scale(uint32_t x, uint32_t factors)
{
    uint32_t low, high, result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(low) : "r"(x), "r"(factors), "r"(1 << 14));
    __asm__("smlatt %0, %1, %2, %3" : "=r"(high) : "r"(x), "r"(factors), "r"(1 << 15));
    __asm__("pkhtb %0, %1, %2, asr #15" : "=r"(result) : "r"(high), "r"(low));
    return result;
}

/* The same of (re, -im). */
EQ_KERNEL uint32_t eq_pair_scale_conjugate(uint32_t x, uint32_t factors)
{
    uint32_t low, high, result;
    const uint32_t negative = eq_pair_sub(0, x);
    __asm__("smlabb %0, %1, %2, %3" : "=r"(low) : "r"(x), "r"(factors), "r"(1 << 14));
    __asm__("smlatt %0, %1, %2, %3" : "=r"(high) : "r"(negative), "r"(factors), "r"(1 << 15));
    __asm__("pkhtb %0, %1, %2, asr #15" : "=r"(result) : "r"(high), "r"(low));
    return result;
}

/* The product of two complex numbers, rounded. */
EQ_KERNEL uint32_t eq_pair_times(uint32_t x, uint32_t w)
{
    int32_t re, im;
    uint32_t result;
    __asm__("smlsd %0, %1, %2, %3" : "=r"(re) : "r"(x), "r"(w), "r"(1 << 14));
    __asm__("smladx %0, %1, %2, %3" : "=r"(im) : "r"(x), "r"(w), "r"(1 << 14));
    re >>= 15;
    __asm__("pkhbt %0, %1, %2, lsl #1" : "=r"(result) : "r"(re), "r"(im));
    return result;
}

/* Four legs, scaled and turned, of which the results lie `span` apart. */
EQ_KERNEL void eq_pair_four(eq_word *x, int32_t span, uint32_t a, uint32_t b, uint32_t c,
                            uint32_t d)
{
    const uint32_t even = eq_pair_add(a, c), odd = eq_pair_sub(a, c);
    const uint32_t sum = eq_pair_add(b, d), turn = eq_pair_sub(b, d);
    x[0] = eq_pair_add(even, sum);
    x[span] = eq_pair_minus_turned(odd, turn);
    x[2 * span] = eq_pair_sub(even, sum);
    x[3 * span] = eq_pair_plus_turned(odd, turn);
}

/* The samples 2 * at and 2 * at + 1; behind the input's length they are zeros. */
EQ_KERNEL uint32_t eq_pair_of_samples(const eq_signal_fft_dsp_params *p, const int16_t *input,
                                      int32_t at)
{
    if (2 * at + 1 < p->input_length) {
        /* A row of odd length may begin between two words; these cores read them all the same. */
        uint32_t pair;
        memcpy(&pair, input + 2 * at, sizeof(pair));
        return pair;
    }
    return 2 * at < p->input_length ? (uint16_t)input[2 * at] : 0u;
}

/* The first stage: its twiddles are all one, and a product with the largest value is exact. */
EQ_KERNEL void eq_pair_first(const eq_signal_fft_dsp_params *p, const int16_t *input,
                             const uint16_t *order, eq_word *x)
{
    if (p->odd) {
        for (int32_t i = 0; i < p->points; i += 2) {
            const uint32_t a = eq_pair_scale(eq_pair_of_samples(p, input, order[i]), EQ_HALVES);
            const uint32_t b = eq_pair_scale(eq_pair_of_samples(p, input, order[i + 1]), EQ_HALVES);
            x[i] = eq_pair_add(a, b);
            x[i + 1] = eq_pair_sub(a, b);
        }
        return;
    }
    for (int32_t i = 0; i < p->points; i += 4) {
        uint32_t legs[4];
        for (int32_t leg = 0; leg < 4; leg++) {
            legs[leg] = eq_pair_scale(eq_pair_of_samples(p, input, order[i + leg]), EQ_QUARTERS);
        }
        eq_pair_four(x + i, 1, legs[0], legs[1], legs[2], legs[3]);
    }
}

/* The other stages; the point 0 of each needs no twiddles. */
EQ_KERNEL void eq_pair_stages(const eq_signal_fft_dsp_params *p, eq_word *x,
                              const eq_word *twiddles)
{
    for (int32_t span = p->odd ? 2 : 4; span < p->points; span *= 4) {
        const int32_t stride = p->points / (4 * span);
        for (eq_word *group = x; group < x + p->points; group += 4 * span) {
            eq_pair_four(group, span, eq_pair_scale(group[0], EQ_QUARTERS),
                         eq_pair_scale(group[span], EQ_QUARTERS),
                         eq_pair_scale(group[2 * span], EQ_QUARTERS),
                         eq_pair_scale(group[3 * span], EQ_QUARTERS));
        }
        for (int32_t k = 1; k < span; k++) {
            const uint32_t w = twiddles[k * stride], v = twiddles[2 * k * stride];
            const uint32_t u = twiddles[3 * k * stride];
            for (eq_word *group = x + k; group < x + p->points; group += 4 * span) {
                const uint32_t b = eq_pair_scale(group[span], EQ_QUARTERS);
                const uint32_t c = eq_pair_scale(group[2 * span], EQ_QUARTERS);
                const uint32_t d = eq_pair_scale(group[3 * span], EQ_QUARTERS);
                eq_pair_four(group, span, eq_pair_scale(group[0], EQ_QUARTERS), eq_pair_times(b, w),
                             eq_pair_times(c, v), eq_pair_times(d, u));
            }
        }
    }
}

/* The spectrum of the real signal out of that of its pairs. */
EQ_KERNEL void eq_pair_part(const eq_signal_fft_dsp_params *p, const eq_word *x,
                            const eq_word *super, eq_word *output)
{
    const int32_t n = p->points;
    const uint32_t zero = eq_pair_scale(x[0], EQ_HALVES);
    output[0] = (uint16_t)eq_pair_add(zero, zero >> 16);
    output[n] = (uint16_t)eq_pair_sub(zero, zero >> 16);
    for (int32_t k = 1; k <= n / 2; k++) {
        const uint32_t a = eq_pair_scale(x[k], EQ_HALVES);
        const uint32_t c = eq_pair_scale_conjugate(x[n - k], EQ_HALVES);
        const uint32_t sum = eq_pair_add(a, c);
        const uint32_t turned = eq_pair_times(eq_pair_sub(a, c), super[k - 1]);
        output[k] = eq_pair_half_add(sum, turned);
        const uint32_t re = eq_pair_half_sub(sum, turned), im = eq_pair_half_sub(turned, sum);
        output[n - k] = (re & 0xFFFFu) | (im & 0xFFFF0000u);
    }
}

EQ_KERNEL void eq_signal_rfft_dsp_s16(const eq_signal_fft_dsp_params *p, const int16_t *input,
                                      const int16_t *twiddles, const int16_t *super,
                                      const uint16_t *order, void *scratch, int16_t *output)
{
    eq_word *x = scratch;
    for (int32_t row = 0; row < p->rows; row++) {
        eq_pair_first(p, input, order, x);
        eq_pair_stages(p, x, (const eq_word *)(const void *)twiddles);
        eq_pair_part(p, x, (const eq_word *)(const void *)super, (eq_word *)(void *)output);
        input += p->input_length;
        output += 2 * p->points + 2;
    }
}

#endif
