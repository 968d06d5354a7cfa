/* Ops of one byte: the host computes all 256 results. Portable C. */
#ifndef EQ_LOOKUP_H
#define EQ_LOOKUP_H

#include "eq_base.h"

typedef struct {
    int32_t size;
} eq_lookup_params;

/* `table[x]` is the result for the byte x, be it signed or not. The output may be written over
 * the input. */
EQ_KERNEL void eq_lookup_s8(const eq_lookup_params *p, const void *input, const int8_t *table,
                            void *output)
{
    const uint8_t *from = (const uint8_t *)input;
    int8_t *to = (int8_t *)output;
    for (int32_t i = 0; i < p->size; i++) {
        to[i] = table[from[i]];
    }
}

#endif
