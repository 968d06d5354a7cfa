/* CONCATENATION and PACK: chunks of several inputs in turn, portable C. */
#ifndef EQ_JOIN_H
#define EQ_JOIN_H

#include "eq_base.h"

typedef struct {
    int32_t inputs;
    int32_t chunks; /* of every input */
} eq_join_params;

/* `chunk_bytes` holds the size of a chunk of each input. An input may lie in the output's memory
 * as far as no chunk is overwritten before it is read. */
EQ_KERNEL void eq_join(const eq_join_params *p, const void *const *inputs,
                       const int32_t *chunk_bytes, void *output)
{
    uint8_t *to = (uint8_t *)output;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        for (int32_t i = 0; i < p->inputs; i++) {
            const uint8_t *from = (const uint8_t *)inputs[i] + chunk * chunk_bytes[i];
            if (from != to) {
                memmove(to, from, (size_t)chunk_bytes[i]);
            }
            to += chunk_bytes[i];
        }
    }
}

#endif
