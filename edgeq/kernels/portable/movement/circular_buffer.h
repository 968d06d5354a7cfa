/* CIRCULAR_BUFFER, portable C: the last slots of a stream, the oldest first. */
#ifndef EQ_CIRCULAR_BUFFER_H
#define EQ_CIRCULAR_BUFFER_H

#include "eq_base.h"

typedef struct {
    int32_t size;   /* bytes of all slots */
    int32_t depth;  /* bytes of one slot */
    int32_t cycles; /* the call in which the ops behind run, of so many */
    int32_t fill;   /* the byte that all of the state is at first */
} eq_circular_buffer_params;

EQ_KERNEL void eq_circular_buffer(const eq_circular_buffer_params *p, const int8_t *input,
                                  int8_t *state, int8_t *output)
{
    const int32_t rest = p->size - p->depth;
    memmove(state, state + p->depth, (size_t)rest);
    memcpy(state + rest, input, (size_t)p->depth);
    memcpy(output, state, (size_t)p->size);
}

/* `run` says whether the ops behind are to run in this call. The state ends in a count of calls,
 * which starts from its fill. */
EQ_KERNEL void eq_circular_buffer_cycles(const eq_circular_buffer_params *p, const int8_t *input,
                                         int8_t *state, int8_t *output, uint8_t *run)
{
    eq_circular_buffer(p, input, state, output);
    uint8_t *const count = (uint8_t *)(state + p->size);
    const int32_t calls = ((*count - p->fill) & 255) + 1;
    *run = (uint8_t)(calls == p->cycles);
    *count = (uint8_t)(*run ? p->fill : *count + 1);
}

#endif
