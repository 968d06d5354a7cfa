/* Ops of one byte, for hosts: a table of 256 results, many values at a time. */
#ifndef EQ_LOOKUP_HOST_H
#define EQ_LOOKUP_HOST_H

#include "eq_share_host.h"
#include "eq_simd.h"
#include "eq_lookup.h"

/* `table[x]` is the result for the byte x, be it signed or not. The output may be written over
 * the input. */
EQ_KERNEL void eq_lookup_host_s8_share(const eq_lookup_params *p, const eq_share share,
                                       const void *input, const int8_t *table, void *output)
{
    const eq_range range = eq_share_of(p->size, 64, share);
    eq_look_up((const uint8_t *)input + range.begin, table, (int8_t *)output + range.begin,
               range.end - range.begin);
}

EQ_KERNEL void eq_lookup_host_s8(const eq_lookup_params *p, const void *input, const int8_t *table,
                                 void *output)
{
    eq_lookup_host_s8_share(p, eq_whole_share(0), input, table, output);
}

#endif
