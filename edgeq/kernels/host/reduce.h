/* SUM and MEAN, int8, of images over their pixels, for hosts: 16 channels at a time. The primitives
 * are those of eq_lanes_host.h.
 */
#ifndef EQ_REDUCE_HOST_H
#define EQ_REDUCE_HOST_H

#include "eq_share_host.h"
#include "eq_simd.h"

typedef struct {
    int32_t batches, pixels, channels;
    int32_t total_offset;      /* minus input zero point times the number of pixels */
    int32_t multiplier, shift; /* Q31, to the right */
    eq_limits limits;
} eq_reduce_sum_host_params;

/* At most 16 channels; four sums run side by side. */
EQ_KERNEL void eq_reduce_sum_some(const eq_reduce_sum_host_params *p, const int8_t *input,
                                  int8_t *output, int32_t channels)
{
    int8_t copy[EQ_LANES];
    const eq_scales scales = eq_same_scales(p->multiplier, p->shift);
    const int32_t step = p->channels;
    eq_sums a = eq_same_sums(p->total_offset), b = eq_same_sums(0);
    int32_t i = 0;
    for (; i + 2 <= p->pixels; i += 2) {
        a = eq_add_sums(a, eq_load_values(eq_some_values(input, channels, copy)));
        b = eq_add_sums(b, eq_load_values(eq_some_values(input + step, channels, copy)));
        input += 2 * step;
    }
    if (i < p->pixels) {
        a = eq_add_sums(a, eq_load_values(eq_some_values(input, channels, copy)));
    }
    eq_store_outputs(output, eq_add_sums(a, b), &scales, &p->limits, channels);
}

/* A share of the channels. */
EQ_KERNEL void eq_reduce_sum_host_s8_share(const eq_reduce_sum_host_params *p, const eq_share share,
                                           const int8_t *input, int8_t *output)
{
    const eq_range range = eq_share_of(p->channels, EQ_LANES, share);
    for (int32_t batch = 0; batch < p->batches; batch++) {
        int32_t c = range.begin;
        for (; c + EQ_LANES <= range.end; c += EQ_LANES) {
            eq_reduce_sum_some(p, input + c, output + c, EQ_LANES);
        }
        if (c < range.end) {
            eq_reduce_sum_some(p, input + c, output + c, range.end - c);
        }
        input += p->pixels * p->channels;
        output += p->channels;
    }
}

EQ_KERNEL void eq_reduce_sum_host_s8(const eq_reduce_sum_host_params *p, const int8_t *input,
                                     int8_t *output)
{
    eq_reduce_sum_host_s8_share(p, eq_whole_share(0), input, output);
}

#endif
