/* EMBEDDING_LOOKUP of int8 rows as floats, portable C. (Without conversion it is a GATHER.) */
#ifndef EQ_EMBEDDING_LOOKUP_H
#define EQ_EMBEDDING_LOOKUP_H

#include "eq_base.h"

typedef struct {
    int32_t lookups, rows, columns;
    float scale;
} eq_embedding_lookup_params;

/* An index outside the table is moved to its nearest end. */
EQ_KERNEL void eq_embedding_lookup_s8_f32(const eq_embedding_lookup_params *p,
                                          const int32_t *lookup, const int8_t *table, float *output)
{
    for (int32_t i = 0; i < p->lookups; i++) {
        const int8_t *row = table + eq_clamp(lookup[i], 0, p->rows - 1) * p->columns;
        for (int32_t c = 0; c < p->columns; c++) {
            *output++ = p->scale * (float)row[c];
        }
    }
}

#endif
