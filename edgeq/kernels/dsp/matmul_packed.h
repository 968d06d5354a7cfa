/* The inner product of CONV_2D with 4-bit weights on Armv7E-M and Armv8-M with DSP instructions.
 *
 * As in eq_matmul_dsp.h two output channels share a stream of weights and three pixels are one
 * pass, but a word holds four weights of both channels.
 *
 * int4: a byte is v = 16 * wa + (wb + 8). SXTB16 makes two bytes a pair of v, for
 * T = 16 * sum(wa * x) + U; its low halves alone, masked out, are never negative, for
 * U = sum((wb + 8) * x). At the end
 *     sum(wa * x) = (T - U) / 16 and sum(wb * x) = U - 8 * sum(x), exactly,
 * where sum(x) is made once for a pass over all channels. T may wrap around; the host checks that
 * sum(wa * x) fits 28 bits. 19 instructions do 24 multiply-accumulates.
 *
 * Clustered: a byte is the codes of two weights of one channel, taps 0 and 2 or 1 and 3 of four,
 * and is looked up in a table of pairs: 23 instructions for 24 multiply-accumulates.
 */
#ifndef EQ_MATMUL_PACKED_DSP_H
#define EQ_MATMUL_PACKED_DSP_H

#include "eq_base.h"
#include "eq_matmul_dsp.h"
#include "eq_packed_dsp.h"

#define EQ_INT4_STEP_BYTES 76
#define EQ_CLUSTERED_STEP_BYTES 92
#define EQ_PACKED_UNROLL 8

/* What a pass works on. The assembly reads it by position. */
typedef struct {
    eq_pass_dsp pass;
    int32_t sums[EQ_PASS_PIXELS]; /* int4: 8 * sum(x) of each pixel */
    const eq_word *pairs;         /* clustered: the table */
} eq_pass_packed_dsp;

/* Three pixels by the pair of weights in r7, for channel a and for channel b. */
#define EQ_PACKED_A                                                                                \
    "smlad r8, r7, r2, r8\n\t"                                                                     \
    "smlad r9, r7, r3, r9\n\t"                                                                     \
    "smlad r10, r7, r4, r10\n\t"
#define EQ_PACKED_B                                                                                \
    "smlad r11, r7, r2, r11\n\t"                                                                   \
    "smlad r12, r7, r3, r12\n\t"                                                                   \
    "smlad lr, r7, r4, lr\n\t"
#define EQ_PACKED_INPUTS "ldmia.w r1!, {r2, r3, r4}\n\t"

/* One step: four values of the dot product, three pixels, two channels. */
#define EQ_INT4_STEP                                                                               \
    "ldr r5, [r0], #4\n\t" EQ_PACKED_INPUTS "sxtb16 r7, r5\n\t" EQ_PACKED_A                        \
    "and r7, r7, #0x000F000F\n\t" EQ_PACKED_B EQ_PACKED_INPUTS                                     \
    "sxtb16 r7, r5, ror #8\n\t" EQ_PACKED_A "and r7, r7, #0x000F000F\n\t" EQ_PACKED_B

#define EQ_CLUSTERED_PAIR "ldr.w r7, [r6, r7, lsl #2]\n\t"
#define EQ_CLUSTERED_STEP                                                                          \
    "ldr r5, [r0], #4\n\t" EQ_PACKED_INPUTS "uxtb.w r7, r5\n\t" EQ_CLUSTERED_PAIR EQ_PACKED_A      \
    "uxtb.w r7, r5, ror #16\n\t" EQ_CLUSTERED_PAIR EQ_PACKED_B EQ_PACKED_INPUTS                    \
    "uxtb.w r7, r5, ror #8\n\t" EQ_CLUSTERED_PAIR EQ_PACKED_A                                      \
    "lsr.w r7, r5, #24\n\t" EQ_CLUSTERED_PAIR EQ_PACKED_B

/* The sums of both channels out of what was added up; the pixels' 8 * sum(x) stand at 32. */
#define EQ_INT4_SUMS                                                                               \
    "sub r8, r8, r11\n\t"                                                                          \
    "asr r8, r8, #4\n\t"                                                                           \
    "sub r9, r9, r12\n\t"                                                                          \
    "asr r9, r9, #4\n\t"                                                                           \
    "sub r10, r10, lr\n\t"                                                                         \
    "asr r10, r10, #4\n\t"                                                                         \
    "ldrd r5, r6, [sp, #32]\n\t"                                                                   \
    "ldr r7, [sp, #40]\n\t"                                                                        \
    "sub r11, r11, r5\n\t"                                                                         \
    "sub r12, r12, r6\n\t"                                                                         \
    "sub lr, lr, r7\n\t"

/* As EQ_PASS of eq_matmul_dsp.h; on the stack follow the pixels' sums, 32 to 40, and the table of
 * pairs, 44, which is in r6 during the loop. */
#define EQ_PASS_PACKED(step, sums, sign)                                                           \
    __asm__ volatile(                                                                              \
        "push {r4-r11, lr}\n\t"                                                                    \
        "add r2, r1, #32\n\t"                                                                      \
        "ldmia r2, {r4-r7}\n\t"                                                                    \
        "push {r4-r7}\n\t"                                                                         \
        "ldmia r1, {r4-r11}\n\t"                                                                   \
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
        "ldr r1, [sp]\n\t"                                                                         \
        "ldr r6, [sp, #44]\n\t"                                                                    \
        "ldr pc, [sp, #28]\n\t"                                                                    \
        ".p2align 2\n\t"                                                                           \
        "2:\n\t"                                                                                   \
        ".rept 8\n\t" step ".endr\n\t"                                                             \
        "ldr r7, [sp, #4]\n\t"                                                                     \
        "cmp r1, r7\n\t"                                                                           \
        "bne 2b\n\t" sums "ldrd r5, r6, [r0], #8\n\t"                                              \
        "ldr r7, [sp, #24]\n\t"                                                                    \
        "lsl r4, r7, r6\n\t"                                                                       \
        "ldrd r1, r2, [sp, #8]\n\t"                                                                \
        "ldr r3, [sp, #16]\n\t" EQ_PASS_REQUANTIZE("r10", sign) EQ_PASS_REQUANTIZE("r9", sign)     \
            EQ_PASS_REQUANTIZE("r8", sign) "strb r10, [r3], #1\n\t"                                \
                                           "strb r9, [r2], #1\n\t"                                 \
                                           "strb r8, [r1], #1\n\t"                                 \
                                           "ldrd r5, r6, [r0], #8\n\t"                             \
                                           "lsl r4, r7, r6\n\t" EQ_PASS_REQUANTIZE("lr", sign)     \
                                               EQ_PASS_REQUANTIZE("r12", sign) EQ_PASS_REQUANTIZE( \
                                                   "r11", sign) "strb lr, [r3], #1\n\t"            \
                                                                "strb r12, [r2], #1\n\t"           \
                                                                "strb r11, [r1], #1\n\t"           \
                                                                "strd r1, r2, [sp, #8]\n\t"        \
                                                                "str r3, [sp, #16]\n\t"            \
                                                                "ldr r4, [sp, #20]\n\t"            \
                                                                "cmp r0, r4\n\t"                   \
                                                                "bne 1b\n\t"                       \
                                                                "add sp, #48\n\t"                  \
                                                                "pop {r4-r11, pc}")

/* All pairs of channels from `weights` on; rectified: for outputs that are clamped at the zero
 * point. */
#define EQ_PASS_PACKED_FUNCTION(name, step, sums, sign)                                            \
    static EQ_NAKED void name(const eq_word *weights __attribute__((unused)),                      \
                              const eq_pass_packed_dsp *pass __attribute__((unused)))              \
    {                                                                                              \
        EQ_PASS_PACKED(step, sums, sign);                                                          \
    }
EQ_PASS_PACKED_FUNCTION(eq_pass_int4_rectified_dsp, EQ_INT4_STEP, EQ_INT4_SUMS, EQ_PASS_NO_SIGN)
EQ_PASS_PACKED_FUNCTION(eq_pass_int4_signed_dsp, EQ_INT4_STEP, EQ_INT4_SUMS, EQ_PASS_SIGN)
EQ_PASS_PACKED_FUNCTION(eq_pass_clustered_rectified_dsp, EQ_CLUSTERED_STEP, "", EQ_PASS_NO_SIGN)
EQ_PASS_PACKED_FUNCTION(eq_pass_clustered_signed_dsp, EQ_CLUSTERED_STEP, "", EQ_PASS_SIGN)

EQ_KERNEL void eq_pass_pairs_dsp(const eq_scale_dsp *scale, int clustered, const eq_word *weights,
                                 const eq_pass_packed_dsp *pass)
{
    if (clustered && scale->rectified) {
        eq_pass_clustered_rectified_dsp(weights, pass);
    } else if (clustered) {
        eq_pass_clustered_signed_dsp(weights, pass);
    } else if (scale->rectified) {
        eq_pass_int4_rectified_dsp(weights, pass);
    } else {
        eq_pass_int4_signed_dsp(weights, pass);
    }
}

/* 8 * sum(x) of the pixels whose columns these are. */
static EQ_NOINLINE EQ_UNUSED void eq_column_sums_dsp(const eq_word *columns, int32_t steps,
                                                     int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 2 * steps; i++) {
        a = eq_add_eights(a, columns[0]);
        b = eq_add_eights(b, columns[1]);
        c = eq_add_eights(c, columns[2]);
        columns += EQ_PASS_PIXELS;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
}

/* All `channels` outputs of `pixels` <= 3 pixels, as eq_pixels_dsp. A pair's weights are
 * steps + 6 words; `pairs` is the table of clustered weights. */
EQ_KERNEL void eq_pixels_packed_dsp(const eq_scale_dsp *scale, int clustered,
                                    const eq_word *columns, int32_t steps, const eq_word *weights,
                                    const eq_word *pairs, int8_t *output, int32_t channels,
                                    int32_t pixels)
{
    const int32_t step_bytes = clustered ? EQ_CLUSTERED_STEP_BYTES : EQ_INT4_STEP_BYTES;
    const int32_t pair_words = steps + 6;
    const int32_t last = pixels - 1;
    eq_pass_packed_dsp p;
    p.pass.columns = columns;
    p.pass.columns_end = columns + 2 * EQ_PASS_PIXELS * steps;
    p.pass.output[0] = output;
    p.pass.output[1] = output + eq_min(last, 1) * channels;
    p.pass.output[2] = output + last * channels;
    p.pass.weights_end = weights + channels / 2 * pair_words;
    p.pass.twice_offset_plus_1 = scale->twice_offset_plus_1;
    p.pass.skip = (EQ_PACKED_UNROLL - steps % EQ_PACKED_UNROLL) % EQ_PACKED_UNROLL * step_bytes;
    p.pairs = pairs;
    if (clustered) {
        memset(p.sums, 0, sizeof(p.sums));
    } else {
        eq_column_sums_dsp(columns, steps, p.sums);
    }
    if (channels >= 2) {
        eq_pass_pairs_dsp(scale, clustered, weights, &p);
    }
    if (channels % 2 != 0) {
        /* The last channel has no partner: its pass writes aside, and one byte of two is taken. */
        int8_t aside[EQ_PASS_PIXELS][2];
        for (int32_t i = 0; i < EQ_PASS_PIXELS; i++) {
            p.pass.output[i] = aside[i];
        }
        weights = p.pass.weights_end;
        p.pass.weights_end = weights + pair_words;
        eq_pass_pairs_dsp(scale, clustered, weights, &p);
        for (int32_t i = 0; i < pixels; i++) {
            output[i * channels + channels - 1] = aside[i][0];
        }
    }
    eq_pass_clamp_dsp(scale, output, pixels * channels);
}

#endif
