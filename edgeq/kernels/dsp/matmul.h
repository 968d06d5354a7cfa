/* The inner product of CONV_2D on Armv7E-M and Armv8-M with DSP instructions.
 *
 * Two output channels share one stream of weights. A 16-bit half of a weight word holds
 *     v = 256 * wa + wb
 * for the channels a and b, so a single SMLAD multiplies two inputs with the weights of both
 * channels and adds up T = 256 * sum(wa * x) + sum(wb * x) without unpacking anything. Unpacking
 * only b (SXTB16) and adding up B = sum(wb * x) as well gives a back at the end:
 *     sum(wa * x) = (T - B) / 256, exactly.
 * T may wrap around; the host checks that sum(wa * x) fits 24 bits for this layer's weights, and
 * that every v fits 16 bits.
 *
 * Three pixels at a time read the weights once: 17 instructions do 24 multiply-accumulates. That
 * takes all fourteen registers, which no compiler can be asked to leave free, so the pass over
 * all channels is a function in assembly.
 */
#ifndef EQ_MATMUL_DSP_H
#define EQ_MATMUL_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

/* Pixels of one pass, and bytes of code of one step of it. */
#define EQ_PASS_PIXELS 3
#define EQ_PASS_STEP_BYTES 68
#define EQ_PASS_UNROLL 8

/* Widen four values of one pixel into its place among the columns of the others: for every four
 * values k there are k0 and k2 of each pixel, then k1 and k3 of each pixel. */
EQ_KERNEL eq_word *eq_widen_dsp(eq_word *column, uint32_t four)
{
    column[0] = eq_widen_even(four);
    column[EQ_PASS_PIXELS] = eq_widen_odd(four);
    return column + 2 * EQ_PASS_PIXELS;
}

/* What a pass works on. The assembly reads it by position. */
typedef struct {
    const eq_word *columns, *columns_end;
    int8_t *output[EQ_PASS_PIXELS];
    const eq_word *weights_end;
    int32_t twice_offset_plus_1;
    int32_t skip; /* bytes of the unrolled loop to jump over on entry */
} eq_pass_dsp;

/* One step: four values of the dot product, three pixels, two channels. */
#define EQ_PASS_STEP                                                                               \
    "ldrd r5, r6, [r0], #8\n\t"                                                                    \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r7, r5\n\t"                                                                            \
    "smlad r8, r5, r2, r8\n\t"                                                                     \
    "smlad r9, r5, r3, r9\n\t"                                                                     \
    "smlad r10, r5, r4, r10\n\t"                                                                   \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "smlad r12, r7, r3, r12\n\t"                                                                   \
    "smlad lr, r7, r4, lr\n\t"                                                                     \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r7, r6\n\t"                                                                            \
    "smlad r8, r6, r2, r8\n\t"                                                                     \
    "smlad r9, r6, r3, r9\n\t"                                                                     \
    "smlad r10, r6, r4, r10\n\t"                                                                   \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "smlad r12, r7, r3, r12\n\t"                                                                   \
    "smlad lr, r7, r4, lr\n\t"

/* Accumulator to output: the high half of acc * 2 * multiplier, rounded (r5 is
 * 2 * multiplier - 2^32); negative results one less, if that can be seen; the zero point and one
 * half (r4, shifted up); the right shift, its last bit in the saturation. */
#define EQ_PASS_SIGN(acc) "add " acc ", " acc ", " acc ", asr #31\n\t"
#define EQ_PASS_NO_SIGN(acc)
#define EQ_PASS_REQUANTIZE(acc, sign)                                                              \
    "smmlar " acc ", " acc ", r5, " acc "\n\t" sign(acc) "add " acc ", " acc ", r4\n\t"            \
                                                         "asr " acc ", " acc ", r6\n\t"            \
                                                         "ssat " acc ", #8, " acc ", asr #1\n\t"

/* On the stack: the first output 0, how far the two others are from it 4 and 8, 2 * offset + 1 at
 * 12, columns 16, columns_end 20, weights_end 24, where to enter the loop 28. Outputs are written
 * from the last pixel to the first, so that a pass with fewer pixels may give the same address more
 * than once. */
#define EQ_PASS(sign)                                                                              \
    __asm__ volatile(                                                                              \
        "push {r4-r11, lr}\n\t"                                                                    \
        "ldrd r8, r9, [r1]\n\t"                                                                    \
        "ldrd r4, r5, [r1, #8]\n\t"                                                                \
        "ldrd r6, r10, [r1, #16]\n\t"                                                              \
        "ldrd r7, r11, [r1, #24]\n\t"                                                              \
        "sub r5, r4\n\t"                                                                           \
        "sub r6, r4\n\t"                                                                           \
        "adr r2, 2f\n\t"                                                                           \
        "add r11, r2\n\t"                                                                          \
        "orr r11, #1\n\t"                                                                          \
        "push {r4-r11}\n\t"                                                                        \
        "1:\n\t"                                                                                   \
        "ldrd r8, r11, [r0], #8\n\t"                                                               \
        "mov r9, r8\n\t"                                                                           \
        "mov r10, r8\n\t"                                                                          \
        "mov r12, r11\n\t"                                                                         \
        "mov lr, r11\n\t"                                                                          \
        "ldr r1, [sp, #16]\n\t"                                                                    \
        "ldr pc, [sp, #28]\n\t"                                                                    \
        ".p2align 2\n\t"                                                                           \
        "2:\n\t"                                                                                   \
        ".rept 8\n\t" EQ_PASS_STEP ".endr\n\t"                                                     \
        "ldr r7, [sp, #20]\n\t"                                                                    \
        "cmp r1, r7\n\t"                                                                           \
        "bne 2b\n\t"                                                                               \
        "sub r8, r8, r11\n\t"                                                                      \
        "asr r8, r8, #8\n\t"                                                                       \
        "sub r9, r9, r12\n\t"                                                                      \
        "asr r9, r9, #8\n\t"                                                                       \
        "sub r10, r10, lr\n\t"                                                                     \
        "asr r10, r10, #8\n\t"                                                                     \
        "ldrd r5, r6, [r0], #8\n\t"                                                                \
        "ldmia.w sp, {r1, r2, r3, r7}\n\t"                                                         \
        "lsl r4, r7, r6\n\t" EQ_PASS_REQUANTIZE("r10", sign) EQ_PASS_REQUANTIZE("r9", sign)        \
            EQ_PASS_REQUANTIZE("r8", sign) "strb r10, [r1, r3]\n\t"                                \
                                           "strb r9, [r1, r2]\n\t"                                 \
                                           "strb r8, [r1], #1\n\t"                                 \
                                           "ldrd r5, r6, [r0], #8\n\t"                             \
                                           "lsl r4, r7, r6\n\t" EQ_PASS_REQUANTIZE("lr", sign)     \
                                               EQ_PASS_REQUANTIZE("r12", sign) EQ_PASS_REQUANTIZE( \
                                                   "r11", sign) "strb lr, [r1, r3]\n\t"            \
                                                                "strb r12, [r1, r2]\n\t"           \
                                                                "strb r11, [r1], #1\n\t"           \
                                                                "str r1, [sp]\n\t"                 \
                                                                "ldr r4, [sp, #24]\n\t"            \
                                                                "cmp r0, r4\n\t"                   \
                                                                "bne 1b\n\t"                       \
                                                                "add sp, #32\n\t"                  \
                                                                "pop {r4-r11, pc}")

/* All pairs of channels from `weights` on, for outputs that are clamped at the zero point. */
static EQ_NAKED void eq_pass_rectified_dsp(const eq_word *weights __attribute__((unused)),
                                           const eq_pass_dsp *pass __attribute__((unused)))
{
    EQ_PASS(EQ_PASS_NO_SIGN);
}

/* The same for outputs of either sign. */
static EQ_NAKED void eq_pass_signed_dsp(const eq_word *weights __attribute__((unused)),
                                        const eq_pass_dsp *pass __attribute__((unused)))
{
    EQ_PASS(EQ_PASS_SIGN);
}

EQ_KERNEL void eq_pass_clamp_dsp(const eq_scale_dsp *scale, int8_t *output, int32_t count)
{
    if (scale->activation_min > INT8_MIN || scale->activation_max < INT8_MAX) {
        for (int32_t i = 0; i < count; i++) {
            output[i] = (int8_t)eq_clamp(output[i], scale->activation_min, scale->activation_max);
        }
    }
}

/* All `channels` outputs of `pixels` <= 3 pixels whose inputs stand in `columns`; the outputs of
 * neighbouring pixels follow each other. A pair's weights are 2 * steps + 6 words. */
EQ_KERNEL void eq_pixels_dsp(const eq_scale_dsp *scale, const eq_word *columns, int32_t steps,
                             const eq_word *weights, int8_t *output, int32_t channels,
                             int32_t pixels)
{
    const int32_t pair_words = 2 * steps + 6;
    const int32_t pairs = channels / 2;
    const int32_t last = pixels - 1;
    eq_pass_dsp pass;
    pass.columns = columns;
    pass.columns_end = columns + 2 * EQ_PASS_PIXELS * steps;
    pass.output[0] = output;
    pass.output[1] = output + eq_min(last, 1) * channels;
    pass.output[2] = output + last * channels;
    pass.weights_end = weights + pairs * pair_words;
    pass.twice_offset_plus_1 = scale->twice_offset_plus_1;
    pass.skip = (EQ_PASS_UNROLL - steps % EQ_PASS_UNROLL) % EQ_PASS_UNROLL * EQ_PASS_STEP_BYTES;
    if (pairs != 0) {
        if (scale->rectified) {
            eq_pass_rectified_dsp(weights, &pass);
        } else {
            eq_pass_signed_dsp(weights, &pass);
        }
    }
    if (channels % 2 != 0) {
        /* The last channel has no partner: its pass writes aside, and one byte of two is taken. */
        int8_t aside[EQ_PASS_PIXELS][2];
        for (int32_t i = 0; i < EQ_PASS_PIXELS; i++) {
            pass.output[i] = aside[i];
        }
        weights = pass.weights_end;
        pass.weights_end = weights + pair_words;
        if (scale->rectified) {
            eq_pass_rectified_dsp(weights, &pass);
        } else {
            eq_pass_signed_dsp(weights, &pass);
        }
        for (int32_t i = 0; i < pixels; i++) {
            output[i * channels + channels - 1] = aside[i][0];
        }
    }
    eq_pass_clamp_dsp(scale, output, pixels * channels);
}

#endif
