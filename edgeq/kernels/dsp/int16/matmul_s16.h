/* The inner product of CONV_2D with int16 activations and int8 weights on cores with the DSP
 * extension.
 *
 * Three pixels by two channels at a time, four values in a step: the weights of a channel are one
 * word, widened to two pairs (SXTB16), and 19 instructions do 24 multiply-accumulates. Sums are
 * kept in 32 bits, which the host proves to be enough for this layer's weights; the reference has
 * 64. A column holds a pixel's values as pairs, those of three pixels side by side.
 */
#ifndef EQ_MATMUL_S16_DSP_H
#define EQ_MATMUL_S16_DSP_H

#include "eq_base.h"

#define EQ_PASS_S16_PIXELS 3
#define EQ_PASS_S16_STEP_BYTES 76
#define EQ_PASS_S16_UNROLL 8

/* The smallest and the largest output. */
typedef struct {
    int32_t min, max;
} eq_range_dsp_s16;

/* What a pass works on. The assembly reads it by position. */
typedef struct {
    const eq_word *columns, *columns_end;
    int16_t *output[EQ_PASS_S16_PIXELS];
    const eq_word *weights_end;
    int32_t skip; /* bytes of the unrolled loop to jump over on entry */
    int32_t room; /* in both halves: what lies between the largest output and 32767 */
} eq_pass_dsp_s16;

/* One step. The weights of a channel lie in the order 0, 2, 1, 3. */
#define EQ_PASS_S16_STEP                                                                           \
    "ldrd r5, r6, [r0], #8\n\t"                                                                    \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r7, r5\n\t"                                                                            \
    "smlad r8, r7, r2, r8\n\t"                                                                     \
    "smlad r9, r7, r3, r9\n\t"                                                                     \
    "smlad r10, r7, r4, r10\n\t"                                                                   \
    "sxtb16 r7, r6\n\t"                                                                            \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "smlad r12, r7, r3, r12\n\t"                                                                   \
    "smlad lr, r7, r4, lr\n\t"                                                                     \
    "ldmia.w r1!, {r2, r3, r4}\n\t"                                                                \
    "sxtb16 r5, r5, ror #8\n\t"                                                                    \
    "smlad r8, r5, r2, r8\n\t"                                                                     \
    "smlad r9, r5, r3, r9\n\t"                                                                     \
    "smlad r10, r5, r4, r10\n\t"                                                                   \
    "sxtb16 r6, r6, ror #8\n\t"                                                                    \
    "smlad r11, r6, r2, r11\n\t"                                                                   \
    "smlad r12, r6, r3, r12\n\t"                                                                   \
    "smlad lr, r6, r4, lr\n\t"

/* Sum to output: the multiplier (a word of the stream) is shifted up so that the reference's right
 * shift is the one by 32 of SMMULR. Saturation to 15 bits without sign is that of a RELU. */
#define EQ_PASS_S16_REQUANTIZE(acc, multiplier, saturate)                                          \
    "smmulr " acc ", " acc ", " multiplier "\n\t" saturate(acc)
#define EQ_PASS_S16_SIGNED(acc) "ssat " acc ", #16, " acc "\n\t"
#define EQ_PASS_S16_RECTIFIED(acc) "usat " acc ", #15, " acc "\n\t"

/* On the stack: columns 0, columns_end 4, the first output 8, how far the two others are from it 12
 * and 16, weights_end 20, where to enter the loop 24, room 28. Outputs are written from the last
 * pixel to the first, so that a pass with fewer pixels may give the same address more than once. */
/* Two outputs at a time are kept below the largest: with saturation up, and down again. */
#define EQ_PASS_S16_CAP                                                                            \
    "ldr r5, [sp, #28]\n\t" EQ_PASS_S16_CAPPED("r8") EQ_PASS_S16_CAPPED("r9")                      \
        EQ_PASS_S16_CAPPED("r10")
#define EQ_PASS_S16_CAPPED(both)                                                                   \
    "qadd16 " both ", " both ", r5\n\t"                                                            \
    "ssub16 " both ", " both ", r5\n\t"

#define EQ_PASS_S16(saturate, cap)                                                                 \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldmia.w r1, {r4, r5, r6, r7, r8, r9, r10, r11}\n\t"                          \
                     "sub r7, r6\n\t"                                                              \
                     "sub r8, r6\n\t"                                                              \
                     "adr r2, 2f\n\t"                                                              \
                     "add r10, r2\n\t"                                                             \
                     "orr r10, #1\n\t"                                                             \
                     "push {r4-r11}\n\t"                                                           \
                     "1:\n\t"                                                                      \
                     "ldrd r8, r11, [r0], #8\n\t"                                                  \
                     "mov r9, r8\n\t"                                                              \
                     "mov r10, r8\n\t"                                                             \
                     "mov r12, r11\n\t"                                                            \
                     "mov lr, r11\n\t"                                                             \
                     "ldr r1, [sp]\n\t"                                                            \
                     "ldr pc, [sp, #24]\n\t"                                                       \
                     ".p2align 2\n\t"                                                              \
                     "2:\n\t"                                                                      \
                     ".rept 8\n\t" EQ_PASS_S16_STEP ".endr\n\t"                                    \
                     "ldr r7, [sp, #4]\n\t"                                                        \
                     "cmp r1, r7\n\t"                                                              \
                     "bne 2b\n\t"                                                                  \
                     "ldrd r5, r6, [r0], #8\n\t" EQ_PASS_S16_REQUANTIZE("r10", "r5", saturate)     \
                         EQ_PASS_S16_REQUANTIZE("r9", "r5", saturate) EQ_PASS_S16_REQUANTIZE(      \
                             "r8", "r5", saturate) EQ_PASS_S16_REQUANTIZE("lr", "r6", saturate)    \
                             EQ_PASS_S16_REQUANTIZE("r12", "r6", saturate) EQ_PASS_S16_REQUANTIZE( \
                                 "r11", "r6", saturate) "pkhbt r8, r8, r11, lsl #16\n\t"           \
                                                        "pkhbt r9, r9, r12, lsl #16\n\t"           \
                                                        "pkhbt r10, r10, lr, lsl #16\n\t" cap      \
                                                        "ldrd r1, r2, [sp, #8]\n\t"                \
                                                        "ldrd r3, r4, [sp, #16]\n\t"               \
                                                        "str r10, [r1, r3]\n\t"                    \
                                                        "str r9, [r1, r2]\n\t"                     \
                                                        "str r8, [r1], #4\n\t"                     \
                                                        "str r1, [sp, #8]\n\t"                     \
                                                        "cmp r0, r4\n\t"                           \
                                                        "bne 1b\n\t"                               \
                                                        "add sp, #32\n\t"                          \
                                                        "pop {r4-r11, pc}")

/* All pairs of channels from `weights` on: bias_a, bias_b, a word of weights of a and of b for
 * every four values, and the two multipliers. */
static EQ_NAKED void eq_pass_signed_dsp_s16(const eq_word *weights __attribute__((unused)),
                                            const eq_pass_dsp_s16 *pass __attribute__((unused)))
{
    EQ_PASS_S16(EQ_PASS_S16_SIGNED, "");
}

/* The same with a RELU. */
static EQ_NAKED void eq_pass_rectified_dsp_s16(const eq_word *weights __attribute__((unused)),
                                               const eq_pass_dsp_s16 *pass __attribute__((unused)))
{
    EQ_PASS_S16(EQ_PASS_S16_RECTIFIED, "");
}

/* The same with a RELU that has a largest value. */
static EQ_NAKED void eq_pass_capped_dsp_s16(const eq_word *weights __attribute__((unused)),
                                            const eq_pass_dsp_s16 *pass __attribute__((unused)))
{
    EQ_PASS_S16(EQ_PASS_S16_RECTIFIED, EQ_PASS_S16_CAP);
}

/* The sums alone of one pair of channels: those of a, pixel by pixel, then those of b. Returns what
 * follows the weights, which have neither biases nor multipliers between them here. */
static EQ_NAKED const eq_word *eq_pass_sums_dsp_s16(const eq_word *weights __attribute__((unused)),
                                                    const eq_word *columns __attribute__((unused)),
                                                    const eq_word *end __attribute__((unused)),
                                                    int32_t skip __attribute__((unused)),
                                                    int32_t *sums __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "push {r2}\n\t"
                     "adr r4, 2f\n\t"
                     "add r3, r4\n\t"
                     "orr r3, #1\n\t"
                     "mov r8, #0\n\t"
                     "mov r9, #0\n\t"
                     "mov r10, #0\n\t"
                     "mov r11, #0\n\t"
                     "mov r12, #0\n\t"
                     "mov lr, #0\n\t"
                     "bx r3\n\t"
                     ".p2align 2\n\t"
                     "2:\n\t"
                     ".rept 8\n\t" EQ_PASS_S16_STEP ".endr\n\t"
                     "ldr r7, [sp]\n\t"
                     "cmp r1, r7\n\t"
                     "bne 2b\n\t"
                     "ldr r1, [sp, #40]\n\t"
                     "stmia r1, {r8, r9, r10, r11, r12, lr}\n\t"
                     "add sp, #4\n\t"
                     "pop {r4-r11, pc}");
}

/* Bytes of the unrolled loop that a product of so many steps jumps over. */
EQ_KERNEL int32_t eq_pass_skip_dsp_s16(int32_t steps)
{
    return (EQ_PASS_S16_UNROLL - steps % EQ_PASS_S16_UNROLL) % EQ_PASS_S16_UNROLL *
           EQ_PASS_S16_STEP_BYTES;
}

/* Limits that the passes do not know, of outputs that they have saturated to 16 bits. */
EQ_KERNEL void eq_pass_clamp_dsp_s16(eq_range_dsp_s16 range, int16_t *output, int32_t count)
{
    if (range.min != 0 && (range.min > INT16_MIN || range.max < INT16_MAX)) {
        for (int32_t i = 0; i < count; i++) {
            output[i] = (int16_t)eq_clamp(output[i], range.min, range.max);
        }
    }
}

EQ_KERNEL void eq_pass_all_dsp_s16(eq_range_dsp_s16 range, const eq_word *weights,
                                   const eq_pass_dsp_s16 *pass)
{
    if (range.min == 0 && range.max < INT16_MAX) {
        eq_pass_capped_dsp_s16(weights, pass);
    } else if (range.min == 0) {
        eq_pass_rectified_dsp_s16(weights, pass);
    } else {
        eq_pass_signed_dsp_s16(weights, pass);
    }
}

/* All `channels` outputs of `pixels` <= 3 pixels whose inputs stand in `columns`; the outputs of
 * neighbouring pixels follow each other. */
EQ_KERNEL void eq_pixels_dsp_s16(eq_range_dsp_s16 range, const eq_word *columns, int32_t steps,
                                 const eq_word *weights, int16_t *output, int32_t channels,
                                 int32_t pixels)
{
    const int32_t pair_words = 2 * steps + 4;
    const int32_t pairs = channels / 2;
    const int32_t last = pixels - 1;
    eq_pass_dsp_s16 pass;
    pass.columns = columns;
    pass.columns_end = columns + 2 * EQ_PASS_S16_PIXELS * steps;
    pass.output[0] = output;
    pass.output[1] = output + eq_min(last, 1) * channels;
    pass.output[2] = output + last * channels;
    pass.weights_end = weights + pairs * pair_words;
    pass.skip = eq_pass_skip_dsp_s16(steps);
    pass.room = (INT16_MAX - range.max) * 0x10001;
    if (pairs != 0) {
        eq_pass_all_dsp_s16(range, weights, &pass);
    }
    if (channels % 2 != 0) {
        /* The last channel has no partner: its pass writes aside, and one value of two is taken. */
        int16_t aside[EQ_PASS_S16_PIXELS][2];
        for (int32_t i = 0; i < EQ_PASS_S16_PIXELS; i++) {
            pass.output[i] = aside[i];
        }
        weights = pass.weights_end;
        pass.weights_end = weights + pair_words;
        eq_pass_all_dsp_s16(range, weights, &pass);
        for (int32_t i = 0; i < pixels; i++) {
            output[i * channels + channels - 1] = aside[i][0];
        }
    }
    eq_pass_clamp_dsp_s16(range, output, pixels * channels);
}

#endif
