/* Logarithms of a front end's sums, portable C: log2 by the position of the highest bit and 128
 * linear pieces, off by less than 2^-15.
 */
#ifndef EQ_FRONTEND_LOG_H
#define EQ_FRONTEND_LOG_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t floor;           /* least log2 of a result, Q16 */
    int32_t offset_exponent; /* of the offset added before the logarithm */
    int32_t has_offset;
    int32_t multiplier; /* from Q16 to output steps: times multiplier, then right by shift */
    int32_t shift;
} eq_frontend_log_params;

EQ_KERNEL int32_t eq_frontend_length(uint64_t x)
{
#if defined(__GNUC__)
    return x ? 64 - __builtin_clzll(x) : 0;
#else
    int32_t bits = 0;
    for (; x != 0; x >>= 1) {
        bits++;
    }
    return bits;
#endif
}

/* log2(x) in Q16, x not 0; `pieces` are 65536 * (log2(1 + i / 128) - i / 128). */
EQ_WIDE int32_t eq_frontend_log2(uint64_t x, const uint16_t *pieces)
{
    const int32_t integer = eq_frontend_length(x) - 1;
    const uint32_t top = (uint32_t)((x << (63 - integer)) >> 32); /* the highest bit is set */
    const uint32_t fraction = (top << 1) >> 9;                    /* 23 bits */
    const uint32_t piece = fraction >> 16;
    const int32_t rise = (int32_t)pieces[piece + 1] - (int32_t)pieces[piece];
    const int32_t bend = (rise * (int32_t)(fraction & 0xFFFF)) >> 16;
    return integer * 65536 + (int32_t)(fraction >> 7) + (int32_t)pieces[piece] + bend;
}

/* sum * 2^exponent plus an offset with an exponent of its own; the exponent may change. */
EQ_KERNEL uint64_t eq_frontend_add_offset(const eq_frontend_log_params *p, uint64_t sum,
                                          uint32_t offset, int32_t *exponent)
{
    /* Both are brought to the larger exponent of their highest bits, with room for the sum. */
    const int32_t up = sum ? 62 - eq_frontend_length(sum) : 0;
    const int32_t sum_exponent = sum ? *exponent - up : INT32_MIN / 2;
    const int32_t offset_exponent = p->offset_exponent - 30;
    const uint64_t wide = (uint64_t)offset << 30;
    sum = up >= 0 ? sum << up : sum >> -up;
    *exponent = eq_max(sum_exponent, offset_exponent);
    const int32_t a = *exponent - sum_exponent, b = *exponent - offset_exponent;
    return (a > 63 ? 0 : sum >> a) + (b > 63 ? 0 : wide >> b);
}

EQ_KERNEL int32_t eq_frontend_log_one(const eq_frontend_log_params *p, uint64_t sum,
                                      int32_t exponent, uint32_t offset, const uint16_t *pieces)
{
    if (p->has_offset) {
        sum = eq_frontend_add_offset(p, sum, offset, &exponent);
    }
    if (sum == 0) {
        return INT32_MIN / 2; /* below the floor, whatever the channel's factor */
    }
    return eq_frontend_log2(sum, pieces) + exponent * 65536;
}

/* `shifts` is log2 of each channel's factor in Q16, `offsets` what is added before, over that. */
EQ_KERNEL int32_t eq_frontend_channel(const eq_frontend_log_params *p, const uint64_t *sums,
                                      int32_t exponent, const int32_t *shifts,
                                      const uint32_t *offsets, const uint16_t *pieces, int32_t i)
{
    const uint32_t offset = p->has_offset ? offsets[i] : 0;
    const int32_t value = eq_frontend_log_one(p, sums[i], exponent, offset, pieces);
    return eq_max(value + shifts[i], p->floor);
}

EQ_KERNEL int16_t eq_frontend_step_s16(int64_t scaled, int32_t shift)
{
    const int64_t rounded = (scaled + ((int64_t)1 << (shift - 1))) >> shift;
    return (int16_t)(rounded < INT16_MIN ? INT16_MIN : rounded > INT16_MAX ? INT16_MAX : rounded);
}

EQ_KERNEL void eq_frontend_log_s16(const eq_frontend_log_params *p, const uint64_t *sums,
                                   const int32_t *exponent, const int32_t *shifts,
                                   const uint32_t *offsets, const uint16_t *pieces, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t value = eq_frontend_channel(p, sums, *exponent, shifts, offsets, pieces, i);
        output[i] = eq_frontend_step_s16((int64_t)value * p->multiplier, p->shift);
    }
}

/* For the cosine transform: log2 itself, Q16. */
EQ_KERNEL void eq_frontend_log_s32(const eq_frontend_log_params *p, const uint64_t *sums,
                                   const int32_t *exponent, const int32_t *shifts,
                                   const uint32_t *offsets, const uint16_t *pieces, int32_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = eq_frontend_channel(p, sums, *exponent, shifts, offsets, pieces, i);
    }
}

typedef struct {
    int32_t size;
    int32_t exponent; /* of one output step, with the multipliers' 31 bits */
} eq_frontend_linear_params;

/* Sums as they are, in steps of the output; `factors` of 31 bits are each channel's. */
EQ_KERNEL void eq_frontend_linear_s16(const eq_frontend_linear_params *p, const uint64_t *sums,
                                      const int32_t *exponent, const uint32_t *factors,
                                      int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t length = eq_frontend_length(sums[i]);
        const int32_t down = length > 31 ? length - 31 : 0;
        const uint64_t product = (sums[i] >> down) * factors[i];
        const int32_t right = p->exponent - *exponent - down;
        uint64_t steps = 0;
        if (right <= 0) {
            steps = product ? INT16_MAX : 0;
        } else if (right < 63) {
            steps = (product + ((uint64_t)1 << (right - 1))) >> right;
        }
        output[i] = (int16_t)(steps < INT16_MAX ? steps : INT16_MAX);
    }
}

#endif
