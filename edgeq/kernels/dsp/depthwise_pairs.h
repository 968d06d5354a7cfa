/* The lines of one channel of a depthwise 3x3 convolution on cores with the DSP extension: two
 * neighbouring outputs at a time in assembly, 27 instructions for 18 multiply-accumulates (30 with
 * stride 2), requantization among them.
 *
 * Taps and bias of a channel are multiplied with a power of two first, so that the high half of
 * sum * multiplier has bits that the reference's first rounding drops. Where results below the zero
 * point are clamped to it, both roundings of the reference round down; then one addition and one
 * shift do both, and the power of two is such that the shift is the same for all channels.
 * Otherwise ties go away from zero: sums are doubled, and a negative one takes one from what is
 * added to the rounded high half.
 */
#ifndef EQ_DEPTHWISE_PAIRS_DSP_H
#define EQ_DEPTHWISE_PAIRS_DSP_H

#include "eq_base.h"

/* What a channel's lines need. The assembly reads it by position. */
typedef struct {
    int32_t bias;         /* 0 */
    const eq_word *end;   /* 4: of the first line of inputs, where the last pair stops */
    int32_t multiplier;   /* 8 */
    int32_t added;        /* 12 */
    int32_t output_pitch; /* 16 */
    int32_t shift_1;      /* 20: only for outputs of either sign */
    int32_t lines_left;   /* 24 */
    int32_t line_step;    /* 28: bytes from where the last pair stops to the next line */
    int32_t output_step;  /* 32: the same of the outputs */
    int32_t end_step;     /* 36: bytes from a line to the next */
    int32_t odd;          /* 40: 1: a single output behind the pairs */
    uint32_t taps[6];     /* (w0, w1) and (w1, w2) of three lines */
    const eq_word *lines[3];
    int8_t *output;
} eq_depthwise_pairs;

/* One line of inputs: r7 and r8 are four neighbouring values; two sums go from `from` and r10 to r9
 * and r10. The first line takes both from the bias in r9. */
#define EQ_PAIR_STRIDE_1(line, w01, w12, from)                                                     \
    "ldrd r7, r8, [" line "], #4\n\t"                                                              \
    "smlatb r10, r7, " w01 ", " from "\n\t"                                                        \
    "smlad r9, r7, " w01 ", r9\n\t"                                                                \
    "smlabt r9, r8, " w12 ", r9\n\t"                                                               \
    "smlad r10, r8, " w12 ", r10\n\t"

#define EQ_PAIR_STRIDE_2(line, w01, w12, from)                                                     \
    "ldrd r7, r8, [" line "], #8\n\t"                                                              \
    "smlad r10, r8, " w01 ", " from "\n\t"                                                         \
    "smlad r9, r7, " w01 ", r9\n\t"                                                                \
    "ldr r7, [" line "]\n\t"                                                                       \
    "smlabt r9, r8, " w12 ", r9\n\t"                                                               \
    "smlabt r10, r7, " w12 ", r10\n\t"

#define EQ_SINGLE(line, w01, w12)                                                                  \
    "ldrd r7, r8, [" line "]\n\t"                                                                  \
    "smlad r9, r7, " w01 ", r9\n\t"                                                                \
    "smlabt r9, r8, " w12 ", r9\n\t"

/* The right shift of all channels whose roundings are one. */
#define EQ_DEPTHWISE_SHIFT 10

#define EQ_PAIR_RECTIFIED                                                                          \
    "ldrd r7, r8, [sp, #8]\n\t"                                                                    \
    "smmla r9, r9, r7, r8\n\t"                                                                     \
    "smmla r10, r10, r7, r8\n\t"                                                                   \
    "ldr r8, [sp, #16]\n\t"                                                                        \
    "ssat r9, #8, r9, asr #10\n\t"                                                                 \
    "ssat r10, #8, r10, asr #10\n\t"

#define EQ_SINGLE_RECTIFIED                                                                        \
    "ldrd r7, r8, [sp, #8]\n\t"                                                                    \
    "smmla r9, r9, r7, r8\n\t"                                                                     \
    "ssat r9, #8, r9, asr #10\n\t"

/* Leaves the output's pitch in r8, as the other does. */
#define EQ_PAIR_SIGNED                                                                             \
    "ldrd r7, r8, [sp, #8]\n\t"                                                                    \
    "add r8, r8, r9, asr #31\n\t"                                                                  \
    "smmlar r9, r9, r7, r8\n\t"                                                                    \
    "ldr r8, [sp, #12]\n\t"                                                                        \
    "add r8, r8, r10, asr #31\n\t"                                                                 \
    "smmlar r10, r10, r7, r8\n\t"                                                                  \
    "ldrd r8, r7, [sp, #16]\n\t"                                                                   \
    "asr r9, r9, r7\n\t"                                                                           \
    "asr r10, r10, r7\n\t"                                                                         \
    "ssat r9, #8, r9, asr #1\n\t"                                                                  \
    "ssat r10, #8, r10, asr #1\n\t"

#define EQ_SINGLE_SIGNED                                                                           \
    "ldrd r7, r8, [sp, #8]\n\t"                                                                    \
    "add r8, r8, r9, asr #31\n\t"                                                                  \
    "smmlar r9, r9, r7, r8\n\t"                                                                    \
    "ldr r7, [sp, #20]\n\t"                                                                        \
    "asr r9, r9, r7\n\t"                                                                           \
    "ssat r9, #8, r9, asr #1\n\t"

/* All lines. On the stack the structure up to `odd`; r0 is the output, r1 to r6 the taps, r11, r12
 * and lr the lines. */
#define EQ_PAIRS(line, pair, single)                                                               \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldmia.w r0!, {r1-r11}\n\t"                                                   \
                     "push {r1-r11}\n\t"                                                           \
                     "ldmia.w r0!, {r1-r6}\n\t"                                                    \
                     "ldrd r11, r12, [r0]\n\t"                                                     \
                     "ldrd lr, r0, [r0, #8]\n\t"                                                   \
                     "1:\n\t"                                                                      \
                     "ldr r9, [sp]\n\t"                                                            \
                     "2:\n\t" line("r11", "r1", "r2", "r9") line("r12", "r3", "r4", "r10")         \
                         line("lr", "r5", "r6", "r10") pair                                        \
                     "strb r9, [r0]\n\t"                                                           \
                     "strb r10, [r0, r8]\n\t"                                                      \
                     "add r0, r0, r8, lsl #1\n\t"                                                  \
                     "ldrd r9, r7, [sp]\n\t"                                                       \
                     "cmp r11, r7\n\t"                                                             \
                     "bne 2b\n\t"                                                                  \
                     "ldr r7, [sp, #40]\n\t"                                                       \
                     "cmp r7, #0\n\t"                                                              \
                     "beq 3f\n\t" EQ_SINGLE("r11", "r1", "r2") EQ_SINGLE("r12", "r3", "r4")        \
                         EQ_SINGLE("lr", "r5", "r6") single "strb r9, [r0]\n\t"                    \
                                                            "3:\n\t"                               \
                                                            "ldrd r7, r8, [sp, #32]\n\t"           \
                                                            "add r0, r0, r7\n\t"                   \
                                                            "ldr r9, [sp, #4]\n\t"                 \
                                                            "add r9, r9, r8\n\t"                   \
                                                            "str r9, [sp, #4]\n\t"                 \
                                                            "ldrd r7, r8, [sp, #24]\n\t"           \
                                                            "add r11, r11, r8\n\t"                 \
                                                            "add r12, r12, r8\n\t"                 \
                                                            "add lr, lr, r8\n\t"                   \
                                                            "subs r7, r7, #1\n\t"                  \
                                                            "str r7, [sp, #24]\n\t"                \
                                                            "bne 1b\n\t"                           \
                                                            "add sp, #44\n\t"                      \
                                                            "pop {r4-r11, pc}")

#define EQ_DEFINE_PAIRS(name, line, pair, single)                                                  \
    static EQ_NAKED void name(const eq_depthwise_pairs *pairs __attribute__((unused)))             \
    {                                                                                              \
        EQ_PAIRS(line, pair, single);                                                              \
    }

EQ_DEFINE_PAIRS(eq_depthwise_pairs_rectified_dsp, EQ_PAIR_STRIDE_1, EQ_PAIR_RECTIFIED,
                EQ_SINGLE_RECTIFIED)
EQ_DEFINE_PAIRS(eq_depthwise_pairs_signed_dsp, EQ_PAIR_STRIDE_1, EQ_PAIR_SIGNED, EQ_SINGLE_SIGNED)
EQ_DEFINE_PAIRS(eq_depthwise_pairs_stride_2_rectified_dsp, EQ_PAIR_STRIDE_2, EQ_PAIR_RECTIFIED,
                EQ_SINGLE_RECTIFIED)
EQ_DEFINE_PAIRS(eq_depthwise_pairs_stride_2_signed_dsp, EQ_PAIR_STRIDE_2, EQ_PAIR_SIGNED,
                EQ_SINGLE_SIGNED)

#endif
