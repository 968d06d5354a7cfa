/* SPLIT, SPLIT_V and UNPACK: chunks of the input to several outputs in turn, portable C. */
#ifndef EQ_SPLIT_H
#define EQ_SPLIT_H

#include "eq_base.h"

typedef struct {
    int32_t outputs;
    int32_t chunks;          /* of every output */
    int32_t chunk_bytes[16]; /* of each output, where there are no more than these */
} eq_split_params;

/* An output may lie in the input's memory as far as no chunk is overwritten before it is read. */
EQ_KERNEL const uint8_t *eq_split_chunk(const uint8_t *from, void *output, int32_t chunk,
                                        int32_t bytes)
{
    uint8_t *to = (uint8_t *)output + chunk * bytes;
    if (from != to) {
        memmove(to, from, (size_t)bytes);
    }
    return from + bytes;
}

/* Unrolled, so that the compiler knows how long each chunk is. */
EQ_KERNEL void eq_split(const eq_split_params *p, const void *input, void *const *outputs)
{
    const uint8_t *from = (const uint8_t *)input;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        EQ_UNROLL(16)
        for (int32_t i = 0; i < p->outputs; i++) {
            from = eq_split_chunk(from, outputs[i], chunk, p->chunk_bytes[i]);
        }
    }
}

/* To any number of outputs. */
EQ_KERNEL void eq_split_many(const eq_split_params *p, const void *input,
                             const int32_t *chunk_bytes, void *const *outputs)
{
    const uint8_t *from = (const uint8_t *)input;
    for (int32_t chunk = 0; chunk < p->chunks; chunk++) {
        for (int32_t i = 0; i < p->outputs; i++) {
            from = eq_split_chunk(from, outputs[i], chunk, chunk_bytes[i]);
        }
    }
}

#endif
