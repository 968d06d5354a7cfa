/* SOFTMAX, int8, for cores with the DSP extension: the steps of eq_softmax.h, with the largest
 * value found four at a time, the leading zeros counted by one instruction, and no products of 64
 * bits but in the reciprocal.
 */
#ifndef EQ_SOFTMAX_DSP_H
#define EQ_SOFTMAX_DSP_H

#include "eq_requantize_dsp.h"
#include "eq_softmax.h"

/* The largest of each byte. */
EQ_KERNEL uint32_t eq_largest_bytes(uint32_t a, uint32_t b)
{
    uint32_t unused;
    uint32_t result;
    __asm__("ssub8 %1, %2, %3\n\t"
            "sel %0, %2, %3"
            : "=r"(result), "=&r"(unused)
            : "r"(a), "r"(b));
    return result;
}

EQ_KERNEL int32_t eq_largest_s8_dsp(const int8_t *input, int32_t count)
{
    uint32_t most = 0x80808080u;
    int32_t c = 0;
    for (; c < (count & ~3); c += 4) {
        uint32_t four;
        memcpy(&four, input + c, 4);
        most = eq_largest_bytes(most, four);
    }
    for (; c < count; c++) {
        most = eq_largest_bytes(most, 0x80808000u | (uint8_t)input[c]);
    }
    most = eq_largest_bytes(most, most >> 16 | most << 16);
    most = eq_largest_bytes(most, most >> 8 | most << 24);
    return (int8_t)(uint8_t)most;
}

EQ_KERNEL int32_t eq_leading_zeros(uint32_t x)
{
    int32_t zeros;
    __asm__("clz %0, %1" : "=r"(zeros) : "r"(x));
    return zeros;
}

/* exp() of a difference that may lie behind the table's end. */
EQ_KERNEL int32_t eq_softmax_exp_dsp(const eq_softmax_params *p, const int32_t *exp_table,
                                     int32_t difference)
{
    return p->table_size > 255 || difference < p->table_size ? exp_table[difference] : 0;
}

/* Rows are shorter than 8192, so that the sum in Q13.19 cannot overflow. */
EQ_KERNEL void eq_softmax_dsp_s8(const eq_softmax_params *p, const int8_t *input,
                                 const int32_t *exp_table, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        const int32_t max = eq_largest_s8_dsp(input, p->depth);
        uint32_t sum = 0;
        for (int32_t c = 0; c < p->depth; c++) {
            sum += ((uint32_t)eq_softmax_exp_dsp(p, exp_table, max - input[c]) + (1u << 11)) >> 12;
        }
        const int32_t headroom = eq_leading_zeros(sum);
        const int32_t reciprocal =
            eq_one_over_one_plus_x((int32_t)((sum << headroom) - 0x80000000u));
        int32_t exponent = 12 - headroom + 31 - 8;
        uint32_t half = (uint32_t)1 << ((exponent - 1) & 31);
        const int32_t doubled = (int32_t)((uint32_t)reciprocal << 1);
        if (exponent > 31) {
            /* From a sum of 512 on, even the largest result rounds to 0; TFLM stops there. */
            exponent = 31;
            half = 0;
        }
        for (int32_t c = 0; c < p->depth; c++) {
            const int32_t exp = eq_softmax_exp_dsp(p, exp_table, max - input[c]);
            int32_t product;
            __asm__("smmlar %0, %1, %2, %1" : "=r"(product) : "r"(exp), "r"(doubled));
            const int32_t value = (int32_t)(((uint32_t)product + half) >> exponent);
            output[c] = (int8_t)eq_saturate_8(value + INT8_MIN);
        }
        input += p->depth;
        output += p->depth;
    }
}

#endif
