/* DEPTHWISE_CONV_2D, int8, over one line of values (NLC), depth multiplier 1, up to 13 taps, stride
 * 1, with MVE.
 *
 * Sixteen channels at a time, VST4 interleaves the line so that in scratch a word holds four
 * neighbouring values of a channel. Gathering four such words gives sixteen values, which hold the
 * windows of four outputs: VMLADAV multiplies them with the filter, shifted by none to three lanes.
 * All values of the channels are read before their outputs are written, so the output may be the
 * input's memory.
 */
#ifndef EQ_DEPTHWISE_CONV_1D_MVE_H
#define EQ_DEPTHWISE_CONV_1D_MVE_H

#include "eq_base.h"
#include "eq_depthwise_passes_mve.h"
#include "eq_requantize_mve.h"

#define EQ_LINE_CHANNELS 16
#define EQ_LINE_COLUMN_BYTES (4 * EQ_LINE_CHANNELS)

typedef struct {
    int32_t batches, channels;
    int32_t input_length, output_length;
    int32_t taps, pad;
    int32_t columns;  /* of four values, in scratch */
    int32_t by_eight; /* 1: outputs by turns of eight, two columns, the last maybe partly wanted */
    int32_t input_zero_point;
    eq_scale_mve scale;
} eq_depthwise_conv_1d_mve_params;

/* A channel's filter and where it is in scratch. */
typedef struct {
    int32_t bias, multiplier, shift;
    int8x16_t filter[4]; /* shifted by none to three lanes */
    int32x4_t at;        /* where its outputs go */
} eq_line_mve;

/* Four neighbouring values of a block of channels into a column. Those before `first` and those
 * from `last` on are outside the line. */
EQ_KERNEL void eq_line_column_mve(const eq_depthwise_conv_1d_mve_params *p, const int8_t *values,
                                  int32_t channels, int32_t first, int32_t last,
                                  const int8_t *outside, int8_t *column)
{
    const mve_pred16_t some = vctp8q((uint32_t)channels);
    int8x16x4_t four;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < 4; k++) {
        const int8_t *from = k >= first && k < last ? values + k * p->channels : outside;
        four.val[k] =
            p->channels % EQ_LINE_CHANNELS == 0 ? vldrbq_s8(from) : vldrbq_z_s8(from, some);
    }
    vst4q_s8(column, four);
}

/* A block of channels into scratch, with the zero point around. */
EQ_KERNEL void eq_line_fill_mve(const eq_depthwise_conv_1d_mve_params *p, const int8_t *input,
                                int32_t channels, int8_t *scratch)
{
    const int8_t *outside = scratch + p->columns * EQ_LINE_COLUMN_BYTES;
    for (int32_t column = 0; column < p->columns; column++) {
        const int32_t place = 4 * column - p->pad;
        const int8_t *values = input + place * p->channels;
        const int32_t left = p->input_length - place;
        if (place >= 0 && left >= 4) {
            eq_line_column_mve(p, values, channels, 0, 4, outside, scratch);
        } else {
            eq_line_column_mve(p, values, channels, -place, left, outside, scratch);
        }
        scratch += EQ_LINE_COLUMN_BYTES;
    }
}

/* Four outputs. */
EQ_KERNEL void eq_line_four_mve(const eq_depthwise_conv_1d_mve_params *p, const eq_line_mve *line,
                                const int8_t *column, int8_t *output)
{
    const uint32x4_t spread = vmulq_n_u32(vidupq_n_u32(0, 1), EQ_LINE_COLUMN_BYTES);
    const int8x16_t values = eq_gather_words_mve(column, spread);
    const int32x4_t acc =
        eq_lanes_mve(vmladavq_s8(values, line->filter[0]), vmladavq_s8(values, line->filter[1]),
                     vmladavq_s8(values, line->filter[2]), vmladavq_s8(values, line->filter[3]));
    const int32x4_t y =
        eq_requantize_n_mve(&p->scale, vaddq_n_s32(acc, line->bias), line->multiplier, line->shift);
    eq_scatter_mve(output, line->at, y);
}

/* A channel's outputs. `words` are bias, multiplier and negative right shift. */
EQ_KERNEL void eq_line_channel_mve(const eq_depthwise_conv_1d_mve_params *p, const int32_t *words,
                                   const int8_t *taps, const int8_t *column, int8_t *output)
{
    const int32_t rest = p->output_length % 4;
    const int32_t c = p->channels;
    uint32_t carry = 0;
    eq_line_mve line;
    line.bias = words[0];
    line.multiplier = words[1];
    line.shift = words[2];
    line.at = eq_lanes_mve(0, c, 2 * c, 3 * c);
    line.filter[0] = vldrbq_z_s8(taps, vctp8q((uint32_t)p->taps));
    EQ_UNROLL(3)
    for (int32_t k = 1; k < 4; k++) {
        line.filter[k] = vshlcq_s8(line.filter[k - 1], &carry, 8);
    }
    for (int32_t i = 0; i < p->output_length - rest; i += 4) {
        eq_line_four_mve(p, &line, column, output);
        column += EQ_LINE_COLUMN_BYTES;
        output += 4 * c;
    }
    if (rest != 0) {
        /* What is missing does the last one's work again. */
        line.at = eq_lanes_mve(0, eq_min(1, rest - 1) * c, (rest - 1) * c, (rest - 1) * c);
        EQ_UNROLL(3)
        for (int32_t k = 1; k < 4; k++) {
            line.filter[k] = line.filter[eq_min(k, rest - 1)];
        }
        eq_line_four_mve(p, &line, column, output);
    }
}

/* What stays the same for all blocks of channels. */
EQ_KERNEL void eq_line_start_mve(const eq_depthwise_conv_1d_mve_params *p, const int8_t *columns,
                                 eq_depthwise_pass_mve *pass)
{
    const int32_t c = p->channels;
    const int32_t fours = (p->output_length + 3) / 4;
    const int32_t turns = (fours + 1) / 2;
    const int32_t back = fours % 2;
    const int32_t rest = p->output_length % 4;
    pass->column = columns;
    pass->turns = turns - 1;
    pass->output_offset = p->scale.output_offset;
    pass->output_step = 8 * c;
    pass->back_columns = back * EQ_LINE_COLUMN_BYTES;
    pass->back_outputs = back * 4 * c;
    pass->next_column = fours * EQ_LINE_COLUMN_BYTES - 4;
    pass->next_output = fours * 4 * c - 1;
    pass->shift = p->taps;
    pass->stored = UINT16_MAX;
    for (int32_t i = 0; i < 4; i++) {
        pass->at[2 * i] = (uint16_t)(i * c);
        pass->at[2 * i + 1] = (uint16_t)((i + 4) * c);
        if (rest != 0 && i >= rest) {
            pass->stored &= ~((uint32_t)3 << (4 * i + 2));
        }
    }
}

/* A block of channels by turns of eight outputs. */
EQ_KERNEL void eq_line_block_mve(const eq_depthwise_conv_1d_mve_params *p,
                                 eq_depthwise_pass_mve *pass, const int32_t *words,
                                 const int8_t *taps, int32_t channels, int8_t *output)
{
    pass->output = output;
    pass->record = (const int8_t *)(const void *)words;
    pass->record_end = (const int8_t *)(const void *)(words + 3 * channels);
    pass->taps = taps;
    if (p->scale.rectified) {
        eq_line_pass_rectified_mve(pass);
    } else {
        eq_line_pass_signed_mve(pass);
    }
}

/* `weights` holds in words bias, multiplier and negative right shift of each channel, then the taps
 * of each channel. `scratch` is 64 bytes for each column and 16 more. */
EQ_KERNEL void eq_depthwise_conv_1d_mve_s8(const eq_depthwise_conv_1d_mve_params *p,
                                           const int8_t *input, const int8_t *weights,
                                           int8_t *output, void *scratch)
{
    int8_t *columns = scratch;
    eq_depthwise_pass_mve pass;
    eq_line_start_mve(p, columns, &pass);
    vstrbq_s8(columns + p->columns * EQ_LINE_COLUMN_BYTES, vdupq_n_s8((int8_t)p->input_zero_point));
    for (int32_t b = 0; b < p->batches; b++) {
        const int32_t *words = (const int32_t *)(const void *)weights;
        const int8_t *taps = weights + 12 * p->channels;
        for (int32_t c = 0; c < p->channels; c += EQ_LINE_CHANNELS) {
            const int32_t channels = eq_min(p->channels - c, EQ_LINE_CHANNELS);
            eq_line_fill_mve(p, input + c, channels, columns);
            if (p->by_eight) {
                eq_line_block_mve(p, &pass, words, taps, channels, output + c);
                words += 3 * channels;
                taps += p->taps * channels;
                continue;
            }
            for (int32_t k = 0; k < channels; k++) {
                eq_line_channel_mve(p, words, taps, columns + 4 * k, output + c + k);
                words += 3;
                taps += p->taps;
            }
        }
        eq_clamp_mve(&p->scale, output, p->output_length * p->channels);
        input += p->input_length * p->channels;
        output += p->output_length * p->channels;
    }
}

#endif
