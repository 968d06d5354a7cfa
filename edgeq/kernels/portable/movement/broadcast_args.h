/* BROADCAST_ARGS: the shape that two shapes spread to, portable C. */
#ifndef EQ_BROADCAST_ARGS_H
#define EQ_BROADCAST_ARGS_H

#include "eq_base.h"

typedef struct {
    int32_t rank1, rank2, rank; /* rank is the larger one */
} eq_broadcast_args_params;

/* Shapes that do not fit take the first one's axis. */
#define EQ_BROADCAST_ARGS(suffix, type)                                                            \
    EQ_KERNEL void eq_broadcast_args_##suffix(                                                     \
        const eq_broadcast_args_params *p, const type *shape1, const type *shape2, type *output)   \
    {                                                                                              \
        for (int32_t i = 0; i < p->rank; i++) {                                                    \
            const int32_t axis1 = i - (p->rank - p->rank1);                                        \
            const int32_t axis2 = i - (p->rank - p->rank2);                                        \
            const type size1 = axis1 < 0 ? 1 : shape1[axis1];                                      \
            const type size2 = axis2 < 0 ? 1 : shape2[axis2];                                      \
            output[i] = size1 == 1 ? size2 : size1;                                                \
        }                                                                                          \
    }

EQ_BROADCAST_ARGS(i32, int32_t)
EQ_BROADCAST_ARGS(i64, int64_t)

#endif
