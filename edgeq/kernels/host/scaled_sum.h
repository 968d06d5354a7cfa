/* ADD and SUB, int8, with or without broadcasting, for hosts.
 *
 * One factor per input and one shift give the bytes that the reference gets from three scalings:
 * they were found for, and tried with, all 65536 pairs of inputs. The primitives are those of
 * eq_lanes_host.h.
 */
#ifndef EQ_SCALED_SUM_HOST_H
#define EQ_SCALED_SUM_HOST_H

#include "eq_broadcast.h"
#include "eq_share_host.h"
#include "eq_simd.h"

typedef struct {
    eq_broadcast shape; /* the last axis: all of both inputs, or of input 1 with one of input 2 */
    int32_t factor1, factor2; /* with `shift` bits behind the point */
    int32_t constant;         /* zero points and one half, likewise */
    int32_t shift;
    int32_t activation_min, activation_max;
} eq_scaled_sum_host_params;

/* At most 16 results; `b` is one value where input 2 is spread. */
EQ_KERNEL void eq_scaled_sum_some(const eq_scaled_sum_host_params *p, const int8_t *a,
                                  const int8_t *b, int8_t *output, int32_t count)
{
    const eq_limits limits = {0, p->activation_min, p->activation_max, 0, 0};
    int8_t copy1[EQ_LANES], copy2[EQ_LANES];
    const eq_sums x = eq_load_values(eq_some_values(a, count, copy1));
    const eq_sums y =
        p->shape.step2[5] == 0 ? eq_same_sums(*b) : eq_load_values(eq_some_values(b, count, copy2));
    eq_sums sums = eq_same_sums(p->constant);
    sums = eq_add_sums(sums, eq_multiply_sums(x, eq_same_sums(p->factor1)));
    sums = eq_add_sums(sums, eq_multiply_sums(y, eq_same_sums(p->factor2)));
    eq_store_shifted(output, sums, p->shift, &limits, count);
}

/* A share of the rows. The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_sum_host_s8_share(const eq_scaled_sum_host_params *p, const eq_share share,
                                           const int8_t *input1, const int8_t *input2,
                                           int8_t *output)
{
    const int32_t size = p->shape.size[5], step = p->shape.step2[5];
    const eq_range rows = eq_share_of(eq_pair_rows(&p->shape), 1, share);
    int32_t row = 0;
    EQ_FOR_PAIR_ROWS(&p->shape, i, j)
    {
        int32_t k = 0;
        if (row < rows.begin || row >= rows.end) {
            row++;
            continue;
        }
        int8_t *to = output + row * size;
        row++;
        for (; k + EQ_LANES <= size; k += EQ_LANES) {
            eq_scaled_sum_some(p, input1 + i + k, input2 + j + k * step, to + k, EQ_LANES);
        }
        if (k < size) {
            eq_scaled_sum_some(p, input1 + i + k, input2 + j + k * step, to + k, size - k);
        }
    }
}

EQ_KERNEL void eq_scaled_sum_host_s8(const eq_scaled_sum_host_params *p, const int8_t *input1,
                                     const int8_t *input2, int8_t *output)
{
    eq_scaled_sum_host_s8_share(p, eq_whole_share(0), input1, input2, output);
}

#endif
