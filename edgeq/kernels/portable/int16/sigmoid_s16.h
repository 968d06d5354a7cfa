/* LOGISTIC and TANH, int16, portable C: linear interpolation in a table of the sigmoid's right half
 * (Q16, steps of 1/24); tanh(x) = 2 * sigmoid(2 * x) - 1. */
#ifndef EQ_SIGMOID_S16_H
#define EQ_SIGMOID_S16_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t multiplier; /* brings the input to steps of the table; below 2^16 */
    int32_t shift;      /* right shift behind it */
} eq_sigmoid_s16_params;

EQ_KERNEL int32_t eq_table_position(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t round = shift > 0 ? (int32_t)1 << (shift - 1) : 0;
    return (x * multiplier + round) >> shift;
}

/* Q3.12-like input, scaled; result in Q0.15. */
EQ_KERNEL int32_t eq_logistic_one_s16(const uint16_t *table, int32_t x, int32_t multiplier,
                                      int32_t shift)
{
    const int32_t position = eq_table_position(x, multiplier, shift);
    const uint32_t distance = (uint32_t)(position < 0 ? -position : position);
    const uint32_t index = distance >> 9;
    uint32_t result = (uint32_t)0x7FFF << 10;
    if (index < 255) {
        const uint32_t step = (uint32_t)table[index + 1] - table[index];
        result = ((uint32_t)table[index] << 9) + (distance & 0x1FF) * step;
    }
    result = position >= 0 ? result + (1 << 9) : ((uint32_t)1 << 25) - result + (1 << 9) - 1;
    return (int32_t)(result >> 10);
}

EQ_KERNEL int32_t eq_tanh_one_s16(const uint16_t *table, int32_t x, int32_t multiplier,
                                  int32_t shift)
{
    const int32_t position = eq_table_position(x, multiplier, shift);
    const uint32_t distance = (uint32_t)(position < 0 ? -position : position);
    const uint32_t index = distance >> 8;
    int32_t result = (int32_t)0xFFFF << 8;
    if (index < 255) {
        const uint32_t step = (uint32_t)table[index + 1] - table[index];
        result = (int32_t)(((uint32_t)table[index] << 8) + (distance & 0xFF) * step);
    }
    result = position >= 0 ? result - ((int32_t)1 << 23) + (1 << 7)
                           : ((int32_t)1 << 23) - result + (1 << 7) - 1;
    return result >> 8;
}

/* The output may be written over the input. */
EQ_KERNEL void eq_logistic_s16(const eq_sigmoid_s16_params *p, const int16_t *input,
                               const uint16_t *table, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int16_t)eq_logistic_one_s16(table, input[i], p->multiplier, p->shift);
    }
}

/* The output may be written over the input. */
EQ_KERNEL void eq_tanh_s16(const eq_sigmoid_s16_params *p, const int16_t *input,
                           const uint16_t *table, int16_t *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int16_t)eq_tanh_one_s16(table, input[i], p->multiplier, p->shift);
    }
}

#endif
