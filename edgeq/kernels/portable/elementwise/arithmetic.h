/* ADD, SUB, MUL, DIV, MAXIMUM, MINIMUM, SQUARED_DIFFERENCE, FLOOR_DIV and FLOOR_MOD of plain
 * numbers, with broadcasting; portable C. Integers wrap around; x / 0 is 0. */
#ifndef EQ_ARITHMETIC_H
#define EQ_ARITHMETIC_H

#include "eq_broadcast.h"

/* The fused activation of integers. */
typedef struct {
    eq_broadcast shape;
    int32_t activation_min, activation_max;
} eq_arithmetic_params;

typedef struct {
    eq_broadcast shape;
    float activation_min, activation_max;
} eq_arithmetic_f32_params;

/* The output may be written over an input that is not spread. */
#define EQ_ARITHMETIC(name, params_type, type, expression)                                         \
    EQ_KERNEL void eq_arithmetic_##name(const params_type *p, const type *input1,                  \
                                        const type *input2, type *output)                          \
    {                                                                                              \
        EQ_FOR_PAIRS(&p->shape, i, j)                                                              \
        {                                                                                          \
            const type a = input1[i];                                                              \
            const type b = input2[j];                                                              \
            *output++ = (expression);                                                              \
        }                                                                                          \
    }

#define EQ_ACTIVATION(x)                                                                           \
    ((x) < p->activation_min ? p->activation_min                                                   \
                             : ((x) > p->activation_max ? p->activation_max : (x)))

EQ_KERNEL int32_t eq_add_i32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

EQ_KERNEL int32_t eq_sub_i32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

EQ_KERNEL int32_t eq_mul_i32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a * (uint32_t)b);
}

EQ_KERNEL int32_t eq_div_i32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : (b == -1 ? eq_sub_i32(0, a) : a / b);
}

/* The remainder has the sign of the divisor. */
EQ_KERNEL int32_t eq_floor_mod_i32(int32_t a, int32_t b)
{
    const int32_t rest = b == 0 || b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

EQ_KERNEL int32_t eq_floor_div_i32(int32_t a, int32_t b)
{
    const int32_t quotient = eq_div_i32(a, b);
    return eq_floor_mod_i32(a, b) != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

EQ_ARITHMETIC(add_i32, eq_arithmetic_params, int32_t, EQ_ACTIVATION(eq_add_i32(a, b)))
EQ_ARITHMETIC(sub_i32, eq_arithmetic_params, int32_t, EQ_ACTIVATION(eq_sub_i32(a, b)))
EQ_ARITHMETIC(mul_i32, eq_arithmetic_params, int32_t, EQ_ACTIVATION(eq_mul_i32(a, b)))
EQ_ARITHMETIC(div_i32, eq_arithmetic_params, int32_t, EQ_ACTIVATION(eq_div_i32(a, b)))
EQ_ARITHMETIC(floor_div_i32, eq_arithmetic_params, int32_t, eq_floor_div_i32(a, b))
EQ_ARITHMETIC(floor_mod_i32, eq_arithmetic_params, int32_t, eq_floor_mod_i32(a, b))
EQ_ARITHMETIC(squared_difference_i32, eq_arithmetic_params, int32_t,
              eq_mul_i32(eq_sub_i32(a, b), eq_sub_i32(a, b)))

EQ_ARITHMETIC(add_i64, eq_arithmetic_params, int64_t, (int64_t)((uint64_t)a + (uint64_t)b))
EQ_ARITHMETIC(sub_i64, eq_arithmetic_params, int64_t, (int64_t)((uint64_t)a - (uint64_t)b))
EQ_ARITHMETIC(mul_i64, eq_arithmetic_params, int64_t, (int64_t)((uint64_t)a * (uint64_t)b))

EQ_ARITHMETIC(add_f32, eq_arithmetic_f32_params, float, EQ_ACTIVATION(a + b))
EQ_ARITHMETIC(sub_f32, eq_arithmetic_f32_params, float, EQ_ACTIVATION(a - b))
EQ_ARITHMETIC(mul_f32, eq_arithmetic_f32_params, float, EQ_ACTIVATION(a *b))
EQ_ARITHMETIC(div_f32, eq_arithmetic_f32_params, float, EQ_ACTIVATION(a / b))
EQ_ARITHMETIC(squared_difference_f32, eq_arithmetic_f32_params, float, (a - b) * (a - b))

EQ_ARITHMETIC(maximum_s8, eq_arithmetic_params, int8_t, a > b ? a : b)
EQ_ARITHMETIC(maximum_u8, eq_arithmetic_params, uint8_t, a > b ? a : b)
EQ_ARITHMETIC(maximum_s16, eq_arithmetic_params, int16_t, a > b ? a : b)
EQ_ARITHMETIC(maximum_i32, eq_arithmetic_params, int32_t, a > b ? a : b)
EQ_ARITHMETIC(maximum_i64, eq_arithmetic_params, int64_t, a > b ? a : b)
EQ_ARITHMETIC(maximum_f32, eq_arithmetic_f32_params, float, a > b ? a : b)
EQ_ARITHMETIC(minimum_s8, eq_arithmetic_params, int8_t, a < b ? a : b)
EQ_ARITHMETIC(minimum_u8, eq_arithmetic_params, uint8_t, a < b ? a : b)
EQ_ARITHMETIC(minimum_s16, eq_arithmetic_params, int16_t, a < b ? a : b)
EQ_ARITHMETIC(minimum_i32, eq_arithmetic_params, int32_t, a < b ? a : b)
EQ_ARITHMETIC(minimum_i64, eq_arithmetic_params, int64_t, a < b ? a : b)
EQ_ARITHMETIC(minimum_f32, eq_arithmetic_f32_params, float, a < b ? a : b)

#endif
