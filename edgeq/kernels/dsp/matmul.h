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
 * Three pixels at a time read the weights once: 17 instructions do 24 multiply-accumulates, and 36
 * more (45 for outputs of either sign) make six outputs of a pair's sums. That
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
#ifndef EQ_PASS_UNROLL
#define EQ_PASS_UNROLL 16
#endif

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
    int32_t twice_offset_plus_1; /* for 4-bit weights only */
    int32_t skip;                /* bytes of the unrolled loop to jump over on entry */
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

/* The first step, which starts the sums from the biases in r8 and r11. */
#define EQ_PASS_FIRST_STEP                                                                         \
    "ldrd r5, r6, [r0], #8\n\t"                                                                    \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r7, r5\n\t"                                                                            \
    "smlad r9, r5, r3, r8\n\t"                                                                     \
    "smlad r10, r5, r4, r8\n\t"                                                                    \
    "smlad r8, r5, r2, r8\n\t"                                                                     \
    "smlad r12, r7, r3, r11\n\t"                                                                   \
    "smlad lr, r7, r4, r11\n\t"                                                                    \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r7, r6\n\t"                                                                            \
    "smlad r8, r6, r2, r8\n\t"                                                                     \
    "smlad r9, r6, r3, r9\n\t"                                                                     \
    "smlad r10, r6, r4, r10\n\t"                                                                   \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "smlad r12, r7, r3, r12\n\t"                                                                   \
    "smlad lr, r7, r4, lr\n\t"

/* Sums to outputs. From the stream come r4, what is added, r5, the multiplier, and r6, the right
 * shift, whose last bit is in the saturation. Of channel a, T - B = 256 * a is at hand.
 *
 * Where results below the zero point are clamped to it, both roundings of the reference round down,
 * and the high half of 256 * a * multiplier has seven bits more than the first one keeps: one
 * addition and one shift do both. Otherwise its ties go away from zero: if a is negative, one less
 * is added to the rounded high half of 2 * a * multiplier. */
#define EQ_PASS_FIRST_RECTIFIED(acc)                                                               \
    "smmla " acc ", " acc ", r5, r4\n\t"                                                           \
    "asr " acc ", " acc ", r6\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"
#define EQ_PASS_FIRST_SIGNED(acc)                                                                  \
    "asr " acc ", " acc ", #7\n\t"                                                                 \
    "add r7, r4, " acc ", asr #31\n\t"                                                             \
    "smmlar " acc ", " acc ", r5, r7\n\t"                                                          \
    "asr " acc ", " acc ", r6\n\t"                                                                 \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

/* Channel b: r5 is 2 * multiplier - 2^32; negative results one less, if that can be seen. */
#define EQ_PASS_SIGN(acc) "add " acc ", " acc ", " acc ", asr #31\n\t"
#define EQ_PASS_NO_SIGN(acc)
#define EQ_PASS_REQUANTIZE(acc, sign)                                                              \
    "smmlar " acc ", " acc ", r5, " acc "\n\t" sign(acc) "add " acc ", " acc ", r4\n\t"            \
                                                         "asr " acc ", " acc ", r6\n\t"            \
                                                         "ssat " acc ", #8, " acc ", asr #1\n\t"

/* On the stack: the first output 0, how far the two others are from it 4 and 8, weights_end 12,
 * columns 16, columns_end 20, where to enter the loop 24. Outputs are written from the last pixel
 * to the first, so that a pass with fewer pixels may give the same address more than once. */
#define EQ_PASS(first, sign)                                                                       \
    __asm__ volatile(                                                                              \
        "push {r4-r11, lr}\n\t"                                                                    \
        "ldrd r8, r9, [r1]\n\t"                                                                    \
        "ldrd r4, r5, [r1, #8]\n\t"                                                                \
        "ldrd r6, r7, [r1, #16]\n\t"                                                               \
        "ldr r10, [r1, #28]\n\t"                                                                   \
        "sub r5, r4\n\t"                                                                           \
        "sub r6, r4\n\t"                                                                           \
        "adr r2, 2f\n\t"                                                                           \
        "add r10, r2\n\t"                                                                          \
        "orr r10, #1\n\t"                                                                          \
        "push {r4-r10}\n\t"                                                                        \
        "1:\n\t"                                                                                   \
        "ldrd r8, r11, [r0], #8\n\t"                                                               \
        "ldr r1, [sp, #16]\n\t" EQ_PASS_FIRST_STEP "ldr pc, [sp, #24]\n\t"                         \
        ".p2align 2\n\t"                                                                           \
        "2:\n\t"                                                                                   \
        ".rept " EQ_STRING(                                                                        \
            EQ_PASS_UNROLL) "\n\t" EQ_PASS_STEP ".endr\n\t"                                        \
                            "ldr r7, [sp, #20]\n\t"                                                \
                            "cmp r1, r7\n\t"                                                       \
                            "bne 2b\n\t"                                                           \
                            "sub r8, r8, r11\n\t"                                                  \
                            "sub r9, r9, r12\n\t"                                                  \
                            "sub r10, r10, lr\n\t"                                                 \
                            "ldmia.w r0!, {r4, r5, r6}\n\t" first("r10") first("r9") first(        \
                                "r8") "ldmia.w sp, {r1, r2, r3, r7}\n\t"                           \
                                      "strb r10, [r1, r3]\n\t"                                     \
                                      "strb r9, [r1, r2]\n\t"                                      \
                                      "strb r8, [r1], #1\n\t"                                      \
                                      "ldmia.w r0!, {r4, r5, r6}\n\t" EQ_PASS_REQUANTIZE(          \
                                          "lr", sign) EQ_PASS_REQUANTIZE("r12", sign)              \
                                          EQ_PASS_REQUANTIZE("r11", sign) "strb lr, [r1, r3]\n\t"  \
                                                                          "strb r12, [r1, r2]\n\t" \
                                                                          "strb r11, [r1], #1\n\t" \
                                                                          "str r1, [sp]\n\t"       \
                                                                          "cmp r0, r7\n\t"         \
                                                                          "bne 1b\n\t"             \
                                                                          "add sp, #28\n\t"        \
                                                                          "pop {r4-r11, pc}")

/* The same for a single pixel: 9 instructions for 8 multiply-accumulates. r9 and r10 are the
 * columns and their end, r12 the output, lr the end of the weights; on the stack where to enter the
 * loop. */
#define EQ_SINGLE_STEP_BYTES 36
#ifndef EQ_SINGLE_UNROLL
#define EQ_SINGLE_UNROLL 8
#endif
#define EQ_SINGLE_STEP                                                                             \
    "ldrd r5, r6, [r0], #8\n\t"                                                                    \
    "ldr r2, [r1], #12\n\t"                                                                        \
    "ldr r3, [r1], #12\n\t"                                                                        \
    "sxtb16 r4, r5\n\t"                                                                            \
    "smlad r8, r5, r2, r8\n\t"                                                                     \
    "smlad r11, r4, r2, r11\n\t"                                                                   \
    "sxtb16 r4, r6\n\t"                                                                            \
    "smlad r8, r6, r3, r8\n\t"                                                                     \
    "smlad r11, r4, r3, r11\n\t"

#define EQ_PASS_SINGLE(first, sign)                                                                \
    __asm__ volatile(                                                                              \
        "push {r4-r11, lr}\n\t"                                                                    \
        "ldrd r9, r10, [r1]\n\t"                                                                   \
        "ldr r12, [r1, #8]\n\t"                                                                    \
        "ldr lr, [r1, #20]\n\t"                                                                    \
        "ldr r3, [r1, #28]\n\t"                                                                    \
        "adr r2, 2f\n\t"                                                                           \
        "add r3, r2\n\t"                                                                           \
        "orr r3, #1\n\t"                                                                           \
        "push {r3}\n\t"                                                                            \
        "1:\n\t"                                                                                   \
        "ldrd r8, r11, [r0], #8\n\t"                                                               \
        "mov r1, r9\n\t"                                                                           \
        "ldr pc, [sp]\n\t"                                                                         \
        ".p2align 2\n\t"                                                                           \
        "2:\n\t"                                                                                   \
        ".rept " EQ_STRING(                                                                        \
            EQ_SINGLE_UNROLL) "\n\t" EQ_SINGLE_STEP ".endr\n\t"                                    \
                              "cmp r1, r10\n\t"                                                    \
                              "bne 2b\n\t"                                                         \
                              "sub r8, r8, r11\n\t"                                                \
                              "ldmia.w r0!, {r4, r5, r6}\n\t" first(                               \
                                  "r8") "strb r8, [r12], #1\n\t"                                   \
                                        "ldmia.w r0!, {r4, r5, r6}\n\t" EQ_PASS_REQUANTIZE(        \
                                            "r11", sign) "strb r11, [r12], #1\n\t"                 \
                                                         "cmp r0, lr\n\t"                          \
                                                         "bne 1b\n\t"                              \
                                                         "add sp, #4\n\t"                          \
                                                         "pop {r4-r11, pc}")

#define EQ_DEFINE_PASS(name, pass_of, first, sign)                                                 \
    static EQ_NAKED void name(const eq_word *weights __attribute__((unused)),                      \
                              const eq_pass_dsp *pass __attribute__((unused)))                     \
    {                                                                                              \
        pass_of(first, sign);                                                                      \
    }

/* All pairs of channels from `weights` on, for outputs that are clamped at the zero point, and for
 * outputs of either sign. */
EQ_DEFINE_PASS(eq_pass_rectified_dsp, EQ_PASS, EQ_PASS_FIRST_RECTIFIED, EQ_PASS_NO_SIGN)
EQ_DEFINE_PASS(eq_pass_signed_dsp, EQ_PASS, EQ_PASS_FIRST_SIGNED, EQ_PASS_SIGN)
EQ_DEFINE_PASS(eq_pass_single_rectified_dsp, EQ_PASS_SINGLE, EQ_PASS_FIRST_RECTIFIED,
               EQ_PASS_NO_SIGN)
EQ_DEFINE_PASS(eq_pass_single_signed_dsp, EQ_PASS_SINGLE, EQ_PASS_FIRST_SIGNED, EQ_PASS_SIGN)

/* Bytes to jump over for so many steps, of which the first stands before the loop. */
EQ_KERNEL int32_t eq_pass_skip_dsp(int32_t steps)
{
    const int32_t rest = steps - 1;
    return (rest == 0 ? EQ_PASS_UNROLL
                      : (EQ_PASS_UNROLL - rest % EQ_PASS_UNROLL) % EQ_PASS_UNROLL) *
           EQ_PASS_STEP_BYTES;
}

EQ_KERNEL int32_t eq_single_skip_dsp(int32_t steps)
{
    return (EQ_SINGLE_UNROLL - steps % EQ_SINGLE_UNROLL) % EQ_SINGLE_UNROLL * EQ_SINGLE_STEP_BYTES;
}

EQ_KERNEL void eq_pass_clamp_dsp(const eq_scale_dsp *scale, int8_t *output, int32_t count)
{
    if (scale->activation_min > INT8_MIN || scale->activation_max < INT8_MAX) {
        for (int32_t i = 0; i < count; i++) {
            output[i] = (int8_t)eq_clamp(output[i], scale->activation_min, scale->activation_max);
        }
    }
}

/* A pair's weights are so many words. */
EQ_KERNEL int32_t eq_pair_words_dsp(int32_t steps)
{
    return 2 * steps + 8;
}

/* What is the same for all passes of a layer. */
EQ_KERNEL eq_pass_dsp eq_pass_of_dsp(const eq_word *columns, int32_t steps, const eq_word *weights,
                                     int32_t channels)
{
    eq_pass_dsp pass;
    pass.columns = columns;
    pass.columns_end = columns + 2 * EQ_PASS_PIXELS * steps;
    pass.weights_end = weights + channels / 2 * eq_pair_words_dsp(steps);
    pass.twice_offset_plus_1 = 0;
    pass.skip = eq_pass_skip_dsp(steps);
    return pass;
}

EQ_KERNEL void eq_pass_pairs_of_dsp(const eq_scale_dsp *scale, const eq_word *weights,
                                    const eq_pass_dsp *pass)
{
    if (scale->rectified) {
        eq_pass_rectified_dsp(weights, pass);
    } else {
        eq_pass_signed_dsp(weights, pass);
    }
}

/* All `channels` outputs of `pixels` <= 3 pixels whose inputs stand in the pass's columns; the
 * outputs of neighbouring pixels follow each other. `alone`: whether there may be one pixel. */
EQ_KERNEL void eq_pixels_dsp(const eq_scale_dsp *scale, eq_pass_dsp *pass, int32_t steps,
                             const eq_word *weights, int8_t *output, int32_t channels,
                             int32_t pixels, int alone)
{
    const int32_t last = pixels - 1;
    pass->output[0] = output;
    pass->output[1] = output + eq_min(last, 1) * channels;
    pass->output[2] = output + last * channels;
    if (channels > 1 && alone && pixels == 1) {
        eq_pass_dsp single = *pass;
        single.skip = eq_single_skip_dsp(steps);
        if (scale->rectified) {
            eq_pass_single_rectified_dsp(weights, &single);
        } else {
            eq_pass_single_signed_dsp(weights, &single);
        }
    } else if (channels > 1) {
        eq_pass_pairs_of_dsp(scale, weights, pass);
    }
    if (channels % 2 != 0) {
        /* The last channel has no partner: its pass writes aside, and one byte of two is taken. */
        int8_t aside[EQ_PASS_PIXELS][2];
        eq_pass_dsp other = *pass;
        for (int32_t i = 0; i < EQ_PASS_PIXELS; i++) {
            other.output[i] = aside[i];
        }
        other.weights_end = pass->weights_end + eq_pair_words_dsp(steps);
        eq_pass_pairs_of_dsp(scale, pass->weights_end, &other);
        for (int32_t i = 0; i < pixels; i++) {
            output[i * channels + channels - 1] = aside[i][0];
        }
    }
    eq_pass_clamp_dsp(scale, output, pixels * channels);
}

#endif
