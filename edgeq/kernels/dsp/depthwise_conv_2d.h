/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, for cores with the DSP extension.
 *
 * One channel at a time: its values of a band of rows are widened to int16 into scratch, one line
 * after another with the padding around them, so that two neighbouring values are one word and a
 * multiplication does two taps. A line runs along the image's rows, or along its columns where
 * that leaves fewer outputs without a partner; the host chooses, and swaps the filter to suit.
 *
 * A channel is read before it is written. With one band and the same pitch for input and output
 * the output may therefore be the input's memory.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_DSP_H
#define EQ_DEPTHWISE_CONV_2D_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

typedef struct {
    int32_t batches, channels;
    int32_t input_bytes, output_bytes; /* of one image */
    int32_t input_lines, input_along;
    int32_t input_line_pitch, input_pitch; /* bytes to the next line, to the next value in it */
    int32_t output_lines, output_along;
    int32_t output_line_pitch, output_pitch;
    int32_t filter_lines, filter_along;
    int32_t stride; /* in both directions */
    int32_t pad_lines, pad_along;
    int32_t line_words; /* of a widened line */
    int32_t band;       /* output lines made from one filling of the scratch */
    int32_t input_zero_point;
    eq_scale_dsp scale;
} eq_depthwise_conv_2d_dsp_params;

/* acc + a.low * b.low + a.high * b.high */
EQ_KERNEL int32_t eq_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

/* acc + a.low * b.high */
EQ_KERNEL int32_t eq_smlabt(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlabt %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

/* acc + a.high * b.low */
EQ_KERNEL int32_t eq_smlatb(uint32_t a, uint32_t b, int32_t acc)
{
    __asm__("smlatb %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

/* A channel's line of input values, from `first` on, widened behind the padding. */
EQ_KERNEL void eq_depthwise_line_dsp(const eq_depthwise_conv_2d_dsp_params *p, const int8_t *input,
                                     eq_half *line)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < p->input_along; i++) {
        line[p->pad_along + i] = *input;
        input += p->input_pitch;
    }
}

/* What the pairs of outputs of one line need for a 3x3 filter. The assembly reads it by position.
 */
typedef struct {
    int32_t bias, doubled, rounding, shift_1;
    int32_t output_pitch;
    const eq_word *end; /* of the first line of inputs, where the last pair stops */
    uint32_t taps[6];   /* (w0, w1) and (w1, w2) of three lines */
    const eq_word *lines[3];
    int8_t *output;
} eq_depthwise_pairs;

/* One line of inputs: r7 and r8 are four neighbouring values, r9 and r10 the sums of two outputs.
 */
#define EQ_PAIR_STRIDE_1(line, w01, w12)                                                           \
    "ldrd r7, r8, [" line "], #4\n\t"                                                              \
    "smlad r9, r7, " w01 ", r9\n\t"                                                                \
    "smlatb r10, r7, " w01 ", r10\n\t"                                                             \
    "smlabt r9, r8, " w12 ", r9\n\t"                                                               \
    "smlad r10, r8, " w12 ", r10\n\t"

#define EQ_PAIR_STRIDE_2(line, w01, w12)                                                           \
    "ldrd r7, r8, [" line "], #8\n\t"                                                              \
    "smlad r9, r7, " w01 ", r9\n\t"                                                                \
    "ldr r7, [" line "]\n\t"                                                                       \
    "smlad r10, r8, " w01 ", r10\n\t"                                                              \
    "smlabt r9, r8, " w12 ", r9\n\t"                                                               \
    "smlabt r10, r7, " w12 ", r10\n\t"

#define EQ_PAIR_SIGN                                                                               \
    "add r9, r9, r9, asr #31\n\t"                                                                  \
    "add r10, r10, r10, asr #31\n\t"

/* Pairs of outputs until `end`. On the stack: bias 0, doubled 4, rounding 8, shift_1 12,
 * output_pitch 16, end 20. r0 is the output, r1 to r6 the taps, r11, r12 and lr the lines. */
#define EQ_PAIRS(line, sign)                                                                       \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "ldmia r0!, {r4-r9}\n\t"                                                      \
                     "push {r4-r9}\n\t"                                                            \
                     "ldmia r0!, {r1-r6}\n\t"                                                      \
                     "ldrd r11, r12, [r0]\n\t"                                                     \
                     "ldrd lr, r0, [r0, #8]\n\t"                                                   \
                     "1:\n\t"                                                                      \
                     "ldr r9, [sp]\n\t"                                                            \
                     "mov r10, r9\n\t" line("r11", "r1", "r2") line("r12", "r3", "r4")             \
                         line("lr", "r5", "r6") "ldr r7, [sp, #4]\n\t"                             \
                                                "smmlar r9, r9, r7, r9\n\t"                        \
                                                "smmlar r10, r10, r7, r10\n\t" sign                \
                                                "ldrd r7, r8, [sp, #8]\n\t"                        \
                                                "add r9, r7\n\t"                                   \
                                                "asr r9, r9, r8\n\t"                               \
                                                "ssat r9, #8, r9, asr #1\n\t"                      \
                                                "add r10, r7\n\t"                                  \
                                                "asr r10, r10, r8\n\t"                             \
                                                "ssat r10, #8, r10, asr #1\n\t"                    \
                                                "ldr r7, [sp, #16]\n\t"                            \
                                                "strb r9, [r0]\n\t"                                \
                                                "strb r10, [r0, r7]\n\t"                           \
                                                "add r0, r0, r7, lsl #1\n\t"                       \
                                                "ldr r7, [sp, #20]\n\t"                            \
                                                "cmp r11, r7\n\t"                                  \
                                                "bne 1b\n\t"                                       \
                                                "add sp, #24\n\t"                                  \
                                                "pop {r4-r11, pc}")

#define EQ_DEFINE_PAIRS(name, line, sign)                                                          \
    static EQ_NAKED void name(const eq_depthwise_pairs *pairs __attribute__((unused)))             \
    {                                                                                              \
        EQ_PAIRS(line, sign);                                                                      \
    }

EQ_DEFINE_PAIRS(eq_depthwise_pairs_rectified_dsp, EQ_PAIR_STRIDE_1, "")
EQ_DEFINE_PAIRS(eq_depthwise_pairs_signed_dsp, EQ_PAIR_STRIDE_1, EQ_PAIR_SIGN)
EQ_DEFINE_PAIRS(eq_depthwise_pairs_stride_2_rectified_dsp, EQ_PAIR_STRIDE_2, "")
EQ_DEFINE_PAIRS(eq_depthwise_pairs_stride_2_signed_dsp, EQ_PAIR_STRIDE_2, EQ_PAIR_SIGN)

/* Whether the pairs of a layer go to the assembly: a 3x3 filter, lines that are worth a call. */
EQ_KERNEL int eq_depthwise_has_pairs_dsp(const eq_depthwise_conv_2d_dsp_params *p)
{
    return p->filter_lines == 3 && p->filter_along == 3 && p->output_along >= 6 &&
           p->scale.activation_min == INT8_MIN && p->scale.activation_max == INT8_MAX;
}

/* All whole pairs of one line of outputs. */
EQ_KERNEL void eq_depthwise_pairs_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                      eq_depthwise_pairs *pairs)
{
    pairs->end = pairs->lines[0] + p->output_along / 2 * p->stride;
    if (p->stride == 1) {
        if (p->scale.rectified) {
            eq_depthwise_pairs_rectified_dsp(pairs);
        } else {
            eq_depthwise_pairs_signed_dsp(pairs);
        }
    } else {
        if (p->scale.rectified) {
            eq_depthwise_pairs_stride_2_rectified_dsp(pairs);
        } else {
            eq_depthwise_pairs_stride_2_signed_dsp(pairs);
        }
    }
}

/* Outputs `at` and `at + 1` of a line for a filter three taps long, stride 1. `taps` has two words
 * a line: (w0, w1) and (w1, w2). */
EQ_KERNEL void eq_depthwise_pair_dsp(const eq_depthwise_conv_2d_dsp_params *p, const eq_word *lines,
                                     const uint32_t *taps, int32_t *acc)
{
    EQ_UNROLL(3)
    for (int32_t k = 0; k < p->filter_lines; k++) {
        const uint32_t a = lines[k * p->line_words];
        const uint32_t b = lines[k * p->line_words + 1];
        acc[0] = eq_smlad(a, taps[2 * k], acc[0]);
        acc[1] = eq_smlatb(a, taps[2 * k], acc[1]);
        acc[0] = eq_smlabt(b, taps[2 * k + 1], acc[0]);
        acc[1] = eq_smlad(b, taps[2 * k + 1], acc[1]);
    }
}

/* The same with stride 2. */
EQ_KERNEL void eq_depthwise_pair_stride_2_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                              const eq_word *lines, const uint32_t *taps,
                                              int32_t *acc)
{
    EQ_UNROLL(3)
    for (int32_t k = 0; k < p->filter_lines; k++) {
        const uint32_t a = lines[k * p->line_words];
        const uint32_t b = lines[k * p->line_words + 1];
        const uint32_t c = lines[k * p->line_words + 2];
        acc[0] = eq_smlad(a, taps[2 * k], acc[0]);
        acc[1] = eq_smlad(b, taps[2 * k], acc[1]);
        acc[0] = eq_smlabt(b, taps[2 * k + 1], acc[0]);
        acc[1] = eq_smlabt(c, taps[2 * k + 1], acc[1]);
    }
}

/* Outputs `at` and `at + 1` for a filter of any length, stride 1. `taps` has a word for every two
 * taps of a line, and two for every four, filled up with zero. */
EQ_KERNEL void eq_depthwise_long_dsp(const eq_depthwise_conv_2d_dsp_params *p, const eq_word *lines,
                                     const uint32_t *taps, int32_t *acc)
{
    const int32_t pairs = (p->filter_along + 1) / 2;
    const int32_t line_taps = (p->filter_along + 3) / 4 * 2;
    for (int32_t k = 0; k < p->filter_lines; k++) {
        const eq_word *line = lines + k * p->line_words;
        uint32_t a = line[0];
        EQ_UNROLL(8)
        for (int32_t j = 0; j < pairs; j++) {
            const uint32_t b = line[j + 1];
            acc[0] = eq_smlad(a, taps[j], acc[0]);
            acc[1] = eq_smlatb(a, taps[j], acc[1]);
            acc[1] = eq_smlabt(b, taps[j], acc[1]);
            a = b;
        }
        taps += line_taps;
    }
}

/* The taps of a channel as pairs of int16, two words from each word of four int8. */
EQ_KERNEL int32_t eq_depthwise_tap_words_dsp(const eq_depthwise_conv_2d_dsp_params *p)
{
    const int32_t words = p->filter_along == 3 ? 1 : (p->filter_along + 3) / 4;
    return p->filter_lines * words;
}

#define EQ_DEPTHWISE_MAX_TAP_WORDS 8

/* `stream` holds for each channel: bias, 2 * multiplier - 2^32, shift - 1, words of taps. */
EQ_KERNEL void eq_depthwise_channel_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                        const eq_half *plane, const eq_word *stream, int8_t *output,
                                        int32_t lines)
{
    const int32_t bias = (int32_t)stream[0];
    const int32_t doubled = (int32_t)stream[1];
    const int32_t shift_1 = (int32_t)stream[2];
    const int32_t rounding = (int32_t)((uint32_t)p->scale.twice_offset_plus_1 << shift_1);
    const int32_t tap_words = eq_depthwise_tap_words_dsp(p);
    uint32_t taps[2 * EQ_DEPTHWISE_MAX_TAP_WORDS];
    EQ_UNROLL(8)
    for (int32_t i = 0; i < tap_words; i++) {
        taps[2 * i] = eq_widen_even(stream[3 + i]);
        taps[2 * i + 1] = eq_widen_odd(stream[3 + i]);
    }
    eq_depthwise_pairs pairs;
    if (eq_depthwise_has_pairs_dsp(p)) {
        pairs.bias = bias;
        pairs.doubled = doubled;
        pairs.rounding = rounding;
        pairs.shift_1 = shift_1;
        pairs.output_pitch = p->output_pitch;
        memcpy(pairs.taps, taps, sizeof(pairs.taps));
    }
    for (int32_t y = 0; y < lines; y++) {
        const eq_word *window =
            (const eq_word *)(const void *)plane + y * p->stride * p->line_words;
        int8_t *out = output + y * p->output_line_pitch;
        int32_t x = 0;
        if (eq_depthwise_has_pairs_dsp(p)) {
            pairs.lines[0] = window;
            pairs.lines[1] = window + p->line_words;
            pairs.lines[2] = window + 2 * p->line_words;
            pairs.output = out;
            eq_depthwise_pairs_dsp(p, &pairs);
            x = p->output_along / 2 * 2;
            out += x * p->output_pitch;
            window += x / 2 * p->stride;
        }
        for (; x < p->output_along; x += 2) {
            int32_t acc[2];
            acc[0] = bias;
            acc[1] = bias;
            if (p->filter_along != 3) {
                eq_depthwise_long_dsp(p, window, taps, acc);
            } else if (p->stride == 1) {
                eq_depthwise_pair_dsp(p, window, taps, acc);
            } else {
                eq_depthwise_pair_stride_2_dsp(p, window, taps, acc);
            }
            window += p->stride;
            out[0] = (int8_t)eq_requantize_dsp(&p->scale, acc[0], doubled, rounding, shift_1);
            if (p->output_along % 2 == 0 || x + 1 < p->output_along) {
                out[p->output_pitch] =
                    (int8_t)eq_requantize_dsp(&p->scale, acc[1], doubled, rounding, shift_1);
            }
            out += 2 * p->output_pitch;
        }
    }
}

/* `scratch` holds ((band - 1) * stride + filter_lines) widened lines. */
EQ_KERNEL void eq_depthwise_conv_2d_dsp_s8(const eq_depthwise_conv_2d_dsp_params *p,
                                           const int8_t *input, const uint32_t *weights,
                                           int8_t *output, void *scratch)
{
    eq_half *plane = scratch;
    const int32_t line_halves = 2 * p->line_words;
    const int32_t plane_lines = (p->band - 1) * p->stride + p->filter_lines;
    const int32_t stream_words = 3 + eq_depthwise_tap_words_dsp(p);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t y = 0; y < p->output_lines; y += p->band) {
            const int32_t lines = eq_min(p->band, p->output_lines - y);
            const int32_t first = y * p->stride - p->pad_lines;
            const eq_word *stream = weights;
            /* The padding around the values is the same for all channels. */
            for (int32_t i = 0; i < plane_lines * line_halves; i++) {
                plane[i] = (eq_half)p->input_zero_point;
            }
            const int32_t begin = eq_max(first, 0);
            const int32_t end = eq_min(first + plane_lines, p->input_lines);
            for (int32_t c = 0; c < p->channels; c++) {
                for (int32_t line = begin; line < end; line++) {
                    eq_depthwise_line_dsp(p, input + line * p->input_line_pitch + c,
                                          plane + (line - first) * line_halves);
                }
                eq_depthwise_channel_dsp(p, plane, stream, output + y * p->output_line_pitch + c,
                                         lines);
                stream += stream_words;
            }
        }
        input += p->input_bytes;
        output += p->output_bytes;
    }
}

#endif
