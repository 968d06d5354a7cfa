/* FULLY_CONNECTED, int8, for cores with the DSP extension: four outputs at a time, two of which
 * share each stream of weights as explained in eq_matmul_dsp.h. 16 instructions do 16
 * multiply-accumulates. All groups of a layer are one pass in assembly, since a call for each would
 * cost as much as a tenth of a small layer.
 */
#ifndef EQ_FULLY_CONNECTED_DSP_H
#define EQ_FULLY_CONNECTED_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_ROW_STEP_BYTES 64
#define EQ_ROW_UNROLL 4

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t per_channel;      /* 1: multiplier and shift follow each group of four outputs */
    int32_t doubled, shift_1; /* per-tensor: 2 * multiplier - 2^32, right shift less 1 */
    eq_scale_dsp scale;
} eq_fully_connected_dsp_params;

/* Four inputs by four outputs. */
#define EQ_ROW_STEP                                                                                \
    "ldr r6, [r1], #4\n\t"                                                                         \
    "ldmia.w r0!, {r2, r3, r4, r5}\n\t"                                                            \
    "sxtb16 r7, r6\n\t"                                                                            \
    "smlad r9, r2, r7, r9\n\t"                                                                     \
    "sxtb16 r8, r2\n\t"                                                                            \
    "smlad r10, r8, r7, r10\n\t"                                                                   \
    "smlad r11, r3, r7, r11\n\t"                                                                   \
    "sxtb16 r8, r3\n\t"                                                                            \
    "smlad r12, r8, r7, r12\n\t"                                                                   \
    "sxtb16 r7, r6, ror #8\n\t"                                                                    \
    "smlad r9, r4, r7, r9\n\t"                                                                     \
    "sxtb16 r8, r4\n\t"                                                                            \
    "smlad r10, r8, r7, r10\n\t"                                                                   \
    "smlad r11, r5, r7, r11\n\t"                                                                   \
    "sxtb16 r8, r5\n\t"                                                                            \
    "smlad r12, r8, r7, r12\n\t"

/* The four accumulators of one group: `sums` = a0, b0, a1, b1. `skip` bytes of the unrolled loop
 * are jumped over on entry. */
static EQ_NAKED void eq_row_dsp(const eq_word *weights __attribute__((unused)),
                                const int8_t *input __attribute__((unused)),
                                const int8_t *input_end __attribute__((unused)),
                                int32_t skip __attribute__((unused)),
                                int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 1f\n\t"
                     "add r2, r3\n\t"
                     "orr r2, #1\n\t"
                     "ldmia.w r0!, {r9, r10, r11, r12}\n\t"
                     "bx r2\n\t"
                     ".p2align 2\n\t"
                     "1:\n\t"
                     ".rept 4\n\t" EQ_ROW_STEP ".endr\n\t"
                     "cmp r1, lr\n\t"
                     "bne 1b\n\t"
                     "sub r9, r9, r10\n\t"
                     "asr r9, r9, #8\n\t"
                     "sub r11, r11, r12\n\t"
                     "asr r11, r11, #8\n\t"
                     "ldr r0, [sp, #36]\n\t"
                     "stmia r0, {r9, r10, r11, r12}\n\t"
                     "pop {r4-r11, pc}");
}

/* Up to four sums to outputs; `scale` is what follows the group's weights. Returns the next output.
 */
EQ_KERNEL int8_t *eq_group_outputs_dsp(const eq_fully_connected_dsp_params *p, const eq_word *scale,
                                       const int32_t *sums, int32_t count, int8_t *output)
{
    for (int32_t k = 0; k < count; k++) {
        const int32_t doubled = p->per_channel ? (int32_t)scale[2 * k] : p->doubled;
        const int32_t shift_1 = p->per_channel ? (int32_t)scale[2 * k + 1] : p->shift_1;
        const int32_t rounding = (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << shift_1);
        *output++ = (int8_t)eq_requantize_dsp(&p->scale, sums[k], doubled, rounding, shift_1);
    }
    return output;
}

/* What a pass over groups works on. The assembly reads it by position. */
typedef struct {
    const int8_t *input;        /* 0 */
    int32_t skip;               /* 4: bytes of the unrolled loop to jump over */
    int8_t *output;             /* 8 */
    const eq_word *weights_end; /* 12 */
    int32_t doubled;            /* 16 */
    int32_t rounding;           /* 20: per channel what is shifted up, 2 * output_offset + 1 */
    int32_t shift_1;            /* 24 */
    const int8_t *input_end;    /* 28 */
} eq_row_pass_dsp;

#define EQ_ROW_PASS_UNROLL 8

#define EQ_ROW_REQUANTIZE(acc, doubled, rounding, shift)                                           \
    "smmlar " acc ", " acc ", " doubled ", " acc "\n\t"                                            \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                   \
    "add " acc ", " rounding "\n\t"                                                                \
    "asr " acc ", " acc ", " shift "\n\t"                                                          \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

/* One scale for all outputs. */
#define EQ_ROW_TENSOR_OUTPUTS                                                                      \
    "add r2, sp, #16\n\t"                                                                          \
    "ldmia.w r2, {r3, r4, r5}\n\t" EQ_ROW_REQUANTIZE("r9", "r3", "r4", "r5")                       \
        EQ_ROW_REQUANTIZE("r10", "r3", "r4", "r5") EQ_ROW_REQUANTIZE("r11", "r3", "r4", "r5")      \
            EQ_ROW_REQUANTIZE("r12", "r3", "r4", "r5")

/* Multiplier and shift of each output behind the group's weights. */
#define EQ_ROW_CHANNEL_OUTPUT(acc)                                                                 \
    "ldrd r3, r5, [r0], #8\n\t"                                                                    \
    "lsl r4, r2, r5\n\t" EQ_ROW_REQUANTIZE(acc, "r3", "r4", "r5")
#define EQ_ROW_CHANNEL_OUTPUTS                                                                     \
    "ldr r2, [sp, #20]\n\t" EQ_ROW_CHANNEL_OUTPUT("r9") EQ_ROW_CHANNEL_OUTPUT("r10")               \
        EQ_ROW_CHANNEL_OUTPUT("r11") EQ_ROW_CHANNEL_OUTPUT("r12")

#define EQ_ROW_PASS(outputs)                                                                       \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldmia.w r1, {r4-r11}\n\t"                                                    \
                     "mov lr, r11\n\t"                                                             \
                     "adr r2, 2f\n\t"                                                              \
                     "add r5, r2\n\t"                                                              \
                     "orr r5, #1\n\t"                                                              \
                     "push {r4-r11}\n\t"                                                           \
                     "1:\n\t"                                                                      \
                     "ldmia.w r0!, {r9, r10, r11, r12}\n\t"                                        \
                     "ldr r1, [sp]\n\t"                                                            \
                     "ldr pc, [sp, #4]\n\t"                                                        \
                     ".p2align 2\n\t"                                                              \
                     "2:\n\t"                                                                      \
                     ".rept 8\n\t" EQ_ROW_STEP ".endr\n\t"                                         \
                     "cmp r1, lr\n\t"                                                              \
                     "bne 2b\n\t"                                                                  \
                     "sub r9, r9, r10\n\t"                                                         \
                     "asr r9, r9, #8\n\t"                                                          \
                     "sub r11, r11, r12\n\t"                                                       \
                     "asr r11, r11, #8\n\t" outputs "ldrd r2, r3, [sp, #8]\n\t"                    \
                     "strb r9, [r2], #1\n\t"                                                       \
                     "strb r10, [r2], #1\n\t"                                                      \
                     "strb r11, [r2], #1\n\t"                                                      \
                     "strb r12, [r2], #1\n\t"                                                      \
                     "str r2, [sp, #8]\n\t"                                                        \
                     "cmp r0, r3\n\t"                                                              \
                     "bne 1b\n\t"                                                                  \
                     "add sp, #32\n\t"                                                             \
                     "pop {r4-r11, pc}")

static EQ_NAKED void eq_row_pass_tensor_dsp(const eq_word *weights __attribute__((unused)),
                                            const eq_row_pass_dsp *pass __attribute__((unused)))
{
    EQ_ROW_PASS(EQ_ROW_TENSOR_OUTPUTS);
}

static EQ_NAKED void eq_row_pass_channel_dsp(const eq_word *weights __attribute__((unused)),
                                             const eq_row_pass_dsp *pass __attribute__((unused)))
{
    EQ_ROW_PASS(EQ_ROW_CHANNEL_OUTPUTS);
}

/* All groups of one row of outputs; of the last one only what there is. */
EQ_KERNEL void eq_row_outputs_dsp(const eq_fully_connected_dsp_params *p, const eq_word *weights,
                                  eq_row_pass_dsp *pass, int32_t pitch)
{
    const int32_t rest = p->output_c % 4;
    int8_t *end = pass->output + p->output_c - rest;
    int8_t aside[4];
    pass->weights_end = weights + p->output_c / 4 * pitch;
    for (int32_t part = 0; part < 2; part++) {
        if (part == 0 ? p->output_c >= 4 : rest != 0) {
            if (p->per_channel) {
                eq_row_pass_channel_dsp(weights, pass);
            } else {
                eq_row_pass_tensor_dsp(weights, pass);
            }
        }
        weights = pass->weights_end;
        pass->weights_end = weights + pitch;
        pass->output = aside;
    }
    if (rest != 0) {
        memcpy(end, aside, (size_t)rest);
    }
    if (p->scale.activation_min > INT8_MIN || p->scale.activation_max < INT8_MAX) {
        for (int32_t i = 1; i <= p->output_c; i++) {
            end[rest - i] =
                (int8_t)eq_clamp(end[rest - i], p->scale.activation_min, p->scale.activation_max);
        }
    }
}

/* `scratch` holds the input filled up to whole words; it is not used if input_c is a multiple
 * of four. */
EQ_KERNEL void eq_fully_connected_dsp_s8(const eq_fully_connected_dsp_params *p,
                                         const int8_t *input, const uint32_t *weights,
                                         int8_t *output, void *scratch)
{
    const int32_t steps = (p->input_c + 3) / 4;
    const int32_t skip =
        (EQ_ROW_PASS_UNROLL - steps % EQ_ROW_PASS_UNROLL) % EQ_ROW_PASS_UNROLL * EQ_ROW_STEP_BYTES;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        if (p->input_c % 4 != 0) {
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        eq_row_pass_dsp pass = {
            .input = row,
            .skip = skip,
            .output = output,
            .doubled = p->doubled,
            .rounding = (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << p->shift_1),
            .shift_1 = p->shift_1,
            .input_end = row + 4 * steps,
        };
        eq_row_outputs_dsp(p, weights, &pass, 4 + 4 * steps + (p->per_channel ? 8 : 0));
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
