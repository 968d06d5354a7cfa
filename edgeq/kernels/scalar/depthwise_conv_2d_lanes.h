/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, on widened inputs.
 *
 * One channel at a time: its values of a band of rows are widened into scratch, one line after
 * another with the padding around them, and four neighbouring outputs are made at once, so that
 * every value and every weight is loaded once for several products. A line runs along the image's
 * rows or columns, as the host chooses.
 *
 * A channel is read before it is written. With one band and the same pitch for input and output
 * the output may therefore be the input's memory.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_LANES_H
#define EQ_DEPTHWISE_CONV_2D_LANES_H

#include "eq_base.h"
#include "eq_columns.h"

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
    int32_t line_lanes; /* of a widened line */
    int32_t band;       /* output lines made from one filling of the scratch */
    int32_t input_zero_point;
    eq_scale scale;
} eq_depthwise_conv_2d_lanes_params;

#define EQ_LANES_OUTPUTS 4
#define EQ_LANES_MAX_TAPS 16

/* Four neighbouring outputs of a line for a filter three taps long. */
EQ_KERNEL void eq_depthwise_four_of_three(const eq_depthwise_conv_2d_lanes_params *p,
                                          const eq_lane *window, const int32_t *taps, int32_t *acc)
{
    EQ_UNROLL(3)
    for (int32_t k = 0; k < p->filter_lines; k++) {
        const int32_t w0 = taps[3 * k], w1 = taps[3 * k + 1], w2 = taps[3 * k + 2];
        EQ_UNROLL(9)
        for (int32_t i = 0; i < (EQ_LANES_OUTPUTS - 1) * p->stride + 3; i++) {
            const int32_t x = window[i];
            EQ_UNROLL(4)
            for (int32_t o = 0; o < EQ_LANES_OUTPUTS; o++) {
                const int32_t tap = i - o * p->stride;
                if (tap == 0) {
                    acc[o] += x * w0;
                } else if (tap == 1) {
                    acc[o] += x * w1;
                } else if (tap == 2) {
                    acc[o] += x * w2;
                }
            }
        }
        window += p->line_lanes;
    }
}

/* The same for a filter of any length. */
EQ_KERNEL void eq_depthwise_four(const eq_depthwise_conv_2d_lanes_params *p, const eq_lane *window,
                                 const int32_t *taps, int32_t *acc)
{
    for (int32_t k = 0; k < p->filter_lines; k++) {
        for (int32_t j = 0; j < p->filter_along; j++) {
            const int32_t w = *taps++;
            acc[0] += window[j] * w;
            acc[1] += window[j + p->stride] * w;
            acc[2] += window[j + 2 * p->stride] * w;
            acc[3] += window[j + 3 * p->stride] * w;
        }
        window += p->line_lanes;
    }
}

/* The outputs of one channel in `lines` lines. */
EQ_KERNEL void eq_depthwise_channel(const eq_depthwise_conv_2d_lanes_params *p,
                                    const eq_lane *plane, const int8_t *weights,
                                    const eq_channel *channel, int8_t *output, int32_t lines)
{
    int32_t taps[EQ_LANES_MAX_TAPS];
    for (int32_t i = 0; i < p->filter_lines * p->filter_along; i++) {
        taps[i] = weights[i];
    }
    for (int32_t y = 0; y < lines; y++) {
        const eq_lane *window = plane + y * p->stride * p->line_lanes;
        int8_t *out = output + y * p->output_line_pitch;
        for (int32_t x = 0; x < p->output_along; x += EQ_LANES_OUTPUTS) {
            int32_t acc[EQ_LANES_OUTPUTS];
            EQ_UNROLL(4)
            for (int32_t o = 0; o < EQ_LANES_OUTPUTS; o++) {
                acc[o] = channel->bias;
            }
            if (p->filter_along == 3) {
                eq_depthwise_four_of_three(p, window, taps, acc);
            } else {
                eq_depthwise_four(p, window, taps, acc);
            }
            EQ_UNROLL(4)
            for (int32_t o = 0; o < EQ_LANES_OUTPUTS; o++) {
                if (p->output_along % EQ_LANES_OUTPUTS == 0 || x + o < p->output_along) {
                    *out = (int8_t)eq_scale_output(&p->scale, channel, acc[o]);
                }
                out += p->output_pitch;
            }
            window += EQ_LANES_OUTPUTS * p->stride;
        }
    }
}

/* `weights` are channel by channel, each line by line. `scratch` holds
 * (band - 1) * stride + filter_lines widened lines. */
EQ_KERNEL void eq_depthwise_conv_2d_lanes_s8(const eq_depthwise_conv_2d_lanes_params *p,
                                             const int8_t *input, const int8_t *weights,
                                             const eq_requant *requant, int8_t *output,
                                             void *scratch)
{
    eq_lane *plane = scratch;
    const int32_t plane_lines = (p->band - 1) * p->stride + p->filter_lines;
    const int32_t taps = p->filter_lines * p->filter_along;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t y = 0; y < p->output_lines; y += p->band) {
            const int32_t lines = eq_min(p->band, p->output_lines - y);
            const int32_t first = y * p->stride - p->pad_lines;
            const int32_t begin = eq_max(first, 0);
            const int32_t end = eq_min(first + plane_lines, p->input_lines);
            /* The padding around the values is the same for all channels. */
            for (int32_t i = 0; i < plane_lines * p->line_lanes; i++) {
                plane[i] = (eq_lane)p->input_zero_point;
            }
            for (int32_t c = 0; c < p->channels; c++) {
                const eq_channel channel = eq_channel_of(&p->scale, &requant[c]);
                for (int32_t line = begin; line < end; line++) {
                    const int8_t *in = input + line * p->input_line_pitch + c;
                    eq_lane *lane = plane + (line - first) * p->line_lanes + p->pad_along;
                    EQ_UNROLL(4)
                    for (int32_t i = 0; i < p->input_along; i++) {
                        lane[i] = in[i * p->input_pitch];
                    }
                }
                eq_depthwise_channel(p, plane, weights + c * taps, &channel,
                                     output + y * p->output_line_pitch + c, lines);
            }
        }
        input += p->input_bytes;
        output += p->output_bytes;
    }
}

#endif
