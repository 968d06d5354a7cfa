/* MUL, int8, with or without broadcasting, for cores with the DSP extension.
 *
 * The reference rounds a product twice. Where one rounded multiplication gives the same bytes for
 * all 65536 pairs of inputs, as the host finds out, `shift` is 0. Where it takes a step between
 * products of either sign, and they fit 16 bits, one SMLAD of value and sign does. Otherwise there
 * are two roundings here as well.
 */
#ifndef EQ_SCALED_PRODUCT_DSP_H
#define EQ_SCALED_PRODUCT_DSP_H

#include "eq_broadcast.h"
#include "eq_eights_dsp.h"
#include "eq_requantize_dsp.h"

typedef struct {
    eq_broadcast shape; /* the last axis: all of both inputs, or of input 1 with one of input 2 */
    int32_t input1_offset, input2_offset;
    int32_t shift;    /* to the right, behind the factor; 0: none, and no second rounding; above 16:
                         of a sum with a step */
    int32_t factor;   /* of a product, Q32; with a shift 2 * multiplier - 2^32; with a step two of
                         int16: of the product, and of its upper half, -1 if it is negative */
    int32_t constant; /* of a sum with a step */
    int32_t output_offset;
    int32_t narrow; /* 1: before saturation every result and 128 more fit 16 bits */
    int32_t eights; /* 1: of long rows, eight at a time */
    int32_t activation_min, activation_max;
} eq_scaled_product_dsp_params;

/* offset + a * b, the high half of 64 bits, rounded, ties up. */
EQ_KERNEL int32_t eq_smmlar(int32_t a, int32_t b, int32_t offset)
{
    int32_t high;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(high) : "r"(a), "r"(b), "r"(offset));
    return high;
}

/* Bytes 0 and 2 (or 1 and 3) of four int8 values, with a pair of offsets added. */
EQ_KERNEL uint32_t eq_offset_even(uint32_t four, uint32_t offsets)
{
    uint32_t pair;
    __asm__("sxtab16 %0, %1, %2" : "=r"(pair) : "r"(offsets), "r"(four));
    return pair;
}

EQ_KERNEL uint32_t eq_offset_odd(uint32_t four, uint32_t offsets)
{
    uint32_t pair;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(pair) : "r"(offsets), "r"(four));
    return pair;
}

EQ_KERNEL int32_t eq_multiply_high(uint32_t a, uint32_t b)
{
    int32_t product;
    __asm__("smultt %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

EQ_KERNEL uint32_t eq_pair_offset(int32_t offset)
{
    return ((uint32_t)offset & 0xFFFF) * 0x10001u;
}

/* Two results as unsigned bytes with 128 added, in halves. */
EQ_KERNEL uint32_t eq_scaled_pair_dsp(const eq_scaled_product_dsp_params *p, uint32_t a, uint32_t b)
{
    const int32_t offset = p->output_offset + 128;
    const int32_t low = eq_smmlar(eq_multiply_low((int32_t)a, (int32_t)b), p->factor, offset);
    const int32_t high = eq_smmlar(eq_multiply_high(a, b), p->factor, offset);
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
    __asm__("usat16 %0, #8, %1" : "=r"(pair) : "r"(pair));
    return pair;
}

/* Four results: of `even` and `odd` values of input 2 with the offset added. */
EQ_KERNEL void eq_scaled_product_four_dsp(const eq_scaled_product_dsp_params *p, const int8_t *a,
                                          uint32_t even, uint32_t odd, int8_t *output)
{
    const uint32_t offsets = eq_pair_offset(p->input1_offset);
    uint32_t word;
    memcpy(&word, a, 4);
    const uint32_t first = eq_scaled_pair_dsp(p, eq_offset_even(word, offsets), even);
    const uint32_t second = eq_scaled_pair_dsp(p, eq_offset_odd(word, offsets), odd);
    word = (first | second << 8) ^ 0x80808080u;
    memcpy(output, &word, 4);
}

/* From a product to the output: %0, the factor %8, the rounding %9. */
#define EQ_SCALED_PRODUCT_END(product, right)                                                      \
    "smmlar " product ", " product ", %8, " product "\n\t"                                         \
    "add " product ", " product ", " product ", asr #31\n\t"                                       \
    "add " product ", " product ", %9\n\t"                                                         \
    "ssat " product ", #8, " product ", asr #" #right "\n\t"                                       \
    "strb " product ", [%0], #1\n\t"

#define EQ_STEPPED_END(product, right)                                                             \
    "smlad " product ", " product ", %8, %9\n\t"                                                   \
    "ssat " product ", #8, " product ", asr #" #right "\n\t"                                       \
    "strb " product ", [%0], #1\n\t"

/* Four products with two roundings, or with a step. In one piece, since compilers put the results
 * together in a register instead of storing them: 30 instructions, or 22. */
#define EQ_SCALED_PRODUCT_FOUR_OF(end, right)                                                      \
    case right:                                                                                    \
        __asm__ volatile(                                                                          \
            "ldr %4, [%1], #4\n\t"                                                                 \
            "ldr %6, [%2], #4\n\t"                                                                 \
            "sxtab16 %3, %10, %4\n\t"                                                              \
            "sxtab16 %5, %11, %6\n\t"                                                              \
            "sxtab16 %4, %10, %4, ror #8\n\t"                                                      \
            "sxtab16 %6, %11, %6, ror #8\n\t"                                                      \
            "smulbb %7, %3, %5\n\t" end(                                                           \
                "%7", right) "smulbb %7, %4, "                                                     \
                             "%6\n"                                                                \
                             "\t" end("%7", right) "smultt %3, %3, "                               \
                                                   "%5\n\t" end("%3", right) "smultt %4, "         \
                                                                             "%4, "                \
                                                                             "%6\n"                \
                                                                             "\t" end("%4", right) \
            : "+r"(output), "+r"(a), "+r"(b), "=&r"(even1), "=&r"(odd1), "=&r"(even2),             \
              "=&r"(odd2), "=&r"(product)                                                          \
            : "r"(p->factor), "r"(rounding), "r"(offsets1), "r"(offsets2)                          \
            : "memory");                                                                           \
        break;

/* The same with one value of input 2, twice in a word. */
#define EQ_SCALED_PRODUCT_FOUR_SPREAD_OF(end, right)                                               \
    case right:                                                                                    \
        __asm__ volatile(                                                                          \
            "ldr %4, [%1], #4\n\t"                                                                 \
            "sxtab16 %3, %5, %4\n\t"                                                               \
            "sxtab16 %4, %5, %4, ror #8\n\t"                                                       \
            "smulbb %2, %3, %6\n\t" end(                                                           \
                "%2", right) "smulbb %2, %4, "                                                     \
                             "%6\n"                                                                \
                             "\t" end("%2", right) "smultb %3, %3, "                               \
                                                   "%6\n\t" end("%3", right) "smultb %4, "         \
                                                                             "%4, "                \
                                                                             "%6\n"                \
                                                                             "\t" end("%4", right) \
            : "+r"(output), "+r"(a), "=&r"(product), "=&r"(even1), "=&r"(odd1)                     \
            : "r"(offsets1), "r"(value), "r"(0), "r"(p->factor), "r"(rounding)                     \
            : "memory");                                                                           \
        break;

#define EQ_SCALED_PRODUCT_FOUR(right) EQ_SCALED_PRODUCT_FOUR_OF(EQ_SCALED_PRODUCT_END, right)
#define EQ_SCALED_PRODUCT_FOUR_SPREAD(right)                                                       \
    EQ_SCALED_PRODUCT_FOUR_SPREAD_OF(EQ_SCALED_PRODUCT_END, right)
#define EQ_STEPPED_FOUR(right) EQ_SCALED_PRODUCT_FOUR_OF(EQ_STEPPED_END, right)
#define EQ_STEPPED_FOUR_SPREAD(right) EQ_SCALED_PRODUCT_FOUR_SPREAD_OF(EQ_STEPPED_END, right)

#define EQ_SCALED_PRODUCT_EACH(step)                                                               \
    step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)      \
        step(12) step(13) step(14) step(15) step(16)

/* Whether factors, and the constant, are of a sum with a step: EQ_STEPPED_EACH. */
EQ_KERNEL int eq_scaled_product_has_step(const eq_scaled_product_dsp_params *p)
{
    return p->shift > 16;
}

/* Zero point and one half, to be added before the shift; or the constant of a sum with a step. */
EQ_KERNEL int32_t eq_scaled_product_rounding_dsp(const eq_scaled_product_dsp_params *p)
{
    if (eq_scaled_product_has_step(p)) {
        return p->constant;
    }
    return p->shift > 0 ? (2 * p->output_offset + 1) * (1 << (p->shift - 1)) : 0;
}

EQ_KERNEL int8_t eq_scaled_product_one_dsp(const eq_scaled_product_dsp_params *p, int32_t a,
                                           int32_t b)
{
    const int32_t product = (a + p->input1_offset) * (b + p->input2_offset);
    int32_t x;
    if (eq_scaled_product_has_step(p)) {
        __asm__("smlad %0, %1, %2, %3" : "=r"(x) : "r"(product), "r"(p->factor), "r"(p->constant));
        x >>= p->shift;
    } else if (p->shift > 0) {
        x = eq_smmlar(product, p->factor, product);
        x = (x + (x >> 31) + eq_scaled_product_rounding_dsp(p)) >> p->shift;
    } else {
        x = eq_smmlar(product, p->factor, p->output_offset);
    }
    x = eq_saturate_8(x);
    if (p->activation_min > INT8_MIN) {
        x = eq_max(x, p->activation_min);
    }
    if (p->activation_max < INT8_MAX) {
        x = eq_min(x, p->activation_max);
    }
    return (int8_t)x;
}

/* Four results of both inputs; moves all pointers on. */
EQ_KERNEL void eq_scaled_product_fours_dsp(const eq_scaled_product_dsp_params *p,
                                           const int8_t **input1, const int8_t **input2,
                                           int8_t **result)
{
    const int32_t rounding = eq_scaled_product_rounding_dsp(p);
    const uint32_t offsets1 = eq_pair_offset(p->input1_offset);
    const uint32_t offsets2 = eq_pair_offset(p->input2_offset);
    const int8_t *a = *input1, *b = *input2;
    int8_t *output = *result;
    uint32_t even1, odd1, even2, odd2, product;
    switch (p->shift) {
        EQ_SCALED_PRODUCT_EACH(EQ_SCALED_PRODUCT_FOUR)
        EQ_STEPPED_EACH(EQ_STEPPED_FOUR)
    default:
        memcpy(&even2, b, 4);
        eq_scaled_product_four_dsp(p, a, eq_offset_even(even2, offsets2),
                                   eq_offset_odd(even2, offsets2), output);
        a += 4;
        b += 4;
        output += 4;
        break;
    }
    *input1 = a;
    *input2 = b;
    *result = output;
}

/* Four results of input 1 and one value of input 2, offset added; moves the pointers on. */
EQ_KERNEL void eq_scaled_product_spread_fours_dsp(const eq_scaled_product_dsp_params *p,
                                                  uint32_t value, const int8_t **input1,
                                                  int8_t **result)
{
    const int32_t rounding = eq_scaled_product_rounding_dsp(p);
    const uint32_t offsets1 = eq_pair_offset(p->input1_offset);
    const int8_t *a = *input1;
    int8_t *output = *result;
    uint32_t even1, odd1, product;
    switch (p->shift) {
        EQ_SCALED_PRODUCT_EACH(EQ_SCALED_PRODUCT_FOUR_SPREAD)
        EQ_STEPPED_EACH(EQ_STEPPED_FOUR_SPREAD)
    default:
        eq_scaled_product_four_dsp(p, a, value, value, output);
        a += 4;
        output += 4;
        break;
    }
    *input1 = a;
    *result = output;
}

/* How many elements of a row go by fours. */
EQ_KERNEL int32_t eq_scaled_product_count_dsp(const eq_scaled_product_dsp_params *p)
{
    const int full = p->activation_min == INT8_MIN && p->activation_max == INT8_MAX;
    return full && (p->shift > 0 || p->narrow) ? p->shape.size[5] & ~3 : 0;
}

#define EQ_SCALED_PRODUCT_PASS(right)                                                              \
    case right:                                                                                    \
        eq_products_##right##_dsp(&part);                                                          \
        break;
#define EQ_SCALED_PRODUCT_PASS_SPREAD(right)                                                       \
    case right:                                                                                    \
        eq_products_spread_##right##_dsp(&part);                                                   \
        break;
#define EQ_STEPPED_PASS(right)                                                                     \
    case right:                                                                                    \
        eq_stepped_##right##_dsp(&part);                                                           \
        break;
#define EQ_STEPPED_PASS_SPREAD(right)                                                              \
    case right:                                                                                    \
        eq_stepped_spread_##right##_dsp(&part);                                                    \
        break;

/* A part of a row, eight results at a time. With one rounding they are saturated to unsigned bytes,
 * so 128 is added; with two, products are doubled instead of the multiplier. */
EQ_KERNEL void eq_scaled_product_eights_dsp(const eq_scaled_product_dsp_params *p, const int8_t *a,
                                            const int8_t *b, int8_t *output, int32_t count)
{
    const int32_t first = (int32_t)eq_pair_offset(p->input1_offset);
    const int32_t second = (int32_t)eq_pair_offset(p->input2_offset);
    if (eq_scaled_product_has_step(p)) {
        const eq_eights_dsp part = {a, b, output, a + count, p->factor, first, second, p->constant};
        switch (p->shift) {
            EQ_STEPPED_EACH(EQ_STEPPED_PASS)
        }
    } else if (p->shift > 0) {
        const eq_eights_dsp part = {a,
                                    b,
                                    output,
                                    a + count,
                                    (int32_t)((uint32_t)p->factor >> 1),
                                    first,
                                    second,
                                    eq_scaled_product_rounding_dsp(p)};
        switch (p->shift) {
            EQ_EIGHTS_EACH_SHIFT(EQ_SCALED_PRODUCT_PASS)
        }
    } else {
        const eq_eights_dsp part = {a,         b,     output, a + count,
                                    p->factor, first, second, p->output_offset + 128};
        eq_products_dsp(&part);
    }
}

/* The same with one value of input 2, offset added. */
EQ_KERNEL void eq_scaled_product_spread_eights_dsp(const eq_scaled_product_dsp_params *p,
                                                   const int8_t *a, int32_t value, int8_t *output,
                                                   int32_t count)
{
    const int32_t first = (int32_t)eq_pair_offset(p->input1_offset);
    if (eq_scaled_product_has_step(p)) {
        const eq_eights_dsp part = {
            a, a, output, a + count, p->factor, first, (int32_t)eq_pair_offset(value), p->constant};
        switch (p->shift) {
            EQ_STEPPED_EACH(EQ_STEPPED_PASS_SPREAD)
        }
    } else if (p->shift > 0) {
        const eq_eights_dsp part = {a,
                                    a,
                                    output,
                                    a + count,
                                    (int32_t)((uint32_t)p->factor >> 1),
                                    first,
                                    (int32_t)eq_pair_offset(2 * value),
                                    eq_scaled_product_rounding_dsp(p)};
        switch (p->shift) {
            EQ_EIGHTS_EACH_SHIFT(EQ_SCALED_PRODUCT_PASS_SPREAD)
        }
    } else {
        const eq_eights_dsp part = {a,
                                    a,
                                    output,
                                    a + count,
                                    p->factor,
                                    first,
                                    (int32_t)eq_pair_offset(value),
                                    p->output_offset + 128};
        eq_products_spread_dsp(&part);
    }
}

/* One row of both inputs. */
EQ_KERNEL void eq_scaled_product_row_dsp(const eq_scaled_product_dsp_params *p, const int8_t *a,
                                         const int8_t *b, int8_t *output)
{
    const int32_t fours = eq_scaled_product_count_dsp(p);
    const int8_t *fours_end = output + fours;
    const int8_t *end = output + p->shape.size[5];
    const int32_t count = p->eights ? eq_eights_count(p->shape.size[5], a, b, output) : 0;
    if (count > 0) {
        eq_scaled_product_eights_dsp(p, a, b, output, count);
        a += count;
        b += count;
        output += count;
    }
    if (fours & 4) {
        eq_scaled_product_fours_dsp(p, &a, &b, &output);
    }
    while (output != fours_end) {
        eq_scaled_product_fours_dsp(p, &a, &b, &output);
        eq_scaled_product_fours_dsp(p, &a, &b, &output);
    }
    while (output != end) {
        *output++ = eq_scaled_product_one_dsp(p, *a++, *b++);
    }
}

/* One row of input 1, with one value of input 2. */
EQ_KERNEL void eq_scaled_product_spread_dsp(const eq_scaled_product_dsp_params *p, const int8_t *a,
                                            int8_t b, int8_t *output)
{
    const uint32_t value = eq_pair_offset(b + p->input2_offset);
    const int32_t fours = eq_scaled_product_count_dsp(p);
    const int8_t *fours_end = output + fours;
    const int8_t *end = output + p->shape.size[5];
    const int32_t count = p->eights ? eq_eights_count(p->shape.size[5], a, a, output) : 0;
    if (count > 0) {
        eq_scaled_product_spread_eights_dsp(p, a, b + p->input2_offset, output, count);
        a += count;
        output += count;
    }
    if (fours & 4) {
        eq_scaled_product_spread_fours_dsp(p, value, &a, &output);
    }
    while (output != fours_end) {
        eq_scaled_product_spread_fours_dsp(p, value, &a, &output);
        eq_scaled_product_spread_fours_dsp(p, value, &a, &output);
    }
    while (output != end) {
        *output++ = eq_scaled_product_one_dsp(p, *a++, b);
    }
}

/* The output may be written over an input that is not spread. */
EQ_KERNEL void eq_scaled_product_dsp_s8(const eq_scaled_product_dsp_params *p, const int8_t *input1,
                                        const int8_t *input2, int8_t *output)
{
    EQ_FOR_PAIR_ROWS(&p->shape, i, j)
    {
        if (p->shape.step2[5] == 0) {
            eq_scaled_product_spread_dsp(p, input1 + i, input2[j], output);
        } else {
            eq_scaled_product_row_dsp(p, input1 + i, input2 + j, output);
        }
        output += p->shape.size[5];
    }
}

#endif
