/* FULLY_CONNECTED, int8 activations, 4-bit weights, for cores with the DSP extension: four outputs
 * a, b, c, d at a time.
 *
 * int4: a 16-bit half of a weight word holds one weight of each output,
 *     v = 4096 * wa + 256 * (wb + 8) + 16 * (wc + 8) + (wd + 8)
 * and four sums are added up: T of the whole of v, P of its second highest four bits alone (256
 * times as large as they are), U of its low byte, D of its lowest four bits. At the end
 *     sum(wa * x) = (T - U - P) / 4096          sum(wb * x) = P / 256 - 8 * sum(x)
 *     sum(wc * x) = (U - D) / 16 - 8 * sum(x)   sum(wd * x) = D - 8 * sum(x)
 * exactly, whatever wrapped around on the way, because no sum of EQ_INT4_TAPS products leaves the
 * bits that the divisions leave it: 508 * 8 * 128 < 2^19. 18 instructions do 16
 * multiply-accumulates.
 *
 * Clustered: a byte is the codes of two weights of one output, and is looked up in a table of
 * pairs: 28 instructions for 16 multiply-accumulates.
 */
#ifndef EQ_FULLY_CONNECTED_PACKED_DSP_H
#define EQ_FULLY_CONNECTED_PACKED_DSP_H

#include "eq_base.h"
#include "eq_fully_connected_dsp.h"
#include "eq_packed_dsp.h"
#include "eq_requantize_dsp.h"

#define EQ_INT4_TAPS 508
#define EQ_ROW_INT4_STEP_BYTES 72

/* Two inputs (r7) by four outputs (a word of weights). */
#define EQ_ROW_INT4_HALF(word)                                                                     \
    "smlad r9, " word ", r7, r9\n\t"                                                               \
    "uxtb16 r8, " word "\n\t"                                                                      \
    "smlad r11, r8, r7, r11\n\t"                                                                   \
    "and r8, r8, #0x000F000F\n\t"                                                                  \
    "smlad r12, r8, r7, r12\n\t"                                                                   \
    "and r8, " word ", #0x0F000F00\n\t"                                                            \
    "smlad r10, r8, r7, r10\n\t"

/* Four inputs by four outputs. */
#define EQ_ROW_INT4_STEP                                                                           \
    "ldr r6, [r1], #4\n\t"                                                                         \
    "ldmia.w r0!, {r2, r3}\n\t"                                                                    \
    "sxtb16 r7, r6\n\t" EQ_ROW_INT4_HALF("r2") "sxtb16 r7, r6, ror #8\n\t" EQ_ROW_INT4_HALF("r3")

/* T, P, U, D of one group of four outputs. `skip` bytes of the unrolled loop are jumped over on
 * entry. */
static EQ_NAKED void eq_row_int4_dsp(const eq_word *weights __attribute__((unused)),
                                     const int8_t *input __attribute__((unused)),
                                     const int8_t *input_end __attribute__((unused)),
                                     int32_t skip __attribute__((unused)),
                                     uint32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "adr r2, 1f\n\t"
                     "add r2, r3\n\t"
                     "orr r2, #1\n\t"
                     "mov r9, #0\n\t"
                     "mov r10, #0\n\t"
                     "mov r11, #0\n\t"
                     "mov r12, #0\n\t"
                     "bx r2\n\t"
                     ".p2align 2\n\t"
                     "1:\n\t"
                     ".rept 4\n\t" EQ_ROW_INT4_STEP ".endr\n\t"
                     "cmp r1, lr\n\t"
                     "bne 1b\n\t"
                     "ldr r0, [sp, #36]\n\t"
                     "stmia r0, {r9, r10, r11, r12}\n\t"
                     "pop {r4-r11, pc}");
}

/* The sums of one group of four outputs, in parts of EQ_INT4_TAPS inputs; those of b, c and d are
 * 8 * sum(x) too large. */
EQ_KERNEL void eq_row_sums_int4_dsp(const eq_word *weights, const int8_t *row, int32_t steps,
                                    int32_t *sums)
{
    memset(sums, 0, 4 * sizeof(*sums));
    for (int32_t done = 0; done < steps; done += EQ_INT4_TAPS / 4) {
        const int32_t part = eq_min(steps - done, EQ_INT4_TAPS / 4);
        const int32_t missing = (EQ_ROW_UNROLL - part % EQ_ROW_UNROLL) % EQ_ROW_UNROLL;
        uint32_t t[4];
        eq_row_int4_dsp(weights, row, row + 4 * part, missing * EQ_ROW_INT4_STEP_BYTES, t);
        sums[0] += (int32_t)(t[0] - t[2] - t[1]) >> 12;
        sums[1] += (int32_t)t[1] >> 8;
        sums[2] += (int32_t)(t[2] - t[3]) >> 4;
        sums[3] += (int32_t)t[3];
        weights += 2 * part;
        row += 4 * part;
    }
}

/* 8 * sum(x) of whole words of inputs. */
EQ_KERNEL int32_t eq_row_sum_dsp(const int8_t *row, int32_t steps)
{
    int32_t sum = 0;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < steps; i++) {
        uint32_t four;
        memcpy(&four, row + 4 * i, 4);
        sum = eq_add_eights(sum, eq_widen_even(four));
        sum = eq_add_eights(sum, eq_widen_odd(four));
    }
    return sum;
}

/* Four inputs by four outputs: the table of pairs is in r4, codes in r2 (a, b) and r3 (c, d). */
#define EQ_ROW_PAIR(acc)                                                                           \
    "ldr.w r8, [r4, r8, lsl #2]\n\t"                                                               \
    "smlad " acc ", r8, r7, " acc "\n\t"
#define EQ_ROW_CLUSTERED_STEP                                                                                                                                                          \
    "ldr r6, [r1], #4\n\t"                                                                                                                                                             \
    "ldmia.w r0!, {r2, r3}\n\t"                                                                                                                                                        \
    "sxtb16 r7, r6\n\t"                                                                                                                                                                \
    "uxtb.w r8, r2\n\t" EQ_ROW_PAIR("r9") "uxtb.w r8, r2, ror #16\n\t" EQ_ROW_PAIR(                                                                                                    \
        "r10") "uxtb.w r8, r3\n\t" EQ_ROW_PAIR("r11") "uxtb.w r8, r3, ror #16\n\t" EQ_ROW_PAIR("r"                                                                                     \
                                                                                               "1"                                                                                     \
                                                                                               "2") "sxtb16 r7, r6, ror #8\n\t"                                                        \
                                                                                                    "uxtb.w r8, r2, ror #8\n\t" EQ_ROW_PAIR("r9") "lsr.w r8, r2, #24\n\t" EQ_ROW_PAIR( \
                                                                                                        "r10") "uxtb.w r8, r3, ror #8\n\t" EQ_ROW_PAIR("r11") "lsr.w r8, r3, #24\n\t" EQ_ROW_PAIR("r12")

/* The sums of one group of four outputs. */
static EQ_NAKED void eq_row_clustered_dsp(const eq_word *weights __attribute__((unused)),
                                          const int8_t *input __attribute__((unused)),
                                          const int8_t *input_end __attribute__((unused)),
                                          const eq_word *pairs __attribute__((unused)),
                                          int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "mov r4, r3\n\t"
                     "mov r9, #0\n\t"
                     "mov r10, #0\n\t"
                     "mov r11, #0\n\t"
                     "mov r12, #0\n\t"
                     "1:\n\t" EQ_ROW_CLUSTERED_STEP "cmp r1, lr\n\t"
                     "bne 1b\n\t"
                     "ldr r0, [sp, #36]\n\t"
                     "stmia r0, {r9, r10, r11, r12}\n\t"
                     "pop {r4-r11, pc}");
}

/* `pairs` is the table of clustered weights. A group's stream: the four biases, two words of
 * weights per four inputs, and per channel doubled multiplier and right shift minus one of each
 * output. */
EQ_KERNEL void eq_fully_connected_packed_dsp(const eq_fully_connected_dsp_params *p, int clustered,
                                             const int8_t *input, const uint32_t *weights,
                                             const eq_word *pairs, int8_t *output, int8_t *filled)
{
    const int32_t steps = (p->input_c + 3) / 4;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        const eq_word *group = weights;
        if (p->input_c % 4 != 0) {
            memset(filled + 4 * steps - 4, 0, 4);
            memcpy(filled, input, (size_t)p->input_c);
            row = filled;
        }
        const int32_t eights = clustered ? 0 : eq_row_sum_dsp(row, steps);
        for (int32_t oc = 0; oc < p->output_c; oc += 4) {
            int32_t sums[4];
            if (clustered) {
                eq_row_clustered_dsp(group + 4, row, row + 4 * steps, pairs, sums);
            } else {
                eq_row_sums_int4_dsp(group + 4, row, steps, sums);
            }
            for (int32_t k = 0; k < 4; k++) {
                sums[k] += (int32_t)group[k] - (k == 0 ? 0 : eights);
            }
            group += 4 + 2 * steps;
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

/* `scratch` holds the input filled up to whole words; it is not used if input_c is a multiple
 * of four. */
EQ_KERNEL void eq_fully_connected_int4_dsp_s8(const eq_fully_connected_dsp_params *p,
                                              const int8_t *input, const uint32_t *weights,
                                              int8_t *output, void *scratch)
{
    eq_fully_connected_packed_dsp(p, 0, input, weights, NULL, output, scratch);
}

/* `values` is what the codes mean; in `scratch` the table of pairs comes before the input. */
EQ_KERNEL void eq_fully_connected_clustered_dsp_s8(const eq_fully_connected_dsp_params *p,
                                                   const int8_t *input, const uint32_t *weights,
                                                   const int8_t *values, int8_t *output,
                                                   void *scratch)
{
    eq_word *pairs = scratch;
    eq_make_pairs(values, pairs);
    eq_fully_connected_packed_dsp(p, 1, input, weights, pairs, output,
                                  (int8_t *)(pairs + EQ_PACKED_PAIRS));
}

#endif
