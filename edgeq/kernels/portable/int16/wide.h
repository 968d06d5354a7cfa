/* 64-bit accumulators, as the int16 kernels have them. */
#ifndef EQ_WIDE_H
#define EQ_WIDE_H

#include "eq_base.h"

/* Source: TFLite MultiplyByQuantizedMultiplier for int64_t; |acc| < 2^47, proven by the host. */
EQ_WIDE int32_t eq_requantize_wide(int64_t acc, const eq_requant_wide *q, int32_t output_offset,
                                   int32_t activation_min, int32_t activation_max)
{
    const int64_t scaled = (acc * q->multiplier + ((int64_t)1 << (q->shift - 1))) >> q->shift;
    return eq_clamp((int32_t)scaled + output_offset, activation_min, activation_max);
}

#endif
