/* What the DSP kernels for int4 weights share: the sum of the inputs that the offset 8 of half of
 * the weights is multiplied with. */
#ifndef EQ_INT4_DSP_H
#define EQ_INT4_DSP_H

#include "eq_base.h"

/* sum + 8 * both int16 values of a pair. */
EQ_KERNEL int32_t eq_add_eights(int32_t sum, uint32_t pair)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(pair), "r"(0x00080008u), "r"(sum));
    return result;
}

#endif
