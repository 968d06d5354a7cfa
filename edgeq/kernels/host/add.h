/* ADD, int8, inputs of the same shape, for hosts, in the reference's own arithmetic: input 1 is the
 * one of the larger scale, which is only shifted. The primitives are those of eq_lanes_host.h.
 */
#ifndef EQ_ADD_HOST_H
#define EQ_ADD_HOST_H

#include "eq_share_host.h"
#include "eq_simd.h"

typedef struct {
    int32_t size;
    int32_t input1_offset, input2_offset;
    int32_t left_shift;                      /* of both; of input 1 one less */
    int32_t input2_multiplier, input2_shift; /* to the right */
    int32_t output_multiplier, output_shift;
    eq_limits limits;
} eq_add_host_params;

/* At most 16 sums. */
EQ_KERNEL void eq_add_some(const eq_add_host_params *p, const int8_t *a, const int8_t *b,
                           int8_t *output, int32_t count)
{
    int8_t copy1[EQ_LANES], copy2[EQ_LANES];
    const eq_limits plain = eq_no_limits(p->input2_shift == 0);
    const eq_scales second = eq_same_scales(p->input2_multiplier, p->input2_shift);
    const eq_scales scales = eq_same_scales(p->output_multiplier, p->output_shift);
    const int32_t one = (int32_t)1 << p->left_shift;
    eq_sums x = eq_load_values(eq_some_values(a, count, copy1));
    eq_sums y = eq_load_values(eq_some_values(b, count, copy2));
    x = eq_multiply_sums(eq_add_sums(x, eq_same_sums(p->input1_offset)), eq_same_sums(one / 2));
    y = eq_multiply_sums(eq_add_sums(y, eq_same_sums(p->input2_offset)), eq_same_sums(one));
    x = eq_add_sums(x, eq_scale_sums(y, &second, &plain));
    eq_store_outputs(output, x, &scales, &p->limits, count);
}

/* The output may be written over either input. */
EQ_KERNEL void eq_add_host_s8_share(const eq_add_host_params *p, const eq_share share,
                                    const int8_t *input1, const int8_t *input2, int8_t *output)
{
    const eq_range range = eq_share_of(p->size, EQ_LANES, share);
    int32_t i = range.begin;
    for (; i + EQ_LANES <= range.end; i += EQ_LANES) {
        eq_add_some(p, input1 + i, input2 + i, output + i, EQ_LANES);
    }
    if (i < range.end) {
        eq_add_some(p, input1 + i, input2 + i, output + i, range.end - i);
    }
}

EQ_KERNEL void eq_add_host_s8(const eq_add_host_params *p, const int8_t *input1,
                              const int8_t *input2, int8_t *output)
{
    eq_add_host_s8_share(p, eq_whole_share(0), input1, input2, output);
}

#endif
