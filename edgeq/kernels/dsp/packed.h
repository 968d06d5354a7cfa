/* What the DSP kernels for 4-bit weights share: the sum of inputs that int4 needs, and the table of
 * pairs that clustered weights are looked up in. */
#ifndef EQ_PACKED_DSP_H
#define EQ_PACKED_DSP_H

#include "eq_base.h"

/* sum + 8 * both int16 values of a pair. */
EQ_KERNEL int32_t eq_add_eights(int32_t sum, uint32_t pair)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(pair), "r"(0x00080008u), "r"(sum));
    return result;
}

/* Entries of a table of pairs. */
#define EQ_PACKED_PAIRS 256

/* What two codes in a byte mean, as a pair of int16; `values` is what one code means. */
static EQ_NOINLINE EQ_UNUSED void eq_make_pairs(const int8_t *values, eq_word *pairs)
{
    for (int32_t high = 0; high < 16; high++) {
        const uint32_t upper = (uint32_t)values[high] << 16;
        for (int32_t low = 0; low < 16; low++) {
            *pairs++ = upper | (uint16_t)values[low];
        }
    }
}

#endif
