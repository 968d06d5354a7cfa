/* FULLY_CONNECTED, int8, for cores with the DSP extension: four outputs at a time, two of which
 * share each stream of weights as explained in eq_matmul_dsp.h. 16 instructions do 16
 * multiply-accumulates.
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

/* `scratch` holds the input filled up to whole words; it is not used if input_c is a multiple
 * of four. */
EQ_KERNEL void eq_fully_connected_dsp_s8(const eq_fully_connected_dsp_params *p,
                                         const int8_t *input, const uint32_t *weights,
                                         int8_t *output, void *scratch)
{
    const int32_t steps = (p->input_c + 3) / 4;
    const int32_t skip =
        (EQ_ROW_UNROLL - steps % EQ_ROW_UNROLL) % EQ_ROW_UNROLL * EQ_ROW_STEP_BYTES;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        const eq_word *group = weights;
        if (p->input_c % 4 != 0) {
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        for (int32_t oc = 0; oc < p->output_c; oc += 4) {
            int32_t sums[4];
            eq_row_dsp(group, row, row + 4 * steps, skip, sums);
            group += 4 + 4 * steps;
            output = eq_group_outputs_dsp(p, group, sums, eq_min(p->output_c - oc, 4), output);
            group += p->per_channel ? 8 : 0;
        }
        input += p->input_c;
    }
}

#endif
