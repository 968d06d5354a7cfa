/* SIGN of int32, portable C. (Of float32 it is in float_unary.h.) */
#ifndef EQ_SIGN_H
#define EQ_SIGN_H

#include "eq_base.h"

typedef struct {
    int32_t size;
} eq_sign_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_sign_i32(const eq_sign_params *p, const int32_t *input, int32_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (input[i] > 0) - (input[i] < 0);
    }
}

#endif
