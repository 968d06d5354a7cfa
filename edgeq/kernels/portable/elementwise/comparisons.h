/* EQUAL, NOT_EQUAL, GREATER, GREATER_EQUAL, LESS and LESS_EQUAL with broadcasting, portable C.
 * Quantized values are brought to one scale first where the reference does. */
#ifndef EQ_COMPARISONS_H
#define EQ_COMPARISONS_H

#include "eq_broadcast.h"

typedef struct {
    eq_broadcast shape;
} eq_comparison_params;

typedef struct {
    eq_broadcast shape;
    int32_t input1_offset, input1_multiplier, input1_shift;
    int32_t input2_offset, input2_multiplier, input2_shift;
} eq_scaled_comparison_params;

/* The output may be written over an input that is not spread. */
#define EQ_COMPARISON(name, type, expression)                                                      \
    EQ_KERNEL void eq_##name(const eq_comparison_params *p, const type *input1,                    \
                             const type *input2, uint8_t *output)                                  \
    {                                                                                              \
        EQ_FOR_PAIRS(&p->shape, i, j)                                                              \
        {                                                                                          \
            const type a = input1[i];                                                              \
            const type b = input2[j];                                                              \
            *output++ = (uint8_t)(expression);                                                     \
        }                                                                                          \
    }

#define EQ_SCALED_COMPARISON(name, type, expression)                                               \
    EQ_KERNEL void eq_##name(const eq_scaled_comparison_params *p, const type *input1,             \
                             const type *input2, uint8_t *output)                                  \
    {                                                                                              \
        EQ_FOR_PAIRS(&p->shape, i, j)                                                              \
        {                                                                                          \
            const int32_t a = eq_multiply_by_quantized_multiplier(                                 \
                (input1[i] + p->input1_offset) * 256, p->input1_multiplier, p->input1_shift);      \
            const int32_t b = eq_multiply_by_quantized_multiplier(                                 \
                (input2[j] + p->input2_offset) * 256, p->input2_multiplier, p->input2_shift);      \
            *output++ = (uint8_t)(expression);                                                     \
        }                                                                                          \
    }

EQ_COMPARISON(equal_b, uint8_t, a == b)
EQ_COMPARISON(not_equal_b, uint8_t, a != b)
EQ_COMPARISON(greater_b, uint8_t, a > b)
EQ_COMPARISON(greater_equal_b, uint8_t, a >= b)
EQ_COMPARISON(less_b, uint8_t, a < b)
EQ_COMPARISON(less_equal_b, uint8_t, a <= b)

EQ_COMPARISON(equal_s16, int16_t, a == b)
EQ_COMPARISON(not_equal_s16, int16_t, a != b)
EQ_COMPARISON(greater_s16, int16_t, a > b)
EQ_COMPARISON(greater_equal_s16, int16_t, a >= b)
EQ_COMPARISON(less_s16, int16_t, a < b)
EQ_COMPARISON(less_equal_s16, int16_t, a <= b)

EQ_COMPARISON(equal_i32, int32_t, a == b)
EQ_COMPARISON(not_equal_i32, int32_t, a != b)
EQ_COMPARISON(greater_i32, int32_t, a > b)
EQ_COMPARISON(greater_equal_i32, int32_t, a >= b)
EQ_COMPARISON(less_i32, int32_t, a < b)
EQ_COMPARISON(less_equal_i32, int32_t, a <= b)

EQ_COMPARISON(equal_i64, int64_t, a == b)
EQ_COMPARISON(not_equal_i64, int64_t, a != b)
EQ_COMPARISON(greater_i64, int64_t, a > b)
EQ_COMPARISON(greater_equal_i64, int64_t, a >= b)
EQ_COMPARISON(less_i64, int64_t, a < b)
EQ_COMPARISON(less_equal_i64, int64_t, a <= b)

EQ_COMPARISON(equal_f32, float, a == b)
EQ_COMPARISON(not_equal_f32, float, a != b)
EQ_COMPARISON(greater_f32, float, a > b)
EQ_COMPARISON(greater_equal_f32, float, a >= b)
EQ_COMPARISON(less_f32, float, a < b)
EQ_COMPARISON(less_equal_f32, float, a <= b)

EQ_SCALED_COMPARISON(scaled_equal_s8, int8_t, a == b)
EQ_SCALED_COMPARISON(scaled_not_equal_s8, int8_t, a != b)
EQ_SCALED_COMPARISON(scaled_greater_s8, int8_t, a > b)
EQ_SCALED_COMPARISON(scaled_greater_equal_s8, int8_t, a >= b)
EQ_SCALED_COMPARISON(scaled_less_s8, int8_t, a < b)
EQ_SCALED_COMPARISON(scaled_less_equal_s8, int8_t, a <= b)

EQ_SCALED_COMPARISON(scaled_equal_s16, int16_t, a == b)
EQ_SCALED_COMPARISON(scaled_not_equal_s16, int16_t, a != b)

#endif
