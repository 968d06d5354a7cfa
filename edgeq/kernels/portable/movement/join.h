/* CONCATENATION and PACK: chunks of several inputs in turn, portable C. */
#ifndef EQ_JOIN_H
#define EQ_JOIN_H

#include "eq_base.h"

typedef struct {
    int32_t inputs;
    int32_t chunks;          /* of every input */
    int32_t chunk_bytes[16]; /* of each input, where there are no more than these */
} eq_join_params;

/* An input may lie in the output's memory as far as no chunk is overwritten before it is read. */
EQ_KERNEL uint8_t *eq_join_chunk(uint8_t *to, const void *input, int32_t chunk, int32_t bytes)
{
    const uint8_t *from = (const uint8_t *)input + chunk * bytes;
    if (from != to) {
        memmove(to, from, (size_t)bytes);
    }
    return to + bytes;
}

/* Unrolled, so that the compiler knows how long each chunk is. */
EQ_KERNEL void eq_join(const eq_join_params *p, const void *const *inputs, void *output)
{
    uint8_t *to = (uint8_t *)output;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        EQ_UNROLL(16)
        for (int32_t i = 0; i < p->inputs; i++) {
            to = eq_join_chunk(to, inputs[i], chunk, p->chunk_bytes[i]);
        }
    }
}

/* Of any number of inputs. */
EQ_KERNEL void eq_join_many(const eq_join_params *p, const void *const *inputs,
                            const int32_t *chunk_bytes, void *output)
{
    uint8_t *to = (uint8_t *)output;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        for (int32_t i = 0; i < p->inputs; i++) {
            to = eq_join_chunk(to, inputs[i], chunk, chunk_bytes[i]);
        }
    }
}

#endif
