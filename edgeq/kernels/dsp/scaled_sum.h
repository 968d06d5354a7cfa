/* ADD and SUB, int8, with or without broadcasting, for cores with the DSP extension.
 *
 * One factor per input and one shift give the bytes that the reference gets from three scalings:
 * the host finds factors for which that is so for all 65536 pairs of inputs, or takes another
 * kernel.
 */
#ifndef EQ_SCALED_SUM_DSP_H
#define EQ_SCALED_SUM_DSP_H

#include "eq_broadcast.h"
#include "eq_eights_dsp.h"
#include "eq_requantize_dsp.h"

typedef struct {
    eq_broadcast shape; /* the last axis: all of both inputs, or of input 1 with one of input 2 */
    int32_t factor1, factor2; /* of an input, with shift + 8 bits behind the point */
    int32_t constant;         /* zero points and one half, with `shift` bits behind the point */
    int32_t shift;
    int32_t eights; /* 1: of long rows, eight at a time; the shift is 16 then */
    int32_t activation_min, activation_max;
} eq_scaled_sum_dsp_params;

/* sum + factor * low half / 2^16 */
EQ_KERNEL int32_t eq_add_scaled_low(int32_t sum, int32_t factor, uint32_t pair)
{
    int32_t result;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(result) : "r"(factor), "r"(pair), "r"(sum));
    return result;
}

EQ_KERNEL int8_t eq_scaled_sum_end_dsp(const eq_scaled_sum_dsp_params *p, int32_t sum)
{
    int32_t x = eq_saturate_8_shifted(sum, p->shift);
    if (p->activation_min > INT8_MIN) {
        x = eq_max(x, p->activation_min);
    }
    if (p->activation_max < INT8_MAX) {
        x = eq_min(x, p->activation_max);
    }
    return (int8_t)x;
}

EQ_KERNEL void eq_scaled_sum_one_dsp(const eq_scaled_sum_dsp_params *p, int32_t sum, int8_t a,
                                     int8_t *output)
{
    *output =
        eq_scaled_sum_end_dsp(p, eq_add_scaled_low(sum, p->factor1, (uint32_t)(int32_t)a << 8));
}

/* Four sums of bytes 0 to 3. In one piece, since compilers put the results together in a register
 * instead of storing them: 22 instructions. */
#define EQ_SCALED_SUM_FOUR(right)                                                                  \
    case right:                                                                                    \
        __asm__ volatile("ldr %4, [%1], #4\n\t"                                                    \
                         "ldr %6, [%2], #4\n\t"                                                    \
                         "and %3, %10, %4, lsl #8\n\t"                                             \
                         "and %5, %10, %6, lsl #8\n\t"                                             \
                         "smlawb %7, %9, %5, %11\n\t"                                              \
                         "smlawb %7, %8, %3, %7\n\t"                                               \
                         "ssat %7, #8, %7, asr #" #right "\n\t"                                    \
                         "strb %7, [%0], #1\n\t"                                                   \
                         "and %4, %10, %4\n\t"                                                     \
                         "and %6, %10, %6\n\t"                                                     \
                         "smlawb %7, %9, %6, %11\n\t"                                              \
                         "smlawb %7, %8, %4, %7\n\t"                                               \
                         "ssat %7, #8, %7, asr #" #right "\n\t"                                    \
                         "strb %7, [%0], #1\n\t"                                                   \
                         "smlawt %5, %9, %5, %11\n\t"                                              \
                         "smlawt %5, %8, %3, %5\n\t"                                               \
                         "ssat %5, #8, %5, asr #" #right "\n\t"                                    \
                         "strb %5, [%0], #1\n\t"                                                   \
                         "smlawt %6, %9, %6, %11\n\t"                                              \
                         "smlawt %6, %8, %4, %6\n\t"                                               \
                         "ssat %6, #8, %6, asr #" #right "\n\t"                                    \
                         "strb %6, [%0], #1\n\t"                                                   \
                         : "+r"(output), "+r"(a), "+r"(b), "=&r"(even1), "=&r"(odd1),              \
                           "=&r"(even2), "=&r"(odd2), "=&r"(sum)                                   \
                         : "r"(p->factor1), "r"(p->factor2), "r"(mask), "r"(p->constant)           \
                         : "memory");                                                              \
        break;

/* The same with one value of input 2, which is in the sum that they start from. */
#define EQ_SCALED_SUM_FOUR_SPREAD(right)                                                           \
    case right:                                                                                    \
        __asm__ volatile("ldr %3, [%1], #4\n\t"                                                    \
                         "and %2, %6, %3, lsl #8\n\t"                                              \
                         "smlawb %4, %5, %2, %7\n\t"                                               \
                         "ssat %4, #8, %4, asr #" #right "\n\t"                                    \
                         "strb %4, [%0], #1\n\t"                                                   \
                         "and %3, %6, %3\n\t"                                                      \
                         "smlawb %4, %5, %3, %7\n\t"                                               \
                         "ssat %4, #8, %4, asr #" #right "\n\t"                                    \
                         "strb %4, [%0], #1\n\t"                                                   \
                         "smlawt %2, %5, %2, %7\n\t"                                               \
                         "ssat %2, #8, %2, asr #" #right "\n\t"                                    \
                         "strb %2, [%0], #1\n\t"                                                   \
                         "smlawt %3, %5, %3, %7\n\t"                                               \
                         "ssat %3, #8, %3, asr #" #right "\n\t"                                    \
                         "strb %3, [%0], #1\n\t"                                                   \
                         : "+r"(output), "+r"(a), "=&r"(even1), "=&r"(odd1), "=&r"(sum)            \
                         : "r"(p->factor1), "r"(mask), "r"(start)                                  \
                         : "memory");                                                              \
        break;

#define EQ_SCALED_SUM_EACH(step) step(16) step(17) step(18) step(19) step(20) step(21) step(22)

/* How many elements of a row go by fours. */
EQ_KERNEL int32_t eq_scaled_sum_fours_dsp(const eq_scaled_sum_dsp_params *p)
{
    const int full = p->activation_min == INT8_MIN && p->activation_max == INT8_MAX;
    return full ? p->shape.size[5] & ~3 : 0;
}

/* Four results of both inputs; moves all pointers on. */
EQ_KERNEL void eq_scaled_sum_four_dsp(const eq_scaled_sum_dsp_params *p, const int8_t **input1,
                                      const int8_t **input2, int8_t **result)
{
    const uint32_t mask = 0xFF00FF00u;
    const int8_t *a = *input1, *b = *input2;
    int8_t *output = *result;
    uint32_t even1, odd1, even2, odd2, sum;
    switch (p->shift) {
        EQ_SCALED_SUM_EACH(EQ_SCALED_SUM_FOUR)
    }
    *input1 = a;
    *input2 = b;
    *result = output;
}

/* Four results of input 1 and one value of input 2; moves the pointers on. */
EQ_KERNEL void eq_scaled_sum_four_spread_dsp(const eq_scaled_sum_dsp_params *p, int32_t start,
                                             const int8_t **input1, int8_t **result)
{
    const uint32_t mask = 0xFF00FF00u;
    const int8_t *a = *input1;
    int8_t *output = *result;
    uint32_t even1, odd1, sum;
    switch (p->shift) {
        EQ_SCALED_SUM_EACH(EQ_SCALED_SUM_FOUR_SPREAD)
    }
    *input1 = a;
    *result = output;
}

/* What the pass over eights adds up: with 128 more, since it saturates to unsigned bytes. */
EQ_KERNEL eq_eights_dsp eq_scaled_sum_part_dsp(const eq_scaled_sum_dsp_params *p, const int8_t *a,
                                               const int8_t *b, int8_t *output, int32_t count,
                                               int32_t constant)
{
    const int32_t lifted = 128 * (1 << 16);
    const eq_eights_dsp part = {
        a, b, output, a + count, p->factor1, p->factor2, constant + lifted, (int32_t)0xFF00FF00u};
    return part;
}

/* One row of both inputs. */
EQ_KERNEL void eq_scaled_sum_row_dsp(const eq_scaled_sum_dsp_params *p, const int8_t *a,
                                     const int8_t *b, int8_t *output)
{
    const int32_t fours = eq_scaled_sum_fours_dsp(p);
    const int8_t *fours_end = output + fours;
    const int8_t *end = output + p->shape.size[5];
    const int32_t count = p->eights ? eq_eights_count(p->shape.size[5], a, b, output) : 0;
    if (count > 0) {
        const eq_eights_dsp part = eq_scaled_sum_part_dsp(p, a, b, output, count, p->constant);
        eq_sums_dsp(&part);
        a += count;
        b += count;
        output += count;
    }
    if (fours & 4) {
        eq_scaled_sum_four_dsp(p, &a, &b, &output);
    }
    while (output != fours_end) {
        eq_scaled_sum_four_dsp(p, &a, &b, &output);
        eq_scaled_sum_four_dsp(p, &a, &b, &output);
    }
    while (output != end) {
        const uint32_t lifted = (uint32_t)(int32_t)*b++ << 8;
        const int32_t sum = eq_add_scaled_low(p->constant, p->factor2, lifted);
        eq_scaled_sum_one_dsp(p, sum, *a++, output++);
    }
}

/* One row of input 1, with one value of input 2. */
EQ_KERNEL void eq_scaled_sum_spread_dsp(const eq_scaled_sum_dsp_params *p, const int8_t *a,
                                        int8_t b, int8_t *output)
{
    const uint32_t lifted = (uint32_t)(int32_t)b << 8;
    const int32_t start = eq_add_scaled_low(p->constant, p->factor2, lifted);
    const int32_t fours = eq_scaled_sum_fours_dsp(p);
    const int8_t *fours_end = output + fours;
    const int8_t *end = output + p->shape.size[5];
    const int32_t count = p->eights ? eq_eights_count(p->shape.size[5], a, a, output) : 0;
    if (count > 0) {
        const eq_eights_dsp part = eq_scaled_sum_part_dsp(p, a, a, output, count, start);
        eq_sums_spread_dsp(&part);
        a += count;
        output += count;
    }
    if (fours & 4) {
        eq_scaled_sum_four_spread_dsp(p, start, &a, &output);
    }
    while (output != fours_end) {
        eq_scaled_sum_four_spread_dsp(p, start, &a, &output);
        eq_scaled_sum_four_spread_dsp(p, start, &a, &output);
    }
    while (output != end) {
        eq_scaled_sum_one_dsp(p, start, *a++, output++);
    }
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_sum_dsp_s8(const eq_scaled_sum_dsp_params *p, const int8_t *input1,
                                    const int8_t *input2, int8_t *output)
{
    EQ_FOR_PAIR_ROWS(&p->shape, i, j)
    {
        if (p->shape.step2[5] == 0) {
            eq_scaled_sum_spread_dsp(p, input1 + i, input2[j], output);
        } else {
            eq_scaled_sum_row_dsp(p, input1 + i, input2 + j, output);
        }
        output += p->shape.size[5];
    }
}

#endif
