/* FULLY_CONNECTED, int16 activations, int8 weights, for cores with the DSP extension: four outputs
 * at a time (eq_rows_dsp.h), from 32-bit sums. Where sums may pass 32 bits the inputs are taken in
 * segments, whose sums are added up in 64.
 */
#ifndef EQ_FULLY_CONNECTED_S16_DSP_H
#define EQ_FULLY_CONNECTED_S16_DSP_H

#include "eq_base.h"
#include "eq_rows_dsp.h"
#include "eq_wide.h"

#define EQ_FULLY_CONNECTED_S16_OUTPUTS 16 /* at a time */

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t segments, segment_c; /* inputs of a segment, a multiple of four; the last may be less */
    int32_t output_offset;
    int32_t activation_min, activation_max;
} eq_fully_connected_dsp_s16_params;

/* Sums of `count` outputs over the inputs of one segment; returns the weights of the next ones. */
EQ_KERNEL const eq_word *eq_dense_sums_dsp_s16(const eq_word *weights, const int16_t *inputs,
                                               int32_t values, int32_t *sums, int32_t count)
{
    const eq_word *start = (const eq_word *)(const void *)inputs;
    return eq_rows_dsp_s16(weights, start, start + (values + 3) / 4 * 2,
                           eq_rows_skip_dsp_s16(values), sums, sums + (count + 3) / 4 * 4);
}

/* Outputs that a 32-bit sum is enough for, by the multipliers of SMMULR. */
EQ_KERNEL void eq_dense_row_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                    const int16_t *inputs, const eq_word *weights,
                                    const int32_t *multipliers, int16_t *output)
{
    for (int32_t oc = 0; oc < p->output_c; oc += EQ_FULLY_CONNECTED_S16_OUTPUTS) {
        int32_t sums[EQ_FULLY_CONNECTED_S16_OUTPUTS];
        const int32_t count = eq_min(EQ_FULLY_CONNECTED_S16_OUTPUTS, p->output_c - oc);
        weights = eq_dense_sums_dsp_s16(weights, inputs, p->input_c, sums, count);
        for (int32_t k = 0; k < count; k++) {
            int32_t x;
            __asm__("smmulr %0, %1, %2" : "=r"(x) : "r"(sums[k]), "r"(multipliers[oc + k]));
            output[oc + k] =
                (int16_t)eq_clamp(x + p->output_offset, p->activation_min, p->activation_max);
        }
    }
}

/* The sums of `count` outputs over all segments, from `weights` on; those of the next outputs
 * follow in each segment. */
EQ_KERNEL void eq_dense_wide_sums_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                          const int16_t *inputs, const eq_word *weights, int32_t oc,
                                          int64_t *sums, int32_t count)
{
    const int32_t groups = (p->output_c + 3) / 4;
    for (int32_t k = 0; k < count; k++) {
        sums[k] = 0;
    }
    for (int32_t s = 0; s < p->segments; s++) {
        const int32_t values = eq_min(p->segment_c, p->input_c - s * p->segment_c);
        const int32_t group_words = 4 + (values + 3) / 4 * 4;
        int32_t part[EQ_FULLY_CONNECTED_S16_OUTPUTS];
        eq_dense_sums_dsp_s16(weights + oc / 4 * group_words, inputs, values, part, count);
        for (int32_t k = 0; k < count; k++) {
            sums[k] += part[k];
        }
        weights += groups * group_words;
        inputs += values;
    }
}

#define EQ_DENSE_WIDE_ROW(requantized)                                                             \
    for (int32_t oc = 0; oc < p->output_c; oc += EQ_FULLY_CONNECTED_S16_OUTPUTS) {                 \
        int64_t sums[EQ_FULLY_CONNECTED_S16_OUTPUTS];                                              \
        const int32_t count = eq_min(EQ_FULLY_CONNECTED_S16_OUTPUTS, p->output_c - oc);            \
        eq_dense_wide_sums_dsp_s16(p, inputs, weights, oc, sums, count);                           \
        for (int32_t k = 0; k < count; k++) {                                                      \
            const int64_t acc = requant[oc + k].bias + sums[k];                                    \
            output[oc + k] = (int16_t)(requantized);                                               \
        }                                                                                          \
    }

EQ_KERNEL void eq_dense_wide_row_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                         const int16_t *inputs, const eq_word *weights,
                                         const eq_requant_wide *requant, int16_t *output){
    EQ_DENSE_WIDE_ROW(eq_requantize_wide(acc, &requant[oc + k], p -> output_offset,
                                         p->activation_min, p->activation_max))}

EQ_KERNEL void eq_dense_bias32_row_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                           const int16_t *inputs, const eq_word *weights,
                                           const eq_requant *requant, int16_t *output){
    EQ_DENSE_WIDE_ROW(eq_requantize((int32_t)acc, &requant[oc + k], p->output_offset,
                                    p->activation_min, p->activation_max))}

/* The inputs are read by fours; where they are none, they are read from a copy. */
#define EQ_DENSE_ROWS(row)                                                                         \
    for (int32_t b = 0; b < p->batches; b++) {                                                     \
        const int16_t *inputs = input;                                                             \
        if (p->input_c % 4 != 0) {                                                                 \
            memcpy(scratch, input, (size_t)p->input_c * 2);                                        \
            inputs = scratch;                                                                      \
        }                                                                                          \
        row(p, inputs, weights, requant, output);                                                  \
        input += p->input_c;                                                                       \
        output += p->output_c;                                                                     \
    }

/* `weights`: the groups of four outputs, each with its biases first; `requant`: multipliers. */
EQ_KERNEL void eq_fully_connected_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                          const int16_t *input, const uint32_t *weights,
                                          const int32_t *requant, int16_t *output,
                                          void *scratch){EQ_DENSE_ROWS(eq_dense_row_dsp_s16)}

/* Any sums and scales; the groups of a segment after those of the one before, their biases 0. */
EQ_KERNEL
    void eq_fully_connected_wide_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                         const int16_t *input, const uint32_t *weights,
                                         const eq_requant_wide *requant, int16_t *output,
                                         void *scratch){EQ_DENSE_ROWS(eq_dense_wide_row_dsp_s16)}

/* The same with a 32-bit bias; sums keep to 32 bits, which the host has checked. */
EQ_KERNEL void eq_fully_connected_bias32_dsp_s16(const eq_fully_connected_dsp_s16_params *p,
                                                 const int16_t *input, const uint32_t *weights,
                                                 const eq_requant *requant, int16_t *output,
                                                 void *scratch)
{
    EQ_DENSE_ROWS(eq_dense_bias32_row_dsp_s16)
}

#endif
