/* SignalEnergy and the SignalFilterBank ops, portable C: from a spectrum to channels of sound.
 *
 * Unsigned arithmetic wraps, as it does in the reference.
 */
#ifndef EQ_SIGNAL_FILTER_BANK_H
#define EQ_SIGNAL_FILTER_BANK_H

#include "eq_bit_length.h"

typedef struct {
    int32_t size;
    int32_t start, end; /* points that are computed; the others are zeros */
} eq_signal_energy_params;

EQ_KERNEL void eq_signal_energy(const eq_signal_energy_params *p, const int16_t *input,
                                uint32_t *output)
{
    memset(output, 0, (size_t)p->size * sizeof(*output));
    for (int32_t i = p->start; i < p->end; i++) {
        const int32_t re = input[2 * i], im = input[2 * i + 1];
        output[i] = (uint32_t)(re * re) + (uint32_t)(im * im);
    }
}

typedef struct {
    int32_t channels;
    int32_t positive; /* whether no weight is below 0 */
} eq_signal_filter_bank_params;

/* A point of the spectrum counts for its channel by `weights` and for the next one by `unweights`;
 * the first of the channels + 1 bands has only its second half. */
EQ_KERNEL void eq_signal_filter_bank(const eq_signal_filter_bank_params *p, const uint32_t *input,
                                     const int16_t *weights, const int16_t *unweights,
                                     const int16_t *frequency_starts, const int16_t *weight_starts,
                                     const int16_t *widths, uint64_t *output)
{
    uint64_t next = 0;
    for (int32_t band = 0; band <= p->channels; band++) {
        const uint32_t *power = input + frequency_starts[band];
        const int16_t *weight = weights + weight_starts[band];
        const int16_t *unweight = unweights + weight_starts[band];
        uint64_t sum = next;
        next = 0;
        for (int32_t i = 0; i < widths[band]; i++) {
            if (p->positive) {
                sum += (uint64_t)(uint16_t)weight[i] * power[i];
                next += (uint64_t)(uint16_t)unweight[i] * power[i];
            } else {
                sum += (uint64_t)(int64_t)weight[i] * power[i];
                next += (uint64_t)(int64_t)unweight[i] * power[i];
            }
        }
        if (band > 0) {
            output[band - 1] = sum;
        }
    }
}

typedef struct {
    int32_t size;
} eq_signal_filter_bank_square_root_params;

/* The square root rounded down, and what is left of x. */
EQ_KERNEL uint32_t eq_square_root_u32(uint32_t x, uint32_t *rest)
{
    uint32_t root = 0;
    EQ_UNROLL(4)
    for (uint32_t bit = (uint32_t)1 << 30; bit != 0; bit >>= 2) {
        const uint32_t next = root + bit;
        root >>= 1;
        if (x >= next) {
            x -= next;
            root += bit;
        }
    }
    *rest = x;
    return root;
}

/* The square root to nearest. Below 2^32 the reference rounds to 16 bits, so that 65535.5 and more
 * stay 65535.
 *
 * Above, the root of the upper half of x, whose highest two bits are not both 0, gives the upper
 * half of the root, and a division the lower half, at most one or two too large.
 * Source: P. Zimmermann, "Karatsuba Square Root" (1999). */
EQ_WIDE uint32_t eq_square_root_u64(uint64_t x)
{
    uint32_t rest;
    if ((x >> 32) == 0) {
        const uint32_t small = eq_square_root_u32((uint32_t)x, &rest);
        return rest > small && small != UINT16_MAX ? small + 1 : small;
    }
    int32_t half = 0;
    uint64_t wide = x;
    while ((wide >> 62) == 0) {
        wide <<= 2;
        half++;
    }
    const uint32_t upper = eq_square_root_u32((uint32_t)(wide >> 32), &rest);
    /* rest is at most 2 * upper, so this is below 2^32. */
    const uint32_t numerator = (rest << 15) | ((uint32_t)wide >> 17);
    const uint32_t quotient = numerator / upper;
    uint32_t root = (upper << 16) | (quotient > UINT16_MAX ? UINT16_MAX : quotient);
    while ((uint64_t)root * root > wide) {
        root--;
    }
    root >>= half;
    return x - (uint64_t)root * root > root && root != UINT32_MAX ? root + 1 : root;
}

EQ_KERNEL void eq_signal_filter_bank_square_root(const eq_signal_filter_bank_square_root_params *p,
                                                 const uint64_t *input, const int32_t *scale_bits,
                                                 uint32_t *output)
{
    const int32_t right = *scale_bits & 31;
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = eq_square_root_u64(input[i]) >> right;
    }
}

typedef struct {
    int32_t size;
    int32_t smoothing[2], one_minus_smoothing[2]; /* even and odd channels */
    int32_t min_signal_remaining;
    int32_t smoothing_bits, bits;
    int32_t clamping;
} eq_signal_filter_bank_spectral_subtraction_params;

EQ_KERNEL void eq_signal_filter_bank_spectral_subtraction(
    const eq_signal_filter_bank_spectral_subtraction_params *p, const uint32_t *input,
    uint32_t *estimates, uint32_t *output, uint32_t *noise)
{
    for (int32_t i = 0; i < p->size; i++) {
        const uint32_t scaled = input[i] << p->smoothing_bits;
        const uint64_t risen = (uint64_t)scaled * (uint32_t)p->smoothing[i & 1];
        const uint64_t kept = (uint64_t)estimates[i] * (uint32_t)p->one_minus_smoothing[i & 1];
        uint32_t estimate = (uint32_t)((risen + kept) >> p->bits);
        estimates[i] = estimate;
        if (estimate > scaled) {
            estimate = scaled;
            if (p->clamping) {
                estimates[i] = estimate;
            }
        }
        const uint64_t remaining = (uint64_t)input[i] * (uint32_t)p->min_signal_remaining;
        const uint32_t least = (uint32_t)(remaining >> p->bits);
        const uint32_t subtracted = (scaled - estimate) >> p->smoothing_bits;
        output[i] = subtracted > least ? subtracted : least;
        noise[i] = estimates[i];
    }
}

typedef struct {
    int32_t size;
    int32_t snr_shift;
} eq_signal_pcan_params;

/* A gain by a quadratic piece for every power of two. */
EQ_KERNEL int16_t eq_wide_dynamic_gain(uint32_t x, const int16_t *gains)
{
    if (x <= 2) {
        return gains[x];
    }
    const int32_t interval = eq_bit_length_u32(x);
    const int16_t *piece = gains + 4 * interval - 6;
    const uint32_t aligned = interval < 11 ? x << (11 - interval) : x >> (interval - 11);
    const int32_t fraction = (int32_t)(aligned & 0x3FF);
    const int32_t slope = ((int32_t)piece[2] * fraction) >> 5;
    const uint32_t sum = (uint32_t)slope + ((uint32_t)piece[1] << 5);
    const int32_t rounded = (int32_t)(sum * (uint32_t)fraction + (1u << 14)) >> 15;
    return (int16_t)(rounded + piece[0]);
}

/* Per-channel automatic gain control: 12 bits of the signal-to-noise ratio become 6 of output,
 * x^2 / 4 below 2 and x - 1 from there. */
EQ_KERNEL void eq_signal_pcan(const eq_signal_pcan_params *p, const uint32_t *input,
                              const uint32_t *noise, const int16_t *gains, uint32_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const uint32_t gain = (uint32_t)(int32_t)eq_wide_dynamic_gain(noise[i], gains);
        const uint32_t snr = (uint32_t)(((uint64_t)input[i] * gain) >> p->snr_shift);
        output[i] = snr < (2u << 12) ? (snr * snr) >> 20 : (snr >> 6) - (1u << 6);
    }
}

typedef struct {
    int32_t size;
    int32_t output_scale;
    int32_t correction_bits;
} eq_signal_filter_bank_log_params;

/* The natural logarithm of x > 1 with 16 fractional bits: log2 by 128 linear pieces. */
EQ_KERNEL uint32_t eq_log_u32(uint32_t x, const uint16_t *pieces)
{
    const int32_t integer = eq_bit_length_u32(x) - 1;
    const uint32_t rest = x - ((uint32_t)1 << integer);
    const uint32_t fraction = integer < 16 ? rest << (16 - integer) : rest >> (integer - 16);
    const uint32_t piece = fraction >> 9;
    const int32_t rise = (int32_t)pieces[piece + 1] - (int32_t)pieces[piece];
    const int32_t bend = (rise * (int32_t)(fraction & 511)) >> 16;
    const uint32_t log2 = ((uint32_t)integer << 16) + fraction + pieces[piece] + (uint32_t)bend;
    return (uint32_t)(((uint64_t)45426 * log2 + 32768) >> 16);
}

EQ_KERNEL void eq_signal_filter_bank_log(const eq_signal_filter_bank_log_params *p,
                                         const uint32_t *input, const uint16_t *pieces,
                                         int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const uint32_t x = input[i] << p->correction_bits;
        uint32_t scaled = 0;
        if (x > 1) {
            scaled = ((uint32_t)p->output_scale * eq_log_u32(x, pieces) + 32768u) >> 16;
        }
        output[i] = (int16_t)(scaled < INT16_MAX ? scaled : INT16_MAX);
    }
}

#endif
