/* FULLY_CONNECTED, int8, for cores with the DSP extension, without the blocks of four inputs by
 * four outputs whose weights are all zero. The step is that of eq_fully_connected_dsp.h, behind
 * two instructions that find its inputs: 18 instructions for 16 multiply-accumulates.
 */
#ifndef EQ_FULLY_CONNECTED_BLOCKS_DSP_H
#define EQ_FULLY_CONNECTED_BLOCKS_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_BLOCK_STEP_BYTES 72
#define EQ_BLOCK_UNROLL 4

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t per_channel;      /* 1: multiplier and shift follow each group of four outputs */
    int32_t doubled, shift_1; /* per-tensor: 2 * multiplier - 2^32, right shift less 1 */
    eq_scale_dsp scale;
} eq_fully_connected_blocks_dsp_params;

/* r0 weights, r1 input, lr blocks; r6 four inputs, r9 to r12 the sums. */
#define EQ_BLOCK_STEP                                                                              \
    "ldrb r6, [lr], #1\n\t"                                                                        \
    "add r1, r1, r6, lsl #2\n\t"                                                                   \
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

/* The four accumulators of one group, from all its blocks: `sums` = a, b, c, d. `skip` bytes of
 * the unrolled loop are jumped over on entry. */
static EQ_NAKED void eq_block_row_dsp(const eq_word *weights __attribute__((unused)),
                                      const int8_t *input __attribute__((unused)),
                                      const uint8_t *blocks __attribute__((unused)),
                                      int32_t skip __attribute__((unused)),
                                      int32_t *sums __attribute__((unused)),
                                      const eq_word *weights_end __attribute__((unused)))
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
                     ".rept 4\n\t" EQ_BLOCK_STEP ".endr\n\t"
                     "ldr r2, [sp, #40]\n\t"
                     "cmp r0, r2\n\t"
                     "bne 1b\n\t"
                     "sub r9, r9, r10\n\t"
                     "asr r9, r9, #8\n\t"
                     "sub r11, r11, r12\n\t"
                     "asr r11, r11, #8\n\t"
                     "ldr r0, [sp, #36]\n\t"
                     "stmia r0, {r9, r10, r11, r12}\n\t"
                     "pop {r4-r11, pc}");
}

/* `blocks` holds for each group of four outputs the number of its blocks (two bytes, low first,
 * at least 1), and for each of them how many zero blocks are left out before it. `scratch` holds
 * the input filled up to whole words; it is not used if input_c is a multiple of four. */
EQ_KERNEL void eq_fully_connected_blocks_dsp_s8(const eq_fully_connected_blocks_dsp_params *p,
                                                const int8_t *input, const uint32_t *weights,
                                                const uint8_t *blocks, int8_t *output,
                                                void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        const eq_word *group = weights;
        const uint8_t *entry = blocks;
        if (p->input_c % 4 != 0) {
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        for (int32_t oc = 0; oc < p->output_c; oc += 4) {
            const int32_t count = entry[0] | entry[1] << 8;
            const int32_t skip =
                (EQ_BLOCK_UNROLL - count % EQ_BLOCK_UNROLL) % EQ_BLOCK_UNROLL * EQ_BLOCK_STEP_BYTES;
            const eq_word *end = group + 4 + 4 * count;
            int32_t sums[4];
            eq_block_row_dsp(group, row, entry + 2, skip, sums, end);
            group = end;
            entry += 2 + count;
            for (int32_t k = 0; k < 4 && oc + k < p->output_c; k++) {
                const int32_t doubled = p->per_channel ? (int32_t)group[2 * k] : p->doubled;
                const int32_t shift_1 = p->per_channel ? (int32_t)group[2 * k + 1] : p->shift_1;
                const int32_t rounding =
                    (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << shift_1);
                *output++ =
                    (int8_t)eq_requantize_dsp(&p->scale, sums[k], doubled, rounding, shift_1);
            }
            group += p->per_channel ? 8 : 0;
        }
        input += p->input_c;
    }
}

#endif
