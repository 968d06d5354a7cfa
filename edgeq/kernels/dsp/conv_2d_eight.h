/* CONV_2D, int8, 1x1 with stride 1 on eight input channels, for cores with the DSP extension.
 *
 * With so few inputs a layer spends its time on what is done once per output. Here the inputs of a
 * pixel or two stay widened in registers while all channels pass by, each with weights of 16 bits:
 * 10 instructions an output, requantization among them, and 11 if outputs may have either sign.
 */
#ifndef EQ_CONV_2D_EIGHT_DSP_H
#define EQ_CONV_2D_EIGHT_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_EIGHT_INPUTS 8
#define EQ_EIGHT_SIGNED_WORDS 8
#define EQ_EIGHT_MERGED_WORDS 7

typedef struct {
    int32_t pixels, output_c; /* an even number of channels */
    int32_t merged;           /* 1: both roundings are one */
} eq_conv_2d_eight_dsp_params;

/* What a pass over pixels works on. The assembly reads it by position. */
typedef struct {
    const int8_t *input;        /* 0 */
    const int8_t *input_end;    /* 4 */
    const eq_word *weights;     /* 8 */
    const eq_word *weights_end; /* 12 */
    int32_t second;             /* 16: output_c - 1, from the end of an output to its neighbour's */
} eq_eight_dsp;

#define EQ_EIGHT_SUM                                                                               \
    "ldmia.w r0!, {r8, r9, r10, r11, r12}\n\t"                                                     \
    "smlad r12, r8, r4, r12\n\t"                                                                   \
    "smlad r12, r9, r5, r12\n\t"                                                                   \
    "smlad r12, r10, r6, r12\n\t"                                                                  \
    "smlad r12, r11, r7, r12\n\t"

/* Sums are doubled: a negative one takes one from what is added to the rounded high half. */
#define EQ_EIGHT_SIGNED                                                                            \
    EQ_EIGHT_SUM "ldmia.w r0!, {r8, r9, r10}\n\t"                                                  \
                 "add r9, r9, r12, asr #31\n\t"                                                    \
                 "smmlar r12, r12, r8, r9\n\t"                                                     \
                 "asr r12, r12, r10\n\t"                                                           \
                 "ssat r12, #8, r12, asr #1\n\t"                                                   \
                 "strb r12, [r1], #1\n\t"

#define EQ_EIGHT(channel)                                                                          \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldmia.w r0, {r4, r5, r6, r7}\n\t"                                            \
                     "mov lr, r7\n\t"                                                              \
                     "push {r4, r5, r6, r7}\n\t"                                                   \
                     "1:\n\t"                                                                      \
                     "ldr r2, [sp]\n\t"                                                            \
                     "ldr r4, [r2], #4\n\t"                                                        \
                     "ldr r6, [r2], #4\n\t"                                                        \
                     "str r2, [sp]\n\t"                                                            \
                     "sxtb16 r5, r4, ror #8\n\t"                                                   \
                     "sxtb16 r4, r4\n\t"                                                           \
                     "sxtb16 r7, r6, ror #8\n\t"                                                   \
                     "sxtb16 r6, r6\n\t"                                                           \
                     "ldr r0, [sp, #8]\n\t"                                                        \
                     "2:\n\t" channel channel "cmp r0, lr\n\t"                                     \
                     "bne 2b\n\t"                                                                  \
                     "ldrd r2, r3, [sp]\n\t"                                                       \
                     "cmp r2, r3\n\t"                                                              \
                     "bne 1b\n\t"                                                                  \
                     "add sp, #16\n\t"                                                             \
                     "pop {r4-r11, pc}")

static EQ_NAKED void eq_eight_signed_dsp(const eq_eight_dsp *pass __attribute__((unused)),
                                         int8_t *output __attribute__((unused)))
{
    EQ_EIGHT(EQ_EIGHT_SIGNED);
}

/* Both roundings in one (see eq_depthwise_pairs_dsp.h), and two pixels at a time: r4 to r7 are the
 * inputs of the first, r8 to r11 those of the second. */
#define EQ_EIGHT_PAIR                                                                              \
    "ldr r12, [r0], #4\n\t"                                                                        \
    "ldrd r2, r3, [r0], #8\n\t"                                                                    \
    "smlad lr, r2, r8, r12\n\t"                                                                    \
    "smlad r12, r2, r4, r12\n\t"                                                                   \
    "smlad lr, r3, r9, lr\n\t"                                                                     \
    "smlad r12, r3, r5, r12\n\t"                                                                   \
    "ldrd r2, r3, [r0], #8\n\t"                                                                    \
    "smlad lr, r2, r10, lr\n\t"                                                                    \
    "smlad r12, r2, r6, r12\n\t"                                                                   \
    "smlad lr, r3, r11, lr\n\t"                                                                    \
    "smlad r12, r3, r7, r12\n\t"                                                                   \
    "ldrd r2, r3, [r0], #8\n\t"                                                                    \
    "smmla r12, r12, r2, r3\n\t"                                                                   \
    "smmla lr, lr, r2, r3\n\t"                                                                     \
    "ssat r12, #8, r12, asr #10\n\t"                                                               \
    "ssat lr, #8, lr, asr #10\n\t"

/* On the stack: input 0, input_end 4, output_c - 1 8, weights_end 12, weights 16. */
static EQ_NAKED void eq_eight_merged_dsp(const eq_eight_dsp *pass __attribute__((unused)),
                                         int8_t *output __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "ldmia.w r0, {r4, r5, r6, r7, r8}\n\t"
                     "sub sp, #20\n\t"
                     "stmia.w sp, {r4, r5, r8}\n\t"
                     "strd r7, r6, [sp, #12]\n\t"
                     "1:\n\t"
                     "ldr r2, [sp]\n\t"
                     "ldr r4, [r2], #4\n\t"
                     "ldr r6, [r2], #4\n\t"
                     "ldr r8, [r2], #4\n\t"
                     "ldr r10, [r2], #4\n\t"
                     "str r2, [sp]\n\t"
                     "sxtb16 r5, r4, ror #8\n\t"
                     "sxtb16 r4, r4\n\t"
                     "sxtb16 r7, r6, ror #8\n\t"
                     "sxtb16 r6, r6\n\t"
                     "sxtb16 r9, r8, ror #8\n\t"
                     "sxtb16 r8, r8\n\t"
                     "sxtb16 r11, r10, ror #8\n\t"
                     "sxtb16 r10, r10\n\t"
                     "ldr r0, [sp, #16]\n\t"
                     "2:\n\t" EQ_EIGHT_PAIR "ldr r2, [sp, #8]\n\t"
                     "strb r12, [r1], #1\n\t"
                     "strb lr, [r1, r2]\n\t" EQ_EIGHT_PAIR "ldrd r2, r3, [sp, #8]\n\t"
                     "strb r12, [r1], #1\n\t"
                     "strb lr, [r1, r2]\n\t"
                     "cmp r0, r3\n\t"
                     "bne 2b\n\t"
                     "add r1, r1, r2\n\t"
                     "add r1, #1\n\t"
                     "ldrd r2, r3, [sp]\n\t"
                     "cmp r2, r3\n\t"
                     "bne 1b\n\t"
                     "add sp, #20\n\t"
                     "pop {r4-r11, pc}");
}

/* `weights`: of each channel four words of two taps, 0 and 2, 1 and 3, 4 and 6, 5 and 7, and the
 * bias, all times a power of two, which is two for outputs of either sign; the multiplier; what is
 * added; and for outputs of either sign the shift less 1. For merged roundings the bias comes
 * first, and there is an even number of pixels. What is made at once is read before it is written.
 */
EQ_KERNEL void eq_conv_2d_eight_dsp_s8(const eq_conv_2d_eight_dsp_params *p, const int8_t *input,
                                       const uint32_t *weights, int8_t *output)
{
    const int32_t channel_words = p->merged ? EQ_EIGHT_MERGED_WORDS : EQ_EIGHT_SIGNED_WORDS;
    const eq_eight_dsp pass = {.input = input,
                               .input_end = input + p->pixels * EQ_EIGHT_INPUTS,
                               .weights = weights,
                               .weights_end = weights + p->output_c * channel_words,
                               .second = p->output_c - 1};
    if (p->merged) {
        eq_eight_merged_dsp(&pass, output);
    } else {
        eq_eight_signed_dsp(&pass, output);
    }
}

#endif
