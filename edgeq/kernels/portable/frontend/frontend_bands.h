/* From a spectrum to bands, portable C: powers or magnitudes, summed under triangles.
 *
 * A bin that lies between the centres of two triangles counts for both, with weights whose sum is
 * one: for the upper one by `weights`, for the lower one by the rest.
 */
#ifndef EQ_FRONTEND_BANDS_H
#define EQ_FRONTEND_BANDS_H

#include "eq_bit_length.h"

typedef struct {
    int32_t points; /* half the FFT's length; bin `points` lies at half the sample rate */
    int32_t first;  /* bin */
    int32_t bins;
    int32_t channels;
    int32_t magnitude; /* whether magnitudes are summed, not powers */
    int32_t exponent;  /* of the spectrum's unit */
} eq_frontend_bands_params;

/* Bits up to the highest that is set in x or, if x is negative, clear. */
EQ_KERNEL int32_t eq_frontend_bits(uint32_t x)
{
    return x ? eq_bit_length_u32(x) : 0;
}

/* The square root of a number below 2^48, rounded down, with 8 fractional bits. */
EQ_WIDE uint64_t eq_frontend_root(uint64_t x)
{
    uint64_t rest = x << 16, root = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit != 0; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* Real and imaginary part of a bin of the packed spectrum. */
EQ_KERNEL void eq_frontend_bin(const eq_frontend_bands_params *p, const int32_t *x, int32_t bin,
                               int32_t *re, int32_t *im)
{
    const int32_t edge = bin == 0 || bin == p->points;
    *re = edge ? x[bin == 0 ? 0 : 1] : x[2 * bin];
    *im = edge ? 0 : x[2 * bin + 1];
}

/* The right shift by which the largest part of any bin keeps 23 bits and its sign: powers are below
 * 2^47, and a band 130 dB below the loudest bin is still heard. */
EQ_KERNEL int32_t eq_frontend_shift(const eq_frontend_bands_params *p, const int32_t *x)
{
    uint32_t all = 0;
    for (int32_t bin = p->first; bin < p->first + p->bins; bin++) {
        int32_t re, im;
        eq_frontend_bin(p, x, bin, &re, &im);
        all |= (uint32_t)(re ^ (re >> 31)) | (uint32_t)(im ^ (im >> 31));
    }
    return eq_frontend_bits(all) - 23;
}

EQ_KERNEL uint64_t eq_frontend_power(const eq_frontend_bands_params *p, const int32_t *x,
                                     int32_t bin, int32_t shift)
{
    int32_t re, im;
    eq_frontend_bin(p, x, bin, &re, &im);
    re = shift >= 0 ? re >> shift : re * (int32_t)((uint32_t)1 << -shift);
    im = shift >= 0 ? im >> shift : im * (int32_t)((uint32_t)1 << -shift);
    const uint64_t power = (uint64_t)((int64_t)re * re) + (uint64_t)((int64_t)im * im);
    return p->magnitude ? eq_frontend_root(power) : power;
}

/* The exponent of a power or magnitude, before the weights. */
EQ_KERNEL int32_t eq_frontend_exponent(const eq_frontend_bands_params *p, int32_t shift)
{
    return p->magnitude ? shift + p->exponent - 8 : 2 * (shift + p->exponent);
}

/* Weights are Q15; `scaled` is how far the samples were shifted to the left. Of at most 1024 bins
 * the sums of powers are below 2^57, those of their lower halves with weights below 2^57 too. The
 * real sum is sums[channel] * 2^exponent. */
EQ_KERNEL void eq_frontend_mel(const eq_frontend_bands_params *p, const int32_t *input,
                               const int32_t *scaled, const uint16_t *weights,
                               const uint16_t *widths, uint64_t *sums, int32_t *exponent)
{
    const int32_t shift = eq_frontend_shift(p, input);
    int32_t bin = p->first;
    uint64_t sum = 0; /* of the triangle that falls in this band */
    for (int32_t band = 0; band <= p->channels; band++) {
        uint64_t low = 0, high = 0;
        for (int32_t i = 0; i < widths[band]; i++, bin++) {
            const uint64_t power = eq_frontend_power(p, input, bin, shift);
            const uint32_t weight = *weights++;
            low += (uint64_t)(uint32_t)power * weight;
            high += (uint32_t)(power >> 32) * weight;
            sum += power;
        }
        const uint64_t rising = (high << 17) + (low >> 15);
        if (band > 0) {
            sums[band - 1] = sum - rising;
        }
        sum = rising;
    }
    *exponent = eq_frontend_exponent(p, shift - *scaled);
}

/* Every bin as it is: powers of 31 bits and their sign are below 2^63 without a shift. */
EQ_KERNEL void eq_frontend_spectrum(const eq_frontend_bands_params *p, const int32_t *input,
                                    const int32_t *scaled, uint64_t *powers, int32_t *exponent)
{
    const int32_t shift = p->magnitude ? eq_frontend_shift(p, input) : 0;
    for (int32_t i = 0; i < p->bins; i++) {
        powers[i] = eq_frontend_power(p, input, p->first + i, shift);
    }
    *exponent = eq_frontend_exponent(p, shift - *scaled);
}

#endif
