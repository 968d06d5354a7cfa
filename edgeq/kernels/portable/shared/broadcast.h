/* Walks over two tensors of which one or both may be spread along some axes; portable C. */
#ifndef EQ_BROADCAST_H
#define EQ_BROADCAST_H

#include "eq_base.h"

/* Axes that can be walked as one are merged by the host; sizes in front are 1. */
typedef struct {
    int32_t size[6];  /* of the output */
    int32_t step1[6]; /* elements of input 1 per step along the axis; 0 where it is spread */
    int32_t step2[6];
} eq_broadcast;

#define EQ_PAIR_LOOP(b, axis, i, j, i_start, j_start)                                              \
    for (int32_t eq_n##axis = 0, i = (i_start), j = (j_start); eq_n##axis < (b)->size[axis];       \
         eq_n##axis++, i += (b)->step1[axis], j += (b)->step2[axis])

/* How many rows of the last axis there are. */
EQ_KERNEL int32_t eq_pair_rows(const eq_broadcast *b)
{
    return b->size[0] * b->size[1] * b->size[2] * b->size[3] * b->size[4];
}

/* Runs the statement behind it once per row of the last axis, in order; `i` and `j` are the
 * positions of the first elements of input 1 and 2. */
#define EQ_FOR_PAIR_ROWS(b, i, j)                                                                  \
    EQ_PAIR_LOOP(b, 0, eq_i0, eq_j0, 0, 0)                                                         \
    EQ_PAIR_LOOP(b, 1, eq_i1, eq_j1, eq_i0, eq_j0)                                                 \
    EQ_PAIR_LOOP(b, 2, eq_i2, eq_j2, eq_i1, eq_j1)                                                 \
    EQ_PAIR_LOOP(b, 3, eq_i3, eq_j3, eq_i2, eq_j2)                                                 \
    EQ_PAIR_LOOP(b, 4, i, j, eq_i3, eq_j3)

/* Runs the statement behind it once per output element, in order; `i` and `j` are the positions
 * of the elements of input 1 and 2. */
#define EQ_FOR_PAIRS(b, i, j)                                                                      \
    EQ_FOR_PAIR_ROWS(b, eq_i4, eq_j4)                                                              \
    EQ_PAIR_LOOP(b, 5, i, j, eq_i4, eq_j4)

#endif
