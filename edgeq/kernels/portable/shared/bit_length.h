/* How long a number is in bits. Portable C. */
#ifndef EQ_BIT_LENGTH_H
#define EQ_BIT_LENGTH_H

#include "eq_base.h"

/* The number of bits up to the highest that is set; x is not 0. */
EQ_KERNEL int32_t eq_bit_length_u32(uint32_t x)
{
#if defined(__GNUC__) && __SIZEOF_INT__ >= 4 /* the builtin takes an int */
    return 32 - __builtin_clz(x);
#else
    int32_t bits = 0;
    for (; x != 0; x >>= 1) {
        bits++;
    }
    return bits;
#endif
}

#endif
