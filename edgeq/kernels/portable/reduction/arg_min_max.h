/* ARG_MAX and ARG_MIN: the first index of the largest or smallest value, portable C. */
#ifndef EQ_ARG_MIN_MAX_H
#define EQ_ARG_MIN_MAX_H

#include "eq_base.h"

typedef struct {
    int32_t outer, axis_size, inner;
} eq_arg_min_max_params;

#define EQ_ARG(name, type, index_type, is_better)                                                  \
    EQ_KERNEL void eq_##name(const eq_arg_min_max_params *p, const type *input,                    \
                             index_type *output)                                                   \
    {                                                                                              \
        for (int32_t o = 0; o < p->outer; o++) {                                                   \
            for (int32_t i = 0; i < p->inner; i++) {                                               \
                type best = input[i];                                                              \
                index_type index = 0;                                                              \
                for (int32_t a = 1; a < p->axis_size; a++) {                                       \
                    const type x = input[a * p->inner + i];                                        \
                    if (is_better) {                                                               \
                        best = x;                                                                  \
                        index = (index_type)a;                                                     \
                    }                                                                              \
                }                                                                                  \
                *output++ = index;                                                                 \
            }                                                                                      \
            input += p->axis_size * p->inner;                                                      \
        }                                                                                          \
    }

/* With 64-bit indices, as in LiteRT, what is no number is worse than any number; with 32-bit ones,
 * as in TensorFlow Lite Micro, it wins where it comes first. */
#define EQ_IS_NAN(x) (!((x) <= 0.0f) && !((x) >= 0.0f))

EQ_ARG(arg_max_s8_i32, int8_t, int32_t, x > best)
EQ_ARG(arg_max_s8_i64, int8_t, int64_t, x > best)
EQ_ARG(arg_min_s8_i32, int8_t, int32_t, x < best)
EQ_ARG(arg_min_s8_i64, int8_t, int64_t, x < best)

EQ_ARG(arg_max_u8_i32, uint8_t, int32_t, x > best)
EQ_ARG(arg_max_u8_i64, uint8_t, int64_t, x > best)
EQ_ARG(arg_min_u8_i32, uint8_t, int32_t, x < best)
EQ_ARG(arg_min_u8_i64, uint8_t, int64_t, x < best)

EQ_ARG(arg_max_s16_i32, int16_t, int32_t, x > best)
EQ_ARG(arg_max_s16_i64, int16_t, int64_t, x > best)
EQ_ARG(arg_min_s16_i32, int16_t, int32_t, x < best)
EQ_ARG(arg_min_s16_i64, int16_t, int64_t, x < best)

EQ_ARG(arg_max_i32_i32, int32_t, int32_t, x > best)
EQ_ARG(arg_max_i32_i64, int32_t, int64_t, x > best)
EQ_ARG(arg_min_i32_i32, int32_t, int32_t, x < best)
EQ_ARG(arg_min_i32_i64, int32_t, int64_t, x < best)

EQ_ARG(arg_max_f32_i32, float, int32_t, x > best)
EQ_ARG(arg_max_f32_i64, float, int64_t, !(x <= best) && !EQ_IS_NAN(x))
EQ_ARG(arg_min_f32_i32, float, int32_t, x < best)
EQ_ARG(arg_min_f32_i64, float, int64_t, !(x >= best) && !EQ_IS_NAN(x))

#endif
