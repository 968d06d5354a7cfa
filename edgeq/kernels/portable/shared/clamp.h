/* RELU6 of int16, which TFLM clamps without rescaling; portable C. */
#ifndef EQ_CLAMP_H
#define EQ_CLAMP_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t low, high;
} eq_clamp_params;

/* The output may be written over the input. */
EQ_KERNEL void eq_clamp_s16(const eq_clamp_params *p, const int16_t *input, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int16_t)eq_clamp(input[i], p->low, p->high);
    }
}

#endif
