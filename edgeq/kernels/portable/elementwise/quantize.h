/* QUANTIZE and DEQUANTIZE, portable C. (Of a byte to a byte they are a table.) */
#ifndef EQ_QUANTIZE_H
#define EQ_QUANTIZE_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    int32_t input_offset;
    int32_t output_offset, output_multiplier, output_shift;
    int32_t activation_min, activation_max;
} eq_requantize_params;

typedef struct {
    int32_t size;
    float scale;
    int32_t zero_point;
    int32_t activation_min, activation_max;
} eq_quantize_params;

/* To nearest, ties away from zero. What is not within 2^30, or no number, becomes the end. */
EQ_KERNEL int32_t eq_round_to_int32(float x)
{
    const float low = -1073741824.0f;
    const float inside = x > low ? (x < -low ? x : -low) : low;
    const int32_t whole = (int32_t)inside;
    const float rest = inside - (float)whole;
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

/* The output may be written over the input where its elements are no larger. */
#define EQ_REQUANTIZE(suffix, from, to)                                                            \
    EQ_KERNEL void eq_requantize_##suffix(const eq_requantize_params *p, const from *input,        \
                                          to *output)                                              \
    {                                                                                              \
        for (int32_t i = 0; i < p->size; i++) {                                                    \
            const int32_t x = (int32_t)((uint32_t)input[i] + (uint32_t)p->input_offset);           \
            const int32_t y =                                                                      \
                eq_multiply_by_quantized_multiplier(x, p->output_multiplier, p->output_shift);     \
            const int32_t moved = (int32_t)((uint32_t)y + (uint32_t)p->output_offset);             \
            output[i] = (to)eq_clamp(moved, p->activation_min, p->activation_max);                 \
        }                                                                                          \
    }

#define EQ_QUANTIZE(suffix, to)                                                                    \
    EQ_KERNEL void eq_quantize_##suffix(const eq_quantize_params *p, const float *input,           \
                                        to *output)                                                \
    {                                                                                              \
        for (int32_t i = 0; i < p->size; i++) {                                                    \
            const int32_t y = eq_round_to_int32(input[i] / p->scale) + p->zero_point;              \
            output[i] = (to)eq_clamp(y, p->activation_min, p->activation_max);                     \
        }                                                                                          \
    }

#define EQ_DEQUANTIZE(suffix, from)                                                                \
    EQ_KERNEL void eq_dequantize_##suffix(const eq_quantize_params *p, const from *input,          \
                                          float *output)                                           \
    {                                                                                              \
        for (int32_t i = 0; i < p->size; i++) {                                                    \
            output[i] = p->scale * (float)((int32_t)input[i] - p->zero_point);                     \
        }                                                                                          \
    }

EQ_REQUANTIZE(s8_s16, int8_t, int16_t)
EQ_REQUANTIZE(s8_i32, int8_t, int32_t)
EQ_REQUANTIZE(s16_s8, int16_t, int8_t)
EQ_REQUANTIZE(s16_s16, int16_t, int16_t)
EQ_REQUANTIZE(s16_i32, int16_t, int32_t)
EQ_REQUANTIZE(i32_s8, int32_t, int8_t)
EQ_REQUANTIZE(i32_s16, int32_t, int16_t)

EQ_QUANTIZE(s8, int8_t)
EQ_QUANTIZE(u8, uint8_t)
EQ_QUANTIZE(s16, int16_t)

EQ_DEQUANTIZE(s8, int8_t)
EQ_DEQUANTIZE(u8, uint8_t)
EQ_DEQUANTIZE(s16, int16_t)

#endif
