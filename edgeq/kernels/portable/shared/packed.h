/* Weights of few values: 4-bit codes, two to a byte, the low half first. */
#ifndef EQ_PACKED_H
#define EQ_PACKED_H

#include "eq_base.h"

/* Weight number `index` of a row; `values` holds what the sixteen codes mean. */
EQ_KERNEL int32_t eq_packed_weight(const uint8_t *codes, const int8_t *values, int32_t index)
{
    const int32_t both = codes[index >> 1];
    return values[(index & 1) != 0 ? both >> 4 : both & 0xF];
}

/* `count` weights as bytes, filled up to an even number. */
EQ_KERNEL void eq_unpack(const uint8_t *codes, const int8_t *values, int32_t count, int8_t *weights)
{
    for (int32_t i = 0; i < count; i += 2) {
        const int32_t both = *codes++;
        weights[i] = values[both & 0xF];
        weights[i + 1] = values[both >> 4];
    }
}

#endif
