/* Products of two computed int8 matrices, for cores with the DSP extension: BATCH_MATMUL, and
 * FULLY_CONNECTED whose weights are computed.
 *
 * Four columns of the second matrix at a time are widened to 16 bits, their offset added, and then
 * meet all rows of the first one: 13 instructions do 16 multiply-accumulates. The first matrix'
 * offset times the columns' sums is where the accumulators start.
 */
#ifndef EQ_PRODUCT_DSP_H
#define EQ_PRODUCT_DSP_H

#include "eq_broadcast.h"
#include "eq_requantize_dsp.h"

#define EQ_PRODUCT_COLUMNS 4
#define EQ_PRODUCT_STEP_BYTES 52
#define EQ_PRODUCT_UNROLL 4

typedef struct {
    eq_broadcast batches;         /* positions of the matrices, in elements */
    int32_t rows, columns, depth; /* at least four columns, and as deep */
    int32_t depth_step2, column_step2;
    int32_t input1_offset, input2_offset;
    int32_t doubled;  /* 2 * multiplier - 2^32 */
    int32_t rounding; /* (2 * output_offset + 1) << shift_1 */
    int32_t shift_1;  /* right shift less 1 */
} eq_product_dsp_params;

/* What a pass over rows works on. The assembly reads it by position. */
typedef struct {
    int32_t doubled, rounding, shift_1;   /* 0 */
    const eq_word *columns, *columns_end; /* 12, 16; the first words are where accumulators start */
    const int8_t *row, *rows_end;         /* 20, 24 */
    int32_t row_step;                     /* 28: from the last word of a row to the next row */
    int8_t *output;                       /* 32 */
    int32_t output_pitch;                 /* 36 */
    int32_t skip;                         /* 40: bytes of the unrolled loop to jump over */
} eq_product_pass_dsp;

/* Four values by four columns. */
#define EQ_PRODUCT_STEP                                                                            \
    "ldr r3, [r0], #4\n\t"                                                                         \
    "sxtb16 r2, r3\n\t"                                                                            \
    "sxtb16 r3, r3, ror #8\n\t"                                                                    \
    "ldmia.w r1!, {r4, r5, r6, r7}\n\t"                                                            \
    "smlad r8, r4, r2, r8\n\t"                                                                     \
    "smlad r9, r5, r2, r9\n\t"                                                                     \
    "smlad r10, r6, r2, r10\n\t"                                                                   \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "ldmia.w r1!, {r4, r5, r6, r7}\n\t"                                                            \
    "smlad r8, r4, r3, r8\n\t"                                                                     \
    "smlad r9, r5, r3, r9\n\t"                                                                     \
    "smlad r10, r6, r3, r10\n\t"                                                                   \
    "smlad r11, r7, r3, r11\n\t"

#define EQ_PRODUCT_REQUANTIZE(acc)                                                                 \
    "smmlar " acc ", " acc ", r4, " acc "\n\t"                                                     \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                   \
    "add " acc ", " acc ", r5\n\t"                                                                 \
    "asr " acc ", " acc ", r6\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

/* Four outputs of each row. */
static EQ_NAKED void eq_product_rows_dsp(eq_product_pass_dsp *pass __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r0\n\t"
                     "adr r1, 2f\n\t"
                     "ldr r2, [lr, #40]\n\t"
                     "add r1, r2\n\t"
                     "orr r1, #1\n\t"
                     "str r1, [lr, #40]\n\t"
                     "ldrd r12, r0, [lr, #16]\n\t"
                     "1:\n\t"
                     "ldr r1, [lr, #12]\n\t"
                     "ldmia.w r1!, {r8, r9, r10, r11}\n\t"
                     "ldr pc, [lr, #40]\n\t"
                     ".p2align 2\n\t"
                     "2:\n\t"
                     ".rept 4\n\t" EQ_PRODUCT_STEP ".endr\n\t"
                     "cmp r1, r12\n\t"
                     "bne 2b\n\t"
                     "ldmia.w lr, {r4, r5, r6}\n\t" /* the constants */
                     EQ_PRODUCT_REQUANTIZE("r8") EQ_PRODUCT_REQUANTIZE("r9")
                         EQ_PRODUCT_REQUANTIZE("r10")
                             EQ_PRODUCT_REQUANTIZE("r11") "ldrd r1, r2, [lr, #32]\n\t"
                                                          "strb r8, [r1]\n\t"
                                                          "strb r9, [r1, #1]\n\t"
                                                          "strb r10, [r1, #2]\n\t"
                                                          "strb r11, [r1, #3]\n\t"
                                                          "add r1, r2\n\t"
                                                          "str r1, [lr, #32]\n\t"
                                                          "ldrd r2, r3, [lr, #24]\n\t"
                                                          "add r0, r3\n\t"
                                                          "cmp r0, r2\n\t"
                                                          "bne 1b\n\t"
                                                          "pop {r4-r11, pc}");
}

/* Two pairs of values into their places among the other columns, widened and with the offset added;
 * returns the sum and what was written. */
EQ_KERNEL int32_t eq_product_pairs_dsp(uint32_t even, uint32_t odd, uint32_t offsets, int32_t sum,
                                       eq_word *column)
{
    __asm__("sadd16 %0, %0, %1" : "+r"(even) : "r"(offsets));
    __asm__("sadd16 %0, %0, %1" : "+r"(odd) : "r"(offsets));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(even), "r"(0x00010001));
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(odd), "r"(0x00010001));
    column[0] = even;
    column[EQ_PRODUCT_COLUMNS] = odd;
    return sum;
}

EQ_KERNEL uint32_t eq_product_pair_dsp(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFF) | (uint32_t)high << 16;
}

/* One column into its place among the others; returns its sum, the offset added. */
EQ_KERNEL int32_t eq_product_column_dsp(const eq_product_dsp_params *p, const int8_t *at,
                                        eq_word *column)
{
    const uint32_t offsets = ((uint32_t)p->input2_offset & 0xFFFF) * 0x10001u;
    const int32_t step = p->depth_step2;
    int32_t sum = 0;
    int32_t k = 4;
    for (; k <= p->depth; k += 4) {
        if (step == 1) {
            uint32_t four;
            memcpy(&four, at, 4);
            sum =
                eq_product_pairs_dsp(eq_widen_even(four), eq_widen_odd(four), offsets, sum, column);
        } else {
            sum = eq_product_pairs_dsp(eq_product_pair_dsp(at[0], at[2 * step]),
                                       eq_product_pair_dsp(at[step], at[3 * step]), offsets, sum,
                                       column);
        }
        at += 4 * step;
        column += 2 * EQ_PRODUCT_COLUMNS;
    }
    if (p->depth % 4 != 0) {
        /* What is missing counts as 0, so it is the offset's opposite that gets it added. */
        const int32_t none = -p->input2_offset;
        const int32_t left = p->depth % 4;
        sum = eq_product_pairs_dsp(eq_product_pair_dsp(at[0], left > 2 ? at[2 * step] : none),
                                   eq_product_pair_dsp(left > 1 ? at[step] : none, none), offsets,
                                   sum, column);
    }
    return sum;
}

/* Four columns; `bias` is that of the first of them, or NULL. */
EQ_KERNEL void eq_product_columns_dsp(const eq_product_dsp_params *p, const int8_t *values,
                                      const int32_t *bias, eq_word *columns, int32_t *start)
{
    for (int32_t c = 0; c < EQ_PRODUCT_COLUMNS; c++) {
        const int32_t sum = eq_product_column_dsp(p, values + c * p->column_step2, columns + c);
        start[c] = p->input1_offset * sum + (bias != NULL ? bias[c] : 0);
    }
}

/* All rows by the four columns at hand. */
EQ_KERNEL void eq_product_pass_rows_dsp(const eq_product_dsp_params *p, eq_product_pass_dsp *pass,
                                        const int8_t *row, int32_t rows, int8_t *output)
{
    const int32_t steps = (p->depth + 3) / 4;
    pass->row = row;
    pass->rows_end = row + rows * p->depth;
    pass->row_step = p->depth - 4 * steps;
    pass->output = output;
    pass->skip =
        (EQ_PRODUCT_UNROLL - steps % EQ_PRODUCT_UNROLL) % EQ_PRODUCT_UNROLL * EQ_PRODUCT_STEP_BYTES;
    if (rows > 0) {
        eq_product_rows_dsp(pass);
    }
}

/* One product. The last columns are computed twice where their number is no multiple of four. */
EQ_KERNEL void eq_product_one_dsp(const eq_product_dsp_params *p, const int8_t *a, const int8_t *b,
                                  const int32_t *bias, int8_t *output, void *scratch)
{
    const int32_t steps = (p->depth + 3) / 4;
    int32_t *start = scratch;
    eq_word *columns = (eq_word *)scratch + EQ_PRODUCT_COLUMNS;
    int8_t *last = (int8_t *)(columns + 2 * EQ_PRODUCT_COLUMNS * steps);
    /* The words of a row may reach over its end, which must not be the end of memory. */
    const int32_t apart = p->depth % 4 != 0 ? 1 : 0;
    eq_product_pass_dsp pass = {.columns = scratch,
                                .columns_end = columns + 2 * EQ_PRODUCT_COLUMNS * steps,
                                .output_pitch = p->columns,
                                .doubled = p->doubled,
                                .rounding = p->rounding,
                                .shift_1 = p->shift_1};
    if (apart) {
        memcpy(last, a + (p->rows - 1) * p->depth, (size_t)p->depth);
    }
    for (int32_t next = 0; next < p->columns; next += EQ_PRODUCT_COLUMNS) {
        const int32_t c = eq_min(next, p->columns - EQ_PRODUCT_COLUMNS);
        eq_product_columns_dsp(p, b + c * p->column_step2, bias != NULL ? bias + c : NULL, columns,
                               start);
        eq_product_pass_rows_dsp(p, &pass, a, p->rows - apart, output + c);
        if (apart) {
            eq_product_pass_rows_dsp(p, &pass, last, 1, output + (p->rows - 1) * p->columns + c);
        }
    }
}

/* `scratch` holds four columns, 16 bytes and 32 for every four values, and one row. */
EQ_KERNEL void eq_product_dsp_s8(const eq_product_dsp_params *p, const int8_t *input1,
                                 const int8_t *input2, int8_t *output, void *scratch)
{
    EQ_FOR_PAIRS(&p->batches, i, j)
    {
        eq_product_one_dsp(p, input1 + i, input2 + j, NULL, output, scratch);
        output += p->rows * p->columns;
    }
}

EQ_KERNEL void eq_product_bias_dsp_s8(const eq_product_dsp_params *p, const int8_t *input1,
                                      const int8_t *input2, const int32_t *bias, int8_t *output,
                                      void *scratch)
{
    eq_product_one_dsp(p, input1, input2, bias, output, scratch);
}

#endif
