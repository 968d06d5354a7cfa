/* LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT, portable C. */
#ifndef EQ_LOGICAL_H
#define EQ_LOGICAL_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape;
} eq_logical_params;

typedef struct {
    int32_t size;
} eq_logical_not_params;

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_logical_and(const eq_logical_params *p, const uint8_t *input1,
                              const uint8_t *input2, uint8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (uint8_t)(input1[i] && input2[j]);
    }
}

EQ_KERNEL void eq_logical_or(const eq_logical_params *p, const uint8_t *input1,
                             const uint8_t *input2, uint8_t *output)
{
    EQ_FOR_PAIRS(&p->shape, i, j)
    {
        *output++ = (uint8_t)(input1[i] || input2[j]);
    }
}

EQ_KERNEL void eq_logical_not(const eq_logical_not_params *p, const uint8_t *input, uint8_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (uint8_t)!input[i];
    }
}

#endif
