/* CIRCULAR_BUFFER, portable C: the last slots of a stream, the oldest first. */
#ifndef EQ_CIRCULAR_BUFFER_H
#define EQ_CIRCULAR_BUFFER_H

#include "eq_base.h"

typedef struct {
    int32_t size;  /* bytes of all slots */
    int32_t depth; /* bytes of one slot */
} eq_circular_buffer_params;

EQ_KERNEL void eq_circular_buffer(const eq_circular_buffer_params *p, const int8_t *input,
                                  int8_t *state, int8_t *output)
{
    const int32_t rest = p->size - p->depth;
    memmove(state, state + p->depth, (size_t)rest);
    memcpy(state + rest, input, (size_t)p->depth);
    memcpy(output, state, (size_t)p->size);
}

#endif
