/* CUMSUM along one axis: int8, int32, int64 and float32, portable C. */
#ifndef EQ_CUMSUM_H
#define EQ_CUMSUM_H

#include "eq_base.h"

typedef struct {
    int32_t outer, axis_size, inner;
    int32_t exclusive, reverse;
} eq_cumsum_shape;

typedef struct {
    eq_cumsum_shape shape;
} eq_cumsum_params;

typedef struct {
    eq_cumsum_shape shape;
    int32_t input_offset;
    int32_t left_shift, input_multiplier, input_shift;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_cumsum_s8_params;

/* Walks along the axis: `start`, then for each element at `i` `take` and `give`, in the order that
 * makes the sum inclusive or exclusive. `x` is the element, read before the output is written. */
#define EQ_CUMSUM(s, type, start, take, give)                                                      \
    for (int32_t o = 0; o < (s)->outer; o++) {                                                     \
        for (int32_t n = 0; n < (s)->inner; n++) {                                                 \
            start;                                                                                 \
            for (int32_t a = 0; a < (s)->axis_size; a++) {                                         \
                const int32_t place = (s)->reverse ? (s)->axis_size - 1 - a : a;                   \
                const int32_t i = (o * (s)->axis_size + place) * (s)->inner + n;                   \
                const type x = input[i];                                                           \
                if ((s)->exclusive) {                                                              \
                    give;                                                                          \
                    take;                                                                          \
                } else {                                                                           \
                    take;                                                                          \
                    give;                                                                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

EQ_KERNEL int32_t eq_cumsum_scaled(const eq_cumsum_s8_params *p, int32_t x)
{
    const int32_t left = (int32_t)1 << p->left_shift;
    return eq_multiply_by_quantized_multiplier((x + p->input_offset) * left, p->input_multiplier,
                                               p->input_shift);
}

EQ_KERNEL int8_t eq_cumsum_output(const eq_cumsum_s8_params *p, int32_t sum)
{
    const int32_t y =
        eq_multiply_by_quantized_multiplier(sum, p->output_multiplier, p->output_shift);
    return (int8_t)eq_clamp(y + p->output_offset, p->activation_min, p->activation_max);
}

/* The reference starts its sum at -zero point. Sums wrap around. The output may be written over
 * the input, in all of these. */
EQ_KERNEL void eq_cumsum_s8(const eq_cumsum_s8_params *p, const int8_t *input, int8_t *output){
    EQ_CUMSUM(&p -> shape, int8_t, uint32_t sum = (uint32_t)eq_cumsum_scaled(p, 0),
              sum += (uint32_t)eq_cumsum_scaled(p, x),
              output[i] = eq_cumsum_output(p, (int32_t)sum))}

EQ_KERNEL void eq_cumsum_i32(const eq_cumsum_params *p, const int32_t *input, int32_t *output){
    EQ_CUMSUM(&p->shape, int32_t, uint32_t sum = 0, sum += (uint32_t)x, output[i] = (int32_t)sum)}

EQ_KERNEL void eq_cumsum_i64(const eq_cumsum_params *p, const int64_t *input, int64_t *output){
    EQ_CUMSUM(&p->shape, int64_t, uint64_t sum = 0, sum += (uint64_t)x, output[i] = (int64_t)sum)}

EQ_KERNEL void eq_cumsum_f32(const eq_cumsum_params *p, const float *input, float *output)
{
    EQ_CUMSUM(&p->shape, float, float sum = 0.0f, sum += x, output[i] = sum)
}

#endif
