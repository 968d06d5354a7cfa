/* Products of one vector with groups of four rows of int8 weights, with MVE: each vector of values
 * is loaded once for four rows. A loop that is predicated at its end takes any number of values and
 * reads none behind them. 9 instructions do 64 multiply-accumulates of int8 values, 32 of int16
 * ones, whose weights are widened as they are loaded.
 */
#ifndef EQ_ROWS_MVE_H
#define EQ_ROWS_MVE_H

#include "eq_base.h"

#define EQ_ROWS_MVE_GROUP 4

/* clang-format off */
#define EQ_ROWS_MVE_LOOP(lanes, load_values, load_weights, bytes, mac) \
    __asm__ volatile( \
        "dlstp." lanes " lr, %[values]\n" \
        "1:\n\t" \
        load_values " q0, [%[vector]], #16\n\t" \
        load_weights " q1, [%[weights]], #" bytes "\n\t" \
        load_weights " q2, [%[weights]], #" bytes "\n\t" \
        mac " %[a], q0, q1\n\t" \
        load_weights " q3, [%[weights]], #" bytes "\n\t" \
        mac " %[b], q0, q2\n\t" \
        load_weights " q1, [%[weights]], #" bytes "\n\t" \
        mac " %[c], q0, q3\n\t" \
        mac " %[d], q0, q1\n\t" \
        "letp lr, 1b" \
        : [a] "+Te"(sums[0]), [b] "+Te"(sums[1]), [c] "+Te"(sums[2]), [d] "+Te"(sums[3]), \
          [vector] "+r"(vector), [weights] "+l"(weights) \
        : [values] "r"(values) \
        : "lr", "q0", "q1", "q2", "q3", "memory")
/* clang-format on */

/* The sums of one group: its four biases, then for every sixteen values sixteen weights of each
 * row, zeros behind the last. Returns where the weights end. */
EQ_KERNEL const int8_t *eq_four_rows_mve_s8(const int8_t *weights, const int8_t *vector,
                                            int32_t values, int32_t sums[4])
{
    memcpy(sums, weights, 4 * sizeof sums[0]);
    weights += 4 * sizeof sums[0];
    EQ_ROWS_MVE_LOOP("8", "vldrb.u8", "vldrb.u8", "16", "vmladava.s8");
    return weights;
}

/* The same of int16 values, eight at a time. */
EQ_KERNEL const int8_t *eq_four_rows_mve_s16(const int8_t *weights, const int16_t *vector,
                                             int32_t values, int32_t sums[4])
{
    memcpy(sums, weights, 4 * sizeof sums[0]);
    weights += 4 * sizeof sums[0];
    EQ_ROWS_MVE_LOOP("16", "vldrh.u16", "vldrb.s16", "8", "vmladava.s16");
    return weights;
}

#endif
