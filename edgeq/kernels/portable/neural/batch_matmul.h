/* BATCH_MATMUL of two activations, int8, int16 and float32, portable C. */
#ifndef EQ_BATCH_MATMUL_H
#define EQ_BATCH_MATMUL_H

#include "eq_broadcast.h"

/* Steps in elements; a transposed matrix is one with its steps exchanged. */
typedef struct {
    eq_broadcast batches; /* positions of the matrices, in elements */
    int32_t rows, columns, depth;
    int32_t row_step1, depth_step1;
    int32_t depth_step2, column_step2;
} eq_matmul_shape;

typedef struct {
    eq_matmul_shape shape;
    int32_t input1_offset, input2_offset;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_batch_matmul_params;

typedef struct {
    eq_matmul_shape shape;
} eq_batch_matmul_f32_params;

/* Runs `start`, for every k along the depth `step`, and `end`, for each output in order. */
#define EQ_MATMUL(s, start, step, end)                                                             \
    EQ_FOR_PAIRS(&(s)->batches, matrix1, matrix2)                                                  \
    {                                                                                              \
        for (int32_t row = 0; row < (s)->rows; row++) {                                            \
            for (int32_t column = 0; column < (s)->columns; column++) {                            \
                int32_t at1 = matrix1 + row * (s)->row_step1;                                      \
                int32_t at2 = matrix2 + column * (s)->column_step2;                                \
                start;                                                                             \
                for (int32_t k = 0; k < (s)->depth; k++) {                                         \
                    step;                                                                          \
                    at1 += (s)->depth_step1;                                                       \
                    at2 += (s)->depth_step2;                                                       \
                }                                                                                  \
                end;                                                                               \
            }                                                                                      \
        }                                                                                          \
    }

/* |acc| <= depth * 255^2; the host checks the depth. */
EQ_KERNEL void eq_batch_matmul_s8(const eq_batch_matmul_params *p, const int8_t *input1,
                                  const int8_t *input2, int8_t *output){
    EQ_MATMUL(&p -> shape, int32_t acc = 0,
              acc += (input1[at1] + p->input1_offset) * (input2[at2] + p->input2_offset),
              *output++ = (int8_t)eq_clamp(
                  eq_multiply_by_quantized_multiplier(acc, p->output_multiplier, p->output_shift) +
                      p->output_offset,
                  p->activation_min, p->activation_max))}

/* The multiplier has 15 bits here, and the shift is to the right. |acc| <= depth * 2^30. */
EQ_KERNEL void eq_batch_matmul_s16(const eq_batch_matmul_params *p, const int16_t *input1,
                                   const int16_t *input2, int16_t *output)
{
    const int64_t half = (int64_t)1 << (p->output_shift - 1);
    EQ_MATMUL(&p->shape, int64_t acc = 0, acc += (int32_t)input1[at1] * input2[at2],
              *output++ = (int16_t)eq_clamp(
                  (int32_t)((acc * p->output_multiplier + half) >> p->output_shift),
                  p->activation_min, p->activation_max))
}

EQ_KERNEL void eq_batch_matmul_f32(const eq_batch_matmul_f32_params *p, const float *input1,
                                   const float *input2, float *output)
{
    EQ_MATMUL(&p->shape, float acc = 0.0f, acc += input1[at1] * input2[at2], *output++ = acc)
}

#endif
