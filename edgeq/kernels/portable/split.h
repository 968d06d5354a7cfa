/* SPLIT, SPLIT_V and UNPACK: chunks of the input to several outputs in turn, portable C. */
#ifndef EQ_SPLIT_H
#define EQ_SPLIT_H

#include "eq_base.h"

typedef struct {
    int32_t outputs;
    int32_t chunks; /* of every output */
} eq_split_params;

/* `chunk_bytes` holds the size of a chunk of each output. An output may lie in the input's memory
 * as far as no chunk is overwritten before it is read. */
EQ_KERNEL void eq_split(const eq_split_params *p, const void *input, const int32_t *chunk_bytes,
                        void *const *outputs)
{
    const uint8_t *from = (const uint8_t *)input;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        for (int32_t i = 0; i < p->outputs; i++) {
            uint8_t *to = (uint8_t *)outputs[i] + chunk * chunk_bytes[i];
            if (from != to) {
                memmove(to, from, (size_t)chunk_bytes[i]);
            }
            from += chunk_bytes[i];
        }
    }
}

#endif
