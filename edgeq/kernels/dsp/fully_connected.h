/* FULLY_CONNECTED, int8, for cores with the DSP extension: four outputs at a time, two of which
 * share each stream of weights as explained in eq_matmul_dsp.h. 16 instructions do 16
 * multiply-accumulates, 14 if there is room for the inputs widened to 16 bits. All groups of a
 * layer are one pass in assembly, since a call for each would cost as much as a tenth of a small
 * layer.
 */
#ifndef EQ_FULLY_CONNECTED_DSP_H
#define EQ_FULLY_CONNECTED_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_ROW_STEP_BYTES 64
#define EQ_ROW_UNROLL 4

/* Bits that the high half of a sum times 256 has beyond the first rounding. */
#define EQ_ROW_MORE_BITS 7

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t per_channel;      /* 1: multiplier and shift follow each group of four outputs */
    int32_t doubled, shift_1; /* per-tensor: 2 * multiplier - 2^32, right shift less 1 */
    int32_t merged;           /* 1: per-tensor, and both roundings of even outputs are one */
    int32_t widened;          /* 1: scratch holds the inputs as 16 bits */
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

/* The same with inputs that are widened already, two instructions less. */
#define EQ_ROW_WIDENED_STEP_BYTES 56
#define EQ_ROW_WIDENED_STEP                                                                        \
    "ldrd r6, r7, [r1], #8\n\t"                                                                    \
    "ldmia.w r0!, {r2, r3, r4, r5}\n\t"                                                            \
    "smlad r9, r2, r6, r9\n\t"                                                                     \
    "sxtb16 r2, r2\n\t"                                                                            \
    "smlad r10, r2, r6, r10\n\t"                                                                   \
    "smlad r11, r3, r6, r11\n\t"                                                                   \
    "sxtb16 r3, r3\n\t"                                                                            \
    "smlad r12, r3, r6, r12\n\t"                                                                   \
    "smlad r9, r4, r7, r9\n\t"                                                                     \
    "sxtb16 r4, r4\n\t"                                                                            \
    "smlad r10, r4, r7, r10\n\t"                                                                   \
    "smlad r11, r5, r7, r11\n\t"                                                                   \
    "sxtb16 r5, r5\n\t"                                                                            \
    "smlad r12, r5, r7, r12\n\t"

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
    const void *input;          /* 0 */
    int32_t skip;               /* 4: bytes of the unrolled loop to jump over */
    int8_t *output;             /* 8 */
    const eq_word *weights_end; /* 12 */
    int32_t multiplier;         /* 16 */
    int32_t rounding;           /* 20: per channel what is shifted up, 2 * output_offset + 1 */
    int32_t shift_1;            /* 24 */
    int32_t merged_rounding;    /* 28: for even outputs, if their roundings are one */
    int32_t merged_shift;       /* 32 */
    const void *input_end;      /* 36 */
} eq_row_pass_dsp;

#ifndef EQ_ROW_PASS_UNROLL
#define EQ_ROW_PASS_UNROLL 8
#endif

/* One scale for all outputs. Sums are doubled; a negative one takes one from what is added to the
 * rounded high half (see eq_matmul_dsp.h). Of the even outputs T - B = 256 * a is at hand. */
#define EQ_ROW_ROUND(acc)                                                                          \
    "add r6, r4, " acc ", asr #31\n\t"                                                             \
    "smmlar " acc ", " acc ", r3, r6\n\t"                                                          \
    "asr " acc ", " acc ", r5\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define EQ_ROW_TENSOR_OUTPUTS                                                                      \
    "add r2, sp, #16\n\t"                                                                          \
    "ldmia.w r2, {r3, r4, r5}\n\t"                                                                 \
    "asr r9, r9, #7\n\t" EQ_ROW_ROUND("r9") "add r10, r10\n\t" EQ_ROW_ROUND(                       \
        "r10") "asr r11, r11, #7\n\t" EQ_ROW_ROUND("r11") "add r12, r12\n\t" EQ_ROW_ROUND("r12")

/* The same where outputs below the zero point are clamped to it. */
#define EQ_ROW_MERGED(acc)                                                                         \
    "smmla " acc ", " acc ", r3, r6\n\t"                                                           \
    "asr " acc ", " acc ", r7\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define EQ_ROW_DOUBLED(acc)                                                                        \
    "add " acc ", " acc "\n\t"                                                                     \
    "smmlar " acc ", " acc ", r3, r4\n\t"                                                          \
    "asr " acc ", " acc ", r5\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define EQ_ROW_MERGED_OUTPUTS                                                                      \
    "add r2, sp, #16\n\t"                                                                          \
    "ldmia.w r2, {r3, r4, r5, r6, r7}\n\t" EQ_ROW_MERGED("r9") EQ_ROW_DOUBLED("r10")               \
        EQ_ROW_MERGED("r11") EQ_ROW_DOUBLED("r12")

/* Multiplier and shift of each output behind the group's weights. */
#define EQ_ROW_REQUANTIZE(acc, doubled, rounding, shift)                                           \
    "smmlar " acc ", " acc ", " doubled ", " acc "\n\t"                                            \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                   \
    "add " acc ", " rounding "\n\t"                                                                \
    "asr " acc ", " acc ", " shift "\n\t"                                                          \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define EQ_ROW_CHANNEL_OUTPUT(acc)                                                                 \
    "ldrd r3, r5, [r0], #8\n\t"                                                                    \
    "lsl r4, r2, r5\n\t" EQ_ROW_REQUANTIZE(acc, "r3", "r4", "r5")
#define EQ_ROW_CHANNEL_OUTPUTS                                                                     \
    "ldr r2, [sp, #20]\n\t"                                                                        \
    "asr r9, r9, #8\n\t" EQ_ROW_CHANNEL_OUTPUT("r9")                                               \
        EQ_ROW_CHANNEL_OUTPUT("r10") "asr r11, r11, #8\n\t" EQ_ROW_CHANNEL_OUTPUT("r11")           \
            EQ_ROW_CHANNEL_OUTPUT("r12")

#define EQ_ROW_PASS(step, outputs)                                                                 \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldr lr, [r1, #36]\n\t"                                                       \
                     "ldmia.w r1, {r4-r12}\n\t"                                                    \
                     "adr r2, 2f\n\t"                                                              \
                     "add r5, r2\n\t"                                                              \
                     "orr r5, #1\n\t"                                                              \
                     "push {r4-r12}\n\t"                                                           \
                     "1:\n\t"                                                                      \
                     "ldmia.w r0!, {r9, r10, r11, r12}\n\t"                                        \
                     "ldr r1, [sp]\n\t"                                                            \
                     "ldr pc, [sp, #4]\n\t"                                                        \
                     ".p2align 2\n\t"                                                              \
                     "2:\n\t"                                                                      \
                     ".rept " EQ_STRING(EQ_ROW_PASS_UNROLL) "\n\t" step ".endr\n\t"                \
                                                            "cmp r1, lr\n\t"                       \
                                                            "bne 2b\n\t"                           \
                                                            "sub r9, r9, r10\n\t"                  \
                                                            "sub r11, r11, r12\n\t" outputs        \
                                                            "ldrd r2, r3, [sp, #8]\n\t"            \
                                                            "strb r9, [r2], #1\n\t"                \
                                                            "strb r10, [r2], #1\n\t"               \
                                                            "strb r11, [r2], #1\n\t"               \
                                                            "strb r12, [r2], #1\n\t"               \
                                                            "str r2, [sp, #8]\n\t"                 \
                                                            "cmp r0, r3\n\t"                       \
                                                            "bne 1b\n\t"                           \
                                                            "add sp, #36\n\t"                      \
                                                            "pop {r4-r11, pc}")

#define EQ_DEFINE_ROW_PASS(name, step, outputs)                                                    \
    static EQ_NAKED void name(const eq_word *weights __attribute__((unused)),                      \
                              const eq_row_pass_dsp *pass __attribute__((unused)))                 \
    {                                                                                              \
        EQ_ROW_PASS(step, outputs);                                                                \
    }

EQ_DEFINE_ROW_PASS(eq_row_pass_tensor_dsp, EQ_ROW_STEP, EQ_ROW_TENSOR_OUTPUTS)
EQ_DEFINE_ROW_PASS(eq_row_pass_merged_dsp, EQ_ROW_STEP, EQ_ROW_MERGED_OUTPUTS)
EQ_DEFINE_ROW_PASS(eq_row_pass_channel_dsp, EQ_ROW_STEP, EQ_ROW_CHANNEL_OUTPUTS)
EQ_DEFINE_ROW_PASS(eq_row_pass_widened_tensor_dsp, EQ_ROW_WIDENED_STEP, EQ_ROW_TENSOR_OUTPUTS)
EQ_DEFINE_ROW_PASS(eq_row_pass_widened_merged_dsp, EQ_ROW_WIDENED_STEP, EQ_ROW_MERGED_OUTPUTS)
EQ_DEFINE_ROW_PASS(eq_row_pass_widened_channel_dsp, EQ_ROW_WIDENED_STEP, EQ_ROW_CHANNEL_OUTPUTS)

/* The pass over groups that a layer takes. */
EQ_KERNEL void eq_row_pass_of_dsp(const eq_fully_connected_dsp_params *p, const eq_word *weights,
                                  const eq_row_pass_dsp *pass)
{
    if (p->widened) {
        if (p->per_channel) {
            eq_row_pass_widened_channel_dsp(weights, pass);
        } else if (p->merged) {
            eq_row_pass_widened_merged_dsp(weights, pass);
        } else {
            eq_row_pass_widened_tensor_dsp(weights, pass);
        }
    } else {
        if (p->per_channel) {
            eq_row_pass_channel_dsp(weights, pass);
        } else if (p->merged) {
            eq_row_pass_merged_dsp(weights, pass);
        } else {
            eq_row_pass_tensor_dsp(weights, pass);
        }
    }
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
            eq_row_pass_of_dsp(p, weights, pass);
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

/* The inputs of a row as 16 bits: of every four values 0 and 2, then 1 and 3. */
EQ_KERNEL void eq_row_widen_dsp(const int8_t *input, int32_t count, eq_word *wide)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i + 4 <= count; i += 4) {
        uint32_t four;
        memcpy(&four, input + i, 4);
        *wide++ = eq_widen_even(four);
        *wide++ = eq_widen_odd(four);
    }
    if (count % 4 != 0) {
        uint32_t four = 0;
        memcpy(&four, input + count / 4 * 4, (size_t)(count % 4));
        wide[0] = eq_widen_even(four);
        wide[1] = eq_widen_odd(four);
    }
}

/* `scratch` holds the input widened, or filled up to whole words; in the latter case it is not used
 * if input_c is a multiple of four. */
EQ_KERNEL void eq_fully_connected_dsp_s8(const eq_fully_connected_dsp_params *p,
                                         const int8_t *input, const uint32_t *weights,
                                         int8_t *output, void *scratch)
{
    const int32_t steps = (p->input_c + 3) / 4;
    const int32_t step_bytes = p->widened ? EQ_ROW_WIDENED_STEP_BYTES : EQ_ROW_STEP_BYTES;
    const int32_t skip =
        (EQ_ROW_PASS_UNROLL - steps % EQ_ROW_PASS_UNROLL) % EQ_ROW_PASS_UNROLL * step_bytes;
    const int32_t rounding = (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << p->shift_1);
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        if (p->widened) {
            eq_row_widen_dsp(input, p->input_c, scratch);
            row = scratch;
        } else if (p->input_c % 4 != 0) {
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        eq_row_pass_dsp pass = {
            .input = row,
            .skip = skip,
            .output = output,
            .multiplier = (int32_t)((uint32_t)p->doubled >> 1),
            .rounding = rounding,
            .shift_1 = p->shift_1,
            .merged_rounding =
                (int32_t)((uint32_t)rounding << EQ_ROW_MORE_BITS) + (1 << (EQ_ROW_MORE_BITS - 1)),
            .merged_shift = p->shift_1 + EQ_ROW_MORE_BITS,
            .input_end = row + 4 * steps * (p->widened ? 2 : 1),
        };
        eq_row_outputs_dsp(p, weights, &pass, 4 + 4 * steps + (p->per_channel ? 8 : 0));
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
