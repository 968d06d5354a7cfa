/* MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ALL and REDUCE_ANY over any axes, portable C. */
#ifndef EQ_REDUCE_H
#define EQ_REDUCE_H

#include "eq_float.h"

/* Up to four loops over what stays and four over what is reduced; sizes in front are 1. */
typedef struct {
    int32_t kept_size[4], kept_step[4]; /* steps in elements */
    int32_t reduced_size[4], reduced_step[4];
} eq_reduce_shape;

typedef struct {
    eq_reduce_shape shape;
} eq_reduce_params;

typedef struct {
    eq_reduce_shape shape;
    int32_t total_offset; /* minus input zero point times the number of elements in a sum */
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_reduce_sum_params;

typedef struct {
    eq_reduce_shape shape;
    float divisor;
} eq_reduce_sum_f32_params;

#define EQ_REDUCE_LOOP(sizes, steps, axis, i, start)                                               \
    for (int32_t eq_n_##i = 0, i = (start); eq_n_##i < (sizes)[axis];                              \
         eq_n_##i++, i += (steps)[axis])

/* Runs the statement behind it once per output element, in order; `i` is where its inputs start. */
#define EQ_FOR_KEPT(s, i)                                                                          \
    EQ_REDUCE_LOOP((s)->kept_size, (s)->kept_step, 0, eq_k0, 0)                                    \
    EQ_REDUCE_LOOP((s)->kept_size, (s)->kept_step, 1, eq_k1, eq_k0)                                \
    EQ_REDUCE_LOOP((s)->kept_size, (s)->kept_step, 2, eq_k2, eq_k1)                                \
    EQ_REDUCE_LOOP((s)->kept_size, (s)->kept_step, 3, i, eq_k2)

/* Runs the statement behind it for every input `j` of the output whose inputs start at `i`. */
#define EQ_FOR_REDUCED(s, i, j)                                                                    \
    EQ_REDUCE_LOOP((s)->reduced_size, (s)->reduced_step, 0, eq_r0, i)                              \
    EQ_REDUCE_LOOP((s)->reduced_size, (s)->reduced_step, 1, eq_r1, eq_r0)                          \
    EQ_REDUCE_LOOP((s)->reduced_size, (s)->reduced_step, 2, eq_r2, eq_r1)                          \
    EQ_REDUCE_LOOP((s)->reduced_size, (s)->reduced_step, 3, j, eq_r2)

/* Where input and output may overlap depends on the axes; the host works it out. Totals wrap
 * around, as the reference's do. */
#define EQ_REDUCE_SUM(suffix, type)                                                                \
    EQ_KERNEL void eq_reduce_sum_##suffix(const eq_reduce_sum_params *p, const type *input,        \
                                          type *output)                                            \
    {                                                                                              \
        EQ_FOR_KEPT(&p->shape, i)                                                                  \
        {                                                                                          \
            uint32_t total = (uint32_t)p->total_offset;                                            \
            EQ_FOR_REDUCED(&p->shape, i, j)                                                        \
            {                                                                                      \
                const int32_t x = input[j];                                                        \
                total += (uint32_t)x;                                                              \
            }                                                                                      \
            const int32_t y = eq_multiply_by_quantized_multiplier(                                 \
                                  (int32_t)total, p->output_multiplier, p->output_shift) +         \
                              p->output_offset;                                                    \
            *output++ = (type)eq_clamp(y, p->activation_min, p->activation_max);                   \
        }                                                                                          \
    }

/* `best` is the value so far and `x` the next one. Floats start from a number, so that NaN is
 * passed over, as in the reference. */
#define EQ_REDUCE(name, type, start, expression)                                                   \
    EQ_KERNEL void eq_reduce_##name(const eq_reduce_params *p, const type *input, type *output)    \
    {                                                                                              \
        EQ_FOR_KEPT(&p->shape, i)                                                                  \
        {                                                                                          \
            type best = (start);                                                                   \
            EQ_FOR_REDUCED(&p->shape, i, j)                                                        \
            {                                                                                      \
                const type x = input[j];                                                           \
                best = (expression);                                                               \
            }                                                                                      \
            *output++ = best;                                                                      \
        }                                                                                          \
    }

EQ_REDUCE_SUM(s8, int8_t)
EQ_REDUCE_SUM(s16, int16_t)

EQ_REDUCE(max_s8, int8_t, input[i], x > best ? x : best)
EQ_REDUCE(max_s16, int16_t, input[i], x > best ? x : best)
EQ_REDUCE(max_i32, int32_t, input[i], x > best ? x : best)
EQ_REDUCE(max_i64, int64_t, input[i], x > best ? x : best)
EQ_REDUCE(max_f32, float, -EQ_FLOAT_MAX, x > best ? x : best)
EQ_REDUCE(min_s8, int8_t, input[i], x < best ? x : best)
EQ_REDUCE(min_s16, int16_t, input[i], x < best ? x : best)
EQ_REDUCE(min_i32, int32_t, input[i], x < best ? x : best)
EQ_REDUCE(min_i64, int64_t, input[i], x < best ? x : best)
EQ_REDUCE(min_f32, float, EQ_FLOAT_MAX, x < best ? x : best)
EQ_REDUCE(all_b, uint8_t, input[i], (uint8_t)(x && best))
EQ_REDUCE(any_b, uint8_t, input[i], (uint8_t)(x || best))

/* SUM and, with the number of elements as divisor, MEAN. */
EQ_KERNEL void eq_reduce_sum_f32(const eq_reduce_sum_f32_params *p, const float *input,
                                 float *output)
{
    EQ_FOR_KEPT(&p->shape, i)
    {
        float total = 0.0f;
        EQ_FOR_REDUCED(&p->shape, i, j)
        {
            total += input[j];
        }
        *output++ = total / p->divisor;
    }
}

/* SUM, which wraps around. */
EQ_KERNEL void eq_reduce_sum_i32(const eq_reduce_params *p, const int32_t *input, int32_t *output)
{
    EQ_FOR_KEPT(&p->shape, i)
    {
        uint32_t total = 0;
        EQ_FOR_REDUCED(&p->shape, i, j)
        {
            total += (uint32_t)input[j];
        }
        *output++ = (int32_t)total;
    }
}

#endif
