/* CAST, portable C. Floats outside an integer's range become its end, and NaN becomes 0. */
#ifndef EQ_CAST_H
#define EQ_CAST_H

#include "eq_base.h"

typedef struct {
    int32_t size;
} eq_cast_params;

EQ_KERNEL int32_t eq_to_int32(float x)
{
    if (x >= 2147483648.0f) {
        return INT32_MAX;
    }
    if (x <= -2147483648.0f) {
        return INT32_MIN;
    }
    return x == x ? (int32_t)x : 0;
}

EQ_KERNEL uint32_t eq_to_uint32(float x)
{
    if (x >= 4294967296.0f) {
        return UINT32_MAX;
    }
    return x > 0.0f ? (uint32_t)x : 0;
}

EQ_KERNEL int64_t eq_to_int64(float x)
{
    if (x >= 9223372036854775808.0f) {
        return INT64_MAX;
    }
    if (x <= -9223372036854775808.0f) {
        return INT64_MIN;
    }
    return x == x ? (int64_t)x : 0;
}

/* The output may be written over the input where its elements are no larger. */
#define EQ_CAST(suffix, from, to, expression)                                                      \
    EQ_KERNEL void eq_cast_##suffix(const eq_cast_params *p, const from *input, to *output)        \
    {                                                                                              \
        for (int32_t i = 0; i < p->size; i++) {                                                    \
            const from x = input[i];                                                               \
            output[i] = (expression);                                                              \
        }                                                                                          \
    }

EQ_CAST(s8_u8, int8_t, uint8_t, (uint8_t)x)
EQ_CAST(s8_s16, int8_t, int16_t, (int16_t)x)
EQ_CAST(s8_i32, int8_t, int32_t, (int32_t)x)
EQ_CAST(s8_u32, int8_t, uint32_t, (uint32_t)x)
EQ_CAST(s8_i64, int8_t, int64_t, (int64_t)x)
EQ_CAST(s8_f32, int8_t, float, (float)x)
EQ_CAST(s8_b, int8_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(u8_s8, uint8_t, int8_t, (int8_t)x)
EQ_CAST(u8_s16, uint8_t, int16_t, (int16_t)x)
EQ_CAST(u8_i32, uint8_t, int32_t, (int32_t)x)
EQ_CAST(u8_u32, uint8_t, uint32_t, (uint32_t)x)
EQ_CAST(u8_i64, uint8_t, int64_t, (int64_t)x)
EQ_CAST(u8_f32, uint8_t, float, (float)x)
EQ_CAST(u8_b, uint8_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(s16_s8, int16_t, int8_t, (int8_t)x)
EQ_CAST(s16_u8, int16_t, uint8_t, (uint8_t)x)
EQ_CAST(s16_i32, int16_t, int32_t, (int32_t)x)
EQ_CAST(s16_u32, int16_t, uint32_t, (uint32_t)x)
EQ_CAST(s16_i64, int16_t, int64_t, (int64_t)x)
EQ_CAST(s16_f32, int16_t, float, (float)x)
EQ_CAST(s16_b, int16_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(i32_s8, int32_t, int8_t, (int8_t)x)
EQ_CAST(i32_u8, int32_t, uint8_t, (uint8_t)x)
EQ_CAST(i32_s16, int32_t, int16_t, (int16_t)x)
EQ_CAST(i32_u32, int32_t, uint32_t, (uint32_t)x)
EQ_CAST(i32_i64, int32_t, int64_t, (int64_t)x)
EQ_CAST(i32_f32, int32_t, float, (float)x)
EQ_CAST(i32_b, int32_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(u32_s8, uint32_t, int8_t, (int8_t)x)
EQ_CAST(u32_u8, uint32_t, uint8_t, (uint8_t)x)
EQ_CAST(u32_s16, uint32_t, int16_t, (int16_t)x)
EQ_CAST(u32_i32, uint32_t, int32_t, (int32_t)x)
EQ_CAST(u32_i64, uint32_t, int64_t, (int64_t)x)
EQ_CAST(u32_f32, uint32_t, float, (float)x)
EQ_CAST(u32_b, uint32_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(i64_s8, int64_t, int8_t, (int8_t)x)
EQ_CAST(i64_u8, int64_t, uint8_t, (uint8_t)x)
EQ_CAST(i64_s16, int64_t, int16_t, (int16_t)x)
EQ_CAST(i64_i32, int64_t, int32_t, (int32_t)x)
EQ_CAST(i64_u32, int64_t, uint32_t, (uint32_t)x)
EQ_CAST(i64_f32, int64_t, float, (float)x)
EQ_CAST(i64_b, int64_t, uint8_t, (uint8_t)(x != 0))

EQ_CAST(f32_s8, float, int8_t, (int8_t)eq_clamp(eq_to_int32(x), INT8_MIN, INT8_MAX))
EQ_CAST(f32_u8, float, uint8_t, (uint8_t)eq_clamp(eq_to_int32(x), 0, UINT8_MAX))
EQ_CAST(f32_s16, float, int16_t, (int16_t)eq_clamp(eq_to_int32(x), INT16_MIN, INT16_MAX))
EQ_CAST(f32_i32, float, int32_t, (int32_t)eq_to_int32(x))
EQ_CAST(f32_u32, float, uint32_t, eq_to_uint32(x))
EQ_CAST(f32_i64, float, int64_t, (int64_t)eq_to_int64(x))
EQ_CAST(f32_b, float, uint8_t, (uint8_t)(x != 0.0f))

EQ_CAST(b_s8, uint8_t, int8_t, (int8_t)x)
EQ_CAST(b_u8, uint8_t, uint8_t, (uint8_t)x)
EQ_CAST(b_s16, uint8_t, int16_t, (int16_t)x)
EQ_CAST(b_i32, uint8_t, int32_t, (int32_t)x)
EQ_CAST(b_u32, uint8_t, uint32_t, (uint32_t)x)
EQ_CAST(b_i64, uint8_t, int64_t, (int64_t)x)
EQ_CAST(b_f32, uint8_t, float, (float)x)

#endif
