/* What the column kernels need of a processor, in plain C: widened inputs, inner products of
 * several pixels or outputs at a time, the high half of a product. */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include "eq_base.h"

/* A widened input value. */
typedef int32_t eq_lane;

#define EQ_DOT_PIXELS 4
#define EQ_ROW_OUTPUTS 4
#define EQ_ROW_UNROLL 1
/* Added to every weight by the host. */
#define EQ_WEIGHT_OFFSET 0

/* round(acc * (2^32 + doubled) / 2^32), ties up. */
EQ_KERNEL int32_t eq_high_mul(int32_t acc, int32_t doubled)
{
    return acc + (int32_t)(((int64_t)acc * doubled + ((int64_t)1 << 31)) >> 32);
}

/* sums[i] = the sum over all taps of weight * column of pixel i. */
static EQ_NOINLINE EQ_UNUSED void eq_dot(const int8_t *weights, const eq_lane *columns,
                                         int32_t taps, int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    const int8_t *end = weights + taps;
    while (weights != end) {
        const int32_t weight = *weights++;
        a += weight * columns[0];
        b += weight * columns[1];
        c += weight * columns[2];
        d += weight * columns[3];
        columns += EQ_DOT_PIXELS;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

/* sums[i] = the sum over all taps of weight i * input; the weights of a tap follow each other. */
static EQ_NOINLINE EQ_UNUSED void eq_row(const int8_t *weights, const int8_t *input,
                                         const int8_t *input_end, int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    while (input != input_end) {
        const int32_t value = *input++;
        a += weights[0] * value;
        b += weights[1] * value;
        c += weights[2] * value;
        d += weights[3] * value;
        weights += EQ_ROW_OUTPUTS;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#endif
