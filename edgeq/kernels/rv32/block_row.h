/* The inner product of blocks of weights, in plain C: also for cores that have none of their own.
 */
#ifndef EQ_BLOCK_ROW_H
#define EQ_BLOCK_ROW_H

#include "eq_base.h"

/* sums[i] = the sum over all inputs of weight i * input. Each block is four inputs by four
 * weights; `blocks` says how many are left out before it. */
static EQ_NOINLINE EQ_UNUSED void eq_block_row(const int8_t *weights, const int8_t *input,
                                               const uint8_t *blocks, const int8_t *weights_end,
                                               int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    do {
        input += 4 * *blocks++;
        EQ_UNROLL(4)
        for (int32_t i = 0; i < 4; i++) {
            const int32_t value = input[i];
            a += weights[4 * i] * value;
            b += weights[4 * i + 1] * value;
            c += weights[4 * i + 2] * value;
            d += weights[4 * i + 3] * value;
        }
        input += 4;
        weights += 16;
    } while (weights != weights_end);
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

#endif
