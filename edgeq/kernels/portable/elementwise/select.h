/* SELECT and SELECT_V2 with broadcasting, of elements of any size; portable C. */
#ifndef EQ_SELECT_H
#define EQ_SELECT_H

#include "eq_base.h"

/* Axes that can be walked as one are merged by the host; sizes in front are 1. */
typedef struct {
    int32_t size[6]; /* of the output */
    int32_t condition_step[6];
    int32_t step1[6], step2[6]; /* elements per step along the axis; 0 where it is spread */
} eq_select_params;

#define EQ_SELECT_LOOP(axis, c, i, j, c_start, i_start, j_start)                                   \
    for (int32_t eq_n##axis = 0, c = (c_start), i = (i_start), j = (j_start);                      \
         eq_n##axis < p->size[axis];                                                               \
         eq_n##axis++, c += p->condition_step[axis], i += p->step1[axis], j += p->step2[axis])

/* The output may be written over an input that is not spread. */
#define EQ_SELECT(bits)                                                                            \
    EQ_KERNEL void eq_select_##bits(const eq_select_params *p, const uint8_t *condition,           \
                                    const void *input1, const void *input2, void *output)          \
    {                                                                                              \
        const uint##bits##_t *x = (const uint##bits##_t *)input1;                                  \
        const uint##bits##_t *y = (const uint##bits##_t *)input2;                                  \
        uint##bits##_t *to = (uint##bits##_t *)output;                                             \
        EQ_SELECT_LOOP(0, c0, i0, j0, 0, 0, 0)                                                     \
        EQ_SELECT_LOOP(1, c1, i1, j1, c0, i0, j0)                                                  \
        EQ_SELECT_LOOP(2, c2, i2, j2, c1, i1, j1)                                                  \
        EQ_SELECT_LOOP(3, c3, i3, j3, c2, i2, j2)                                                  \
        EQ_SELECT_LOOP(4, c4, i4, j4, c3, i3, j3)                                                  \
        EQ_SELECT_LOOP(5, c, i, j, c4, i4, j4)                                                     \
        {                                                                                          \
            *to++ = condition[c] ? x[i] : y[j];                                                    \
        }                                                                                          \
    }

EQ_SELECT(8)
EQ_SELECT(16)
EQ_SELECT(32)
EQ_SELECT(64)

#endif
