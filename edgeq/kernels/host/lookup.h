/* Ops of one byte, for hosts: a table of 256 results, many values at a time. */
#ifndef EQ_LOOKUP_HOST_H
#define EQ_LOOKUP_HOST_H

#include "eq_simd.h"
#include "eq_lookup.h"

/* `table[x]` is the result for the byte x, be it signed or not. The output may be written over
 * the input. */
EQ_KERNEL void eq_lookup_host_s8(const eq_lookup_params *p, const void *input, const int8_t *table,
                                 void *output)
{
    eq_look_up((const uint8_t *)input, table, (int8_t *)output, p->size);
}

#endif
