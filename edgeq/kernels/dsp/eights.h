/* Elementwise int8 arithmetic of two tensors, or of one with a value, eight results at a time on
 * cores with the DSP extension: words are loaded and stored in pairs, and results are shifted,
 * saturated and put together two at a time.
 *
 * 39 instructions for eight results; 41 where products of either sign lie on lines of their own, 53
 * where they are rounded twice. That takes all fourteen registers, so these are functions in
 * assembly.
 */
#ifndef EQ_EIGHTS_DSP_H
#define EQ_EIGHTS_DSP_H

#include "eq_base.h"

/* Results of one turn of the loop. */
#define EQ_EIGHTS_TURN 32

/* A part of a row, and the numbers that its arithmetic takes. The assembly reads it by position;
 * addresses are multiples of four. */
typedef struct {
    const int8_t *a, *b;
    int8_t *output;
    const int8_t *a_end; /* a whole number of turns behind a, one at least */
    int32_t r4, r5, r6, r7;
} eq_eights_dsp;

/* Results of two words and one, r0 and lr with 128 added and unsigned, as a word of int8. */
#define EQ_EIGHTS_PUT(word)                                                                        \
    "usat16 r0, #8, r0\n\t"                                                                        \
    "usat16 lr, #8, lr\n\t"                                                                        \
    "orr " word ", r0, lr, lsl #8\n\t"                                                             \
    "eor " word ", " word ", #0x80808080\n\t"

/* Sums: r4 and r5 are the factors, with 24 bits behind the point, r6 the constant, with 16. */
#define EQ_EIGHTS_SUM(a, b)                                                                        \
    "and r12, r7, " a ", lsl #8\n\t"                                                               \
    "and lr, r7, " b ", lsl #8\n\t"                                                                \
    "smlawb r0, r5, lr, r6\n\t"                                                                    \
    "smlawt lr, r5, lr, r6\n\t"                                                                    \
    "smlawb r0, r4, r12, r0\n\t"                                                                   \
    "smlawt lr, r4, r12, lr\n\t"                                                                   \
    "and " a ", " a ", r7\n\t"                                                                     \
    "and " b ", " b ", r7\n\t"                                                                     \
    "pkhtb r0, lr, r0, asr #16\n\t"                                                                \
    "smlawb r12, r5, " b ", r6\n\t"                                                                \
    "smlawt lr, r5, " b ", r6\n\t"                                                                 \
    "smlawb r12, r4, " a ", r12\n\t"                                                               \
    "smlawt lr, r4, " a ", lr\n\t"                                                                 \
    "pkhtb lr, lr, r12, asr #16\n\t" EQ_EIGHTS_PUT(a)

/* Sums with one value, which is in r6. */
#define EQ_EIGHTS_SUM_SPREAD(a, b)                                                                 \
    "and lr, r7, " a ", lsl #8\n\t"                                                                \
    "smlawb r0, r4, lr, r6\n\t"                                                                    \
    "smlawt lr, r4, lr, r6\n\t"                                                                    \
    "and " a ", " a ", r7\n\t"                                                                     \
    "pkhtb r0, lr, r0, asr #16\n\t"                                                                \
    "smlawb r12, r4, " a ", r6\n\t"                                                                \
    "smlawt lr, r4, " a ", r6\n\t"                                                                 \
    "pkhtb lr, lr, r12, asr #16\n\t" EQ_EIGHTS_PUT(a)

/* Products: r4 the factor, r5 and r6 pairs of offsets of the inputs, r7 the output's. */
#define EQ_EIGHTS_PRODUCT(a, b)                                                                    \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "sxtab16 lr, r6, " b "\n\t"                                                                    \
    "smulbb r0, r12, lr\n\t"                                                                       \
    "smultt lr, r12, lr\n\t"                                                                       \
    "smmlar r0, r0, r4, r7\n\t"                                                                    \
    "smmlar lr, lr, r4, r7\n\t"                                                                    \
    "sxtab16 " a ", r5, " a ", ror #8\n\t"                                                         \
    "sxtab16 " b ", r6, " b ", ror #8\n\t"                                                         \
    "pkhbt r0, r0, lr, lsl #16\n\t"                                                                \
    "smulbb r12, " a ", " b "\n\t"                                                                 \
    "smultt lr, " a ", " b "\n\t"                                                                  \
    "smmlar r12, r12, r4, r7\n\t"                                                                  \
    "smmlar lr, lr, r4, r7\n\t"                                                                    \
    "pkhbt lr, r12, lr, lsl #16\n\t" EQ_EIGHTS_PUT(a)

/* Products with one value, r6 a pair of it. */
#define EQ_EIGHTS_PRODUCT_SPREAD(a, b)                                                             \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "smulbb r0, r12, r6\n\t"                                                                       \
    "smultb lr, r12, r6\n\t"                                                                       \
    "smmlar r0, r0, r4, r7\n\t"                                                                    \
    "smmlar lr, lr, r4, r7\n\t"                                                                    \
    "sxtab16 " a ", r5, " a ", ror #8\n\t"                                                         \
    "pkhbt r0, r0, lr, lsl #16\n\t"                                                                \
    "smulbb r12, " a ", r6\n\t"                                                                    \
    "smultb lr, " a ", r6\n\t"                                                                     \
    "smmlar r12, r12, r4, r7\n\t"                                                                  \
    "smmlar lr, lr, r4, r7\n\t"                                                                    \
    "pkhbt lr, r12, lr, lsl #16\n\t" EQ_EIGHTS_PUT(a)

/* Doubled products r0, lr, r12 and b (of bytes 0, 2, 1 and 3) with two roundings as the reference
 * has them: r4 the multiplier, r7 zero point and one half; negative ones get one less. */
#define EQ_EIGHTS_ROUND(product, spare)                                                            \
    "add " spare ", r7, " product ", asr #31\n\t"                                                  \
    "smmlar " product ", " product ", r4, " spare "\n\t"
#define EQ_EIGHTS_PUT_ROUNDED(a, b, right)                                                         \
    "ssat " a ", #8, r0, asr #" right "\n\t"                                                       \
    "ssat r12, #8, r12, asr #" right "\n\t"                                                        \
    "ssat lr, #8, lr, asr #" right "\n\t"                                                          \
    "ssat " b ", #8, " b ", asr #" right "\n\t"                                                    \
    "bfi " a ", r12, #8, #8\n\t"                                                                   \
    "bfi " a ", lr, #16, #8\n\t"                                                                   \
    "bfi " a ", " b ", #24, #8\n\t"
#define EQ_EIGHTS_ROUNDED(a, b, right)                                                             \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "sxtab16 lr, r6, " b "\n\t"                                                                    \
    "sadd16 r12, r12, r12\n\t"                                                                     \
    "smulbb r0, r12, lr\n\t"                                                                       \
    "smultt lr, r12, lr\n\t" EQ_EIGHTS_ROUND("r0", "r12")                                          \
        EQ_EIGHTS_ROUND("lr", "r12") "sxtab16 " a ", r5, " a ", ror #8\n\t"                        \
                                     "sxtab16 " b ", r6, " b ", ror #8\n\t"                        \
                                     "sadd16 " a ", " a ", " a "\n\t"                              \
                                     "smulbb r12, " a ", " b "\n\t"                                \
                                     "smultt " b ", " a ", " b "\n\t" EQ_EIGHTS_ROUND("r12", a)    \
                                         EQ_EIGHTS_ROUND(b, a) EQ_EIGHTS_PUT_ROUNDED(a, b, right)

/* The same with one value, r6 a pair of its double. */
#define EQ_EIGHTS_ROUNDED_SPREAD(a, b, right)                                                      \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "smulbb r0, r12, r6\n\t"                                                                       \
    "smultb lr, r12, r6\n\t" EQ_EIGHTS_ROUND("r0", "r12")                                          \
        EQ_EIGHTS_ROUND("lr", "r12") "sxtab16 " a ", r5, " a ", ror #8\n\t"                        \
                                     "smulbb r12, " a ", r6\n\t"                                   \
                                     "smultb " b ", " a ", r6\n\t" EQ_EIGHTS_ROUND("r12", a)       \
                                         EQ_EIGHTS_ROUND(b, a) EQ_EIGHTS_PUT_ROUNDED(a, b, right)

/* Products of which r4 holds the factors of value and sign, r7 what is added. */
#define EQ_EIGHTS_STEPPED(a, b, right)                                                             \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "sxtab16 lr, r6, " b "\n\t"                                                                    \
    "smulbb r0, r12, lr\n\t"                                                                       \
    "smultt lr, r12, lr\n\t"                                                                       \
    "sxtab16 " a ", r5, " a ", ror #8\n\t"                                                         \
    "sxtab16 " b ", r6, " b ", ror #8\n\t"                                                         \
    "smulbb r12, " a ", " b "\n\t"                                                                 \
    "smultt " b ", " a ", " b "\n\t" EQ_EIGHTS_STEPS(b) EQ_EIGHTS_PUT_ROUNDED(a, b, right)

/* The same with one value, r6 a pair of it. */
#define EQ_EIGHTS_STEPPED_SPREAD(a, b, right)                                                      \
    "sxtab16 r12, r5, " a "\n\t"                                                                   \
    "smulbb r0, r12, r6\n\t"                                                                       \
    "smultb lr, r12, r6\n\t"                                                                       \
    "sxtab16 " a ", r5, " a ", ror #8\n\t"                                                         \
    "smulbb r12, " a ", r6\n\t"                                                                    \
    "smultb " b ", " a ", r6\n\t" EQ_EIGHTS_STEPS(b) EQ_EIGHTS_PUT_ROUNDED(a, b, right)

#define EQ_EIGHTS_STEPS(last)                                                                      \
    "smlad r0, r0, r4, r7\n\t"                                                                     \
    "smlad lr, lr, r4, r7\n\t"                                                                     \
    "smlad r12, r12, r4, r7\n\t"                                                                   \
    "smlad " last ", " last ", r4, r7\n\t"

#define EQ_EIGHTS_BOTH "ldrd r10, r11, [r2], #8\n\t"
#define EQ_EIGHTS_ONE

/* The end of a is on the stack. */
#define EQ_EIGHTS(load, first, second)                                                             \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldrd r1, r2, [r0]\n\t"                                                       \
                     "ldrd r3, r12, [r0, #8]\n\t"                                                  \
                     "ldrd r4, r5, [r0, #16]\n\t"                                                  \
                     "ldrd r6, r7, [r0, #24]\n\t"                                                  \
                     "push {r12}\n\t"                                                              \
                     "1:\n\t"                                                                      \
                     ".rept 4\n\t"                                                                 \
                     "ldrd r8, r9, [r1], #8\n\t" load first second "strd r8, r9, [r3], #8\n\t"     \
                     ".endr\n\t"                                                                   \
                     "ldr r0, [sp]\n\t"                                                            \
                     "cmp r1, r0\n\t"                                                              \
                     "bne.w 1b\n\t"                                                                \
                     "add sp, #4\n\t"                                                              \
                     "pop {r4-r11, pc}")

EQ_NAKED static void eq_sums_dsp(const eq_eights_dsp *part EQ_UNUSED)
{
    EQ_EIGHTS(EQ_EIGHTS_BOTH, EQ_EIGHTS_SUM("r8", "r10"), EQ_EIGHTS_SUM("r9", "r11"));
}

EQ_NAKED static void eq_sums_spread_dsp(const eq_eights_dsp *part EQ_UNUSED)
{
    EQ_EIGHTS(EQ_EIGHTS_ONE, EQ_EIGHTS_SUM_SPREAD("r8", "r10"), EQ_EIGHTS_SUM_SPREAD("r9", "r11"));
}

EQ_NAKED static void eq_products_dsp(const eq_eights_dsp *part EQ_UNUSED)
{
    EQ_EIGHTS(EQ_EIGHTS_BOTH, EQ_EIGHTS_PRODUCT("r8", "r10"), EQ_EIGHTS_PRODUCT("r9", "r11"));
}

EQ_NAKED static void eq_products_spread_dsp(const eq_eights_dsp *part EQ_UNUSED)
{
    EQ_EIGHTS(EQ_EIGHTS_ONE, EQ_EIGHTS_PRODUCT_SPREAD("r8", "r10"),
              EQ_EIGHTS_PRODUCT_SPREAD("r9", "r11"));
}

/* One pair of functions for each right shift, which stands in the instructions. */
#define EQ_EIGHTS_SHIFTED(right)                                                                   \
    EQ_NAKED static void eq_products_##right##_dsp(const eq_eights_dsp *part EQ_UNUSED)            \
    {                                                                                              \
        EQ_EIGHTS(EQ_EIGHTS_BOTH, EQ_EIGHTS_ROUNDED("r8", "r10", #right),                          \
                  EQ_EIGHTS_ROUNDED("r9", "r11", #right));                                         \
    }                                                                                              \
    EQ_NAKED static void eq_products_spread_##right##_dsp(const eq_eights_dsp *part EQ_UNUSED)     \
    {                                                                                              \
        EQ_EIGHTS(EQ_EIGHTS_ONE, EQ_EIGHTS_ROUNDED_SPREAD("r8", "r10", #right),                    \
                  EQ_EIGHTS_ROUNDED_SPREAD("r9", "r11", #right));                                  \
    }

#define EQ_EIGHTS_EACH_SHIFT(step)                                                                 \
    step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)      \
        step(12) step(13) step(14) step(15) step(16)

EQ_EIGHTS_EACH_SHIFT(EQ_EIGHTS_SHIFTED)

#define EQ_EIGHTS_STEPPED_SHIFTED(right)                                                           \
    EQ_NAKED static void eq_stepped_##right##_dsp(const eq_eights_dsp *part EQ_UNUSED)             \
    {                                                                                              \
        EQ_EIGHTS(EQ_EIGHTS_BOTH, EQ_EIGHTS_STEPPED("r8", "r10", #right),                          \
                  EQ_EIGHTS_STEPPED("r9", "r11", #right));                                         \
    }                                                                                              \
    EQ_NAKED static void eq_stepped_spread_##right##_dsp(const eq_eights_dsp *part EQ_UNUSED)      \
    {                                                                                              \
        EQ_EIGHTS(EQ_EIGHTS_ONE, EQ_EIGHTS_STEPPED_SPREAD("r8", "r10", #right),                    \
                  EQ_EIGHTS_STEPPED_SPREAD("r9", "r11", #right));                                  \
    }

#define EQ_STEPPED_EACH(step)                                                                      \
    step(17) step(18) step(19) step(20) step(21) step(22) step(23) step(24)

EQ_STEPPED_EACH(EQ_EIGHTS_STEPPED_SHIFTED)

/* How many results of a row of `size` these functions can give; `b` is null where it is spread. */
EQ_KERNEL int32_t eq_eights_count(int32_t size, const int8_t *a, const int8_t *b,
                                  const int8_t *output)
{
    const uintptr_t addresses = (uintptr_t)a | (uintptr_t)b | (uintptr_t)output;
    return addresses % 4 == 0 ? size & -EQ_EIGHTS_TURN : 0;
}

#endif
