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
#include "eq_depthwise_pairs_dsp.h"
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
    int32_t merged; /* channels whose two roundings are one: 0 none, 1 all, 2 some */
    int32_t paired; /* 1: lines by eq_depthwise_pairs_dsp.h, for 3x3 filters without limits */
    eq_scale_dsp scale;
} eq_depthwise_conv_2d_dsp_params;

/* What the factor of a channel whose roundings are merged is stored with. */
#define EQ_DEPTHWISE_MERGED 256

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

/* How a channel's lines of input values are widened. The assembly reads it by position. */
typedef struct {
    int32_t input_pitch; /* 0: bytes to the next value of a line */
    int32_t input_step;  /* 4: bytes from the end of a line to the next one */
    int32_t plane_step;  /* 8: the same of widened lines */
    int32_t lines;       /* 12 */
    int32_t skip;        /* 16: bytes of the unrolled loop to jump over on entry */
    int32_t turns;       /* 20: of the loop, for a line */
} eq_depthwise_fill_dsp;

#define EQ_FILL_STEP_BYTES 10
#define EQ_FILL_UNROLL 8

/* All lines of a channel; `plane` is behind the padding of the first. */
static EQ_NAKED EQ_UNUSED void eq_depthwise_fill_lines_dsp(const int8_t *input
                                                           __attribute__((unused)),
                                                           eq_half *plane __attribute__((unused)),
                                                           const eq_depthwise_fill_dsp *fill
                                                           __attribute__((unused)))
{
    __asm__ volatile("push {r4-r9, lr}\n\t"
                     "ldmia r2!, {r3, r4, r5, r6, r7}\n\t"
                     "ldr r8, [r2]\n\t"
                     "adr r2, 2f\n\t"
                     "add r7, r2\n\t"
                     "orr r7, #1\n\t"
                     "1:\n\t"
                     "mov r9, r8\n\t"
                     "bx r7\n\t"
                     ".p2align 2\n\t"
                     "2:\n\t"
                     ".rept 8\n\t"
                     "ldrsb.w r2, [r0]\n\t"
                     "add r0, r3\n\t"
                     "strh r2, [r1], #2\n\t" /* of 4 bytes, as all that write back */
                     ".endr\n\t"
                     "subs r9, #1\n\t"
                     "bne 2b\n\t"
                     "add r0, r4\n\t"
                     "add r1, r5\n\t"
                     "subs r6, #1\n\t"
                     "bne 1b\n\t"
                     "pop {r4-r9, pc}");
}

/* The same in C where a compiler knows how long lines are and unrolls for just that. */
EQ_KERNEL void eq_depthwise_lines_in_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                         const int8_t *input, eq_half *plane,
                                         const eq_depthwise_fill_dsp *fill)
{
    if (!EQ_KNOWN(p->input_along)) {
        if (fill->lines > 0) {
            eq_depthwise_fill_lines_dsp(input, plane + p->pad_along, fill);
        }
        return;
    }
    for (int32_t line = 0; line < fill->lines; line++) {
        const int8_t *value = input;
        EQ_UNROLL(8)
        for (int32_t i = 0; i < p->input_along; i++) {
            plane[p->pad_along + i] = *value;
            value += p->input_pitch;
        }
        input += p->input_line_pitch;
        plane += 2 * p->line_words;
    }
}

/* How the sums of a channel become outputs. */
typedef struct {
    int merged;     /* 1: one addition and one shift by EQ_DEPTHWISE_SHIFT for both roundings */
    int32_t factor; /* what sums are multiplied with then; otherwise with 2 */
    int32_t multiplier, added, shift_1;
} eq_depthwise_scale_dsp;

/* The scale of a channel from the words before its taps. */
EQ_KERNEL eq_depthwise_scale_dsp eq_depthwise_scale_of_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                                           const eq_word *stream)
{
    const int32_t offset = p->scale.twice_offset_plus_1;
    const int32_t word = (int32_t)stream[2];
    eq_depthwise_scale_dsp scale = {.multiplier = (int32_t)stream[1], .shift_1 = word};
    scale.merged = p->merged == 1 || (p->merged == 2 && word > EQ_DEPTHWISE_MERGED);
    if (scale.merged) {
        scale.factor = word - EQ_DEPTHWISE_MERGED;
        scale.added = offset * (1 << (EQ_DEPTHWISE_SHIFT - 1)) + scale.factor / 4;
    } else {
        scale.added = (int32_t)((uint32_t)offset << word);
    }
    return scale;
}

EQ_KERNEL int32_t eq_depthwise_output_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                          const eq_depthwise_scale_dsp *scale, int32_t acc)
{
    int32_t x;
    if (scale->merged) {
        __asm__("smmla %0, %1, %2, %3"
                : "=r"(x)
                : "r"(acc), "r"(scale->multiplier), "r"(scale->added));
        __asm__("ssat %0, #8, %1, asr #10" : "=r"(x) : "r"(x));
    } else {
        __asm__("smmlar %0, %1, %2, %3"
                : "=r"(x)
                : "r"(acc), "r"(scale->multiplier), "r"(scale->added + (acc >> 31)));
        x = eq_saturate_half(x >> scale->shift_1);
    }
    if (p->scale.activation_min > INT8_MIN) {
        x = eq_max(x, p->scale.activation_min);
    }
    if (p->scale.activation_max < INT8_MAX) {
        x = eq_min(x, p->scale.activation_max);
    }
    return x;
}

/* Two taps times the factor of their channel. */
EQ_KERNEL uint32_t eq_depthwise_taps_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                         const eq_depthwise_scale_dsp *scale, uint32_t pair)
{
    uint32_t low, high, both;
    const int32_t factor = scale->merged ? scale->factor : 2;
    if (p->merged == 0) {
        __asm__("sadd16 %0, %1, %1" : "=r"(both) : "r"(pair));
        return both;
    }
    __asm__("smulbb %0, %1, %2" : "=r"(low) : "r"(pair), "r"(factor));
    __asm__("smultb %0, %1, %2" : "=r"(high) : "r"(pair), "r"(factor));
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(both) : "r"(low), "r"(high));
    return both;
}

/* What is the same for all channels, with `window` the first line's inputs. */
EQ_KERNEL void eq_depthwise_pairs_of_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                         const eq_word *window, int32_t lines,
                                         eq_depthwise_pairs *pairs)
{
    const int32_t count = p->output_along / 2;
    pairs->end = window + count * p->stride;
    pairs->output_pitch = p->output_pitch;
    pairs->lines_left = lines;
    pairs->line_step = 4 * p->stride * (p->line_words - count);
    pairs->output_step = p->output_line_pitch - 2 * count * p->output_pitch;
    pairs->end_step = 4 * p->stride * p->line_words;
    pairs->odd = p->output_along % 2;
    for (int32_t i = 0; i < 3; i++) {
        pairs->lines[i] = window + i * p->line_words;
    }
}

/* All lines of a channel. */
EQ_KERNEL void eq_depthwise_lines_dsp(const eq_depthwise_conv_2d_dsp_params *p, int merged,
                                      const eq_depthwise_pairs *pairs)
{
    if (p->stride == 1) {
        if (merged) {
            eq_depthwise_pairs_rectified_dsp(pairs);
        } else {
            eq_depthwise_pairs_signed_dsp(pairs);
        }
    } else {
        if (merged) {
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
            acc[0] = eq_smlad(a, taps[j], acc[0]);
            acc[1] = eq_smlatb(a, taps[j], acc[1]);
            if (2 * j + 1 < p->filter_along) {
                a = line[j + 1];
                acc[1] = eq_smlabt(a, taps[j], acc[1]);
            }
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

/* `stream` holds for each channel: bias times factor; the multiplier; EQ_DEPTHWISE_MERGED + factor,
 * or the shift - 1; words of taps. */
EQ_KERNEL void eq_depthwise_channel_dsp(const eq_depthwise_conv_2d_dsp_params *p,
                                        const eq_half *plane, const eq_word *stream, int8_t *output,
                                        int32_t lines, eq_depthwise_pairs *pairs)
{
    const int32_t bias = (int32_t)stream[0];
    const eq_depthwise_scale_dsp scale = eq_depthwise_scale_of_dsp(p, stream);
    const int32_t tap_words = eq_depthwise_tap_words_dsp(p);
    const eq_word *first = (const eq_word *)(const void *)plane;
    uint32_t others[2 * EQ_DEPTHWISE_MAX_TAP_WORDS];
    uint32_t *taps = p->paired ? pairs->taps : others;
    EQ_UNROLL(8)
    for (int32_t i = 0; i < tap_words; i++) {
        taps[2 * i] = eq_depthwise_taps_dsp(p, &scale, eq_widen_even(stream[3 + i]));
        taps[2 * i + 1] = eq_depthwise_taps_dsp(p, &scale, eq_widen_odd(stream[3 + i]));
    }
    if (p->paired) {
        pairs->bias = bias;
        pairs->multiplier = scale.multiplier;
        pairs->added = scale.added;
        pairs->shift_1 = scale.shift_1;
        pairs->output = output;
        eq_depthwise_lines_dsp(p, scale.merged, pairs);
        return;
    }
    for (int32_t y = 0; y < lines; y++) {
        const eq_word *window = first + y * p->stride * p->line_words;
        int8_t *out = output + y * p->output_line_pitch;
        for (int32_t x = 0; x < p->output_along; x += 2) {
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
            out[0] = (int8_t)eq_depthwise_output_dsp(p, &scale, acc[0]);
            if (p->output_along % 2 == 0 || x + 1 < p->output_along) {
                out[p->output_pitch] = (int8_t)eq_depthwise_output_dsp(p, &scale, acc[1]);
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
    eq_depthwise_fill_dsp fill = {
        .input_pitch = p->input_pitch,
        .input_step = p->input_line_pitch - p->input_along * p->input_pitch,
        .plane_step = 2 * (line_halves - p->input_along),
        .skip = (EQ_FILL_UNROLL - p->input_along % EQ_FILL_UNROLL) % EQ_FILL_UNROLL *
                EQ_FILL_STEP_BYTES,
        .turns = (p->input_along + EQ_FILL_UNROLL - 1) / EQ_FILL_UNROLL,
    };
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
            eq_depthwise_pairs pairs;
            eq_depthwise_pairs_of_dsp(p, scratch, lines, &pairs);
            fill.lines = end - begin;
            for (int32_t c = 0; c < p->channels; c++) {
                eq_depthwise_lines_in_dsp(p, input + begin * p->input_line_pitch + c,
                                          plane + (begin - first) * line_halves, &fill);
                eq_depthwise_channel_dsp(p, plane, stream, output + y * p->output_line_pitch + c,
                                         lines, &pairs);
                stream += stream_words;
            }
        }
        input += p->input_bytes;
        output += p->output_bytes;
    }
}

#endif
