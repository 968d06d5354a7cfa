/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, filters up to 3x3, stride 1 or 2, with MVE.
 *
 * Sixteen channels at a time, four neighbouring lines of the image are interleaved by VST4, so that
 * in scratch each column of a channel is one word of four lines. Gathering four neighbouring words
 * of a channel gives a patch of 4 x 4 values in one register, and VMLADAV multiplies all of it with
 * a filter that has zeros around it. With stride 1 one patch holds the windows of 2 x 2 outputs:
 * the filter stands in four places of its four registers. With stride 2 each output has its patch.
 *
 * A line runs along the image's rows, or along its columns where that leaves fewer outputs without
 * a partner; the host chooses, swaps the filter to suit, and fills it up to 3x3 with zeros.
 *
 * With in_place the output may be the input's memory: lines that the next outputs need again are
 * taken from scratch.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_3X3_MVE_H
#define EQ_DEPTHWISE_CONV_2D_3X3_MVE_H

#include "eq_base.h"
#include "eq_depthwise_passes_mve.h"
#include "eq_requantize_mve.h"

#define EQ_PATCH_CHANNELS 16
#define EQ_PATCH_COLUMN_BYTES (4 * EQ_PATCH_CHANNELS)
#define EQ_PATCH_RECORD_BYTES 24
#define EQ_PATCH_TAPS_BYTES 12

typedef struct {
    int32_t batches, channels;
    int32_t input_bytes, output_bytes; /* of one image */
    int32_t input_lines, input_along;
    int32_t input_line_pitch, input_pitch; /* bytes to the next line, to the next value in it */
    int32_t output_lines, output_along;
    int32_t output_line_pitch, output_pitch;
    int32_t stride; /* in both directions */
    int32_t pad_lines, pad_along;
    int32_t columns; /* in scratch */
    int32_t in_place;
    int32_t by_eight; /* 1: the passes suit the layer */
    int32_t lone;     /* 1: a last line has no second one, and is made by turns of eight */
    int32_t input_zero_point;
    eq_scale_mve scale;
} eq_depthwise_conv_2d_3x3_mve_params;

/* Four neighbouring lines of a block of channels in scratch, the first of them `first`. With
 * `carried` the first two are there already, as the last two. `outside` is what stands for lines
 * outside the image. */
EQ_KERNEL void eq_patch_fill_mve(const eq_depthwise_conv_2d_3x3_mve_params *p, const int8_t *input,
                                 int32_t channels, int32_t first, int carried,
                                 const int8_t *outside, int8_t *scratch)
{
    const int32_t count = eq_min(p->input_along, p->columns - p->pad_along);
    const mve_pred16_t some = vctp8q((uint32_t)channels);
    const int8_t *line[4];
    int32_t step[4];
    for (int32_t k = 0; k < 4; k++) {
        const int inside = first + k >= 0 && first + k < p->input_lines;
        line[k] = inside ? input + (first + k) * p->input_line_pitch : outside;
        step[k] = inside ? p->input_pitch : 0;
    }
    int8_t *column = scratch + p->pad_along * EQ_PATCH_COLUMN_BYTES;
    for (int32_t i = 0; i < count; i++) {
        int8x16x4_t patch;
        if (carried) {
            patch = vld4q_s8(column);
            patch.val[0] = patch.val[2];
            patch.val[1] = patch.val[3];
        }
        EQ_UNROLL(4)
        for (int32_t k = carried ? 2 : 0; k < 4; k++) {
            patch.val[k] = p->channels % EQ_PATCH_CHANNELS == 0 ? vldrbq_s8(line[k])
                                                                : vldrbq_z_s8(line[k], some);
            line[k] += step[k];
        }
        vst4q_s8(column, patch);
        column += EQ_PATCH_COLUMN_BYTES;
    }
}

/* A channel's outputs of two lines (stride 1) or of one. `second` says whether there is a second
 * line; where there is none, the first is made twice. `column` is the channel in scratch. */
EQ_KERNEL void eq_patch_channel_mve(const eq_depthwise_conv_2d_3x3_mve_params *p,
                                    const int8_t *record, const int8_t *column, int8_t *output,
                                    int second)
{
    const int32_t *words = (const int32_t *)(const void *)record;
    const int32_t bias = words[0], multiplier = words[1], shift = words[2];
    const int8_t *taps = record + 12;
    const int32_t across = p->stride == 1 ? 2 : 4; /* outputs of a line made at once */
    const int32_t last = p->output_along - 1;
    const int32_t pitch = p->output_pitch;
    const int32_t next = second ? p->output_line_pitch : 0;
    const uint32x4_t spread = vmulq_n_u32(vidupq_n_u32(0, 1), EQ_PATCH_COLUMN_BYTES);
    /* For the window in the patch's first three columns, and for that in its last three. */
    const int8x16_t w = vldrbq_z_s8(taps, vctp8q(EQ_PATCH_TAPS_BYTES));
    uint32_t carry = 0;
    const int8x16_t w01 = last > 0 ? vshlcq_s8(w, &carry, 32) : w;
    int8x16_t w10 = w, w11 = w01;
    int32x4_t at;
    if (p->stride == 1) {
        at = eq_lanes_mve(0, eq_min(last, 1) * pitch, next, next + eq_min(last, 1) * pitch);
        if (second) {
            w10 = vreinterpretq_s8_u32(vshlq_n_u32(vreinterpretq_u32_s8(w), 8));
            w11 = vreinterpretq_s8_u32(vshlq_n_u32(vreinterpretq_u32_s8(w01), 8));
        }
    } else {
        at = eq_lanes_mve(0, eq_min(last, 1) * pitch, eq_min(last, 2) * pitch,
                          eq_min(last, 3) * pitch);
    }
    /* Where the line is no multiple, the first two steps overlap. */
    int32_t step = p->output_along % across != 0 && p->output_along > across
                       ? p->output_along % across
                       : across;
    for (int32_t x = 0; x < p->output_along; x += across) {
        int32_t acc[4];
        if (p->stride == 1) {
            const int8x16_t patch = eq_gather_words_mve(column, spread);
            acc[0] = vmladavq_s8(patch, w);
            acc[1] = vmladavq_s8(patch, w01);
            acc[2] = vmladavq_s8(patch, w10);
            acc[3] = vmladavq_s8(patch, w11);
        } else {
            EQ_UNROLL(4)
            for (int32_t k = 0; k < 4; k++) {
                const int8_t *from = column + 2 * eq_min(k, last) * EQ_PATCH_COLUMN_BYTES;
                acc[k] = vmladavq_s8(eq_gather_words_mve(from, spread), w);
            }
        }
        const int32x4_t sums = vaddq_n_s32(eq_lanes_mve(acc[0], acc[1], acc[2], acc[3]), bias);
        const int32x4_t y = eq_requantize_n_mve(&p->scale, sums, multiplier, shift);
        eq_scatter_mve(output, at, y);
        output += step * pitch;
        column += step * p->stride * EQ_PATCH_COLUMN_BYTES;
        step = across;
    }
}

/* The outputs of two lines (stride 1), or of one, by turns of eight. */
EQ_KERNEL void eq_patch_pass_mve(const eq_depthwise_conv_2d_3x3_mve_params *p, const int8_t *record,
                                 const int8_t *scratch, int8_t *output, int32_t channels,
                                 int second)
{
    const int32_t along = p->output_along, pitch = p->output_pitch;
    const int single = p->lone && !second;
    const int32_t across = single ? 8 : 4;
    const int32_t next = second ? p->output_line_pitch : 0;
    const int32_t turns = (along + across - 1) / across;
    const int32_t back = turns * across - along;
    eq_depthwise_pass_mve pass;
    pass.column = scratch;
    pass.output = output;
    pass.record = record;
    pass.turns = turns - 1;
    pass.output_offset = p->scale.output_offset;
    pass.output_step = across * pitch;
    pass.record_end = record + channels * EQ_PATCH_RECORD_BYTES;
    pass.back_columns = back * EQ_PATCH_COLUMN_BYTES;
    pass.back_outputs = back * pitch;
    pass.next_column = along * EQ_PATCH_COLUMN_BYTES - 4;
    pass.next_output = along * pitch - 1;
    pass.shift = second ? 8 : 0;
    for (int32_t i = 0; i < 4; i++) {
        /* Sums stand in pairs: outputs 0, 4, 1, 5 and so on of one line; 0, 2, 1, 3 of two. */
        const int32_t first = single ? i * pitch : (i & 1) * pitch + (i >> 1) * next;
        pass.at[2 * i] = (uint16_t)first;
        pass.at[2 * i + 1] = (uint16_t)(first + (single ? 4 : 2) * pitch);
    }
    if (single && p->scale.rectified) {
        eq_patch_single_rectified_mve(&pass);
    } else if (single) {
        eq_patch_single_signed_mve(&pass);
    } else if (p->scale.rectified) {
        eq_patch_pair_rectified_mve(&pass);
    } else {
        eq_patch_pair_signed_mve(&pass);
    }
}

/* The outputs at line `y` of a block of channels, and with stride 1 those of the next line. */
EQ_KERNEL void eq_patch_lines_mve(const eq_depthwise_conv_2d_3x3_mve_params *p, const int8_t *input,
                                  const int8_t *record, int8_t *output, int32_t channels, int32_t y,
                                  int8_t *scratch)
{
    const int8_t *outside = scratch + p->columns * EQ_PATCH_COLUMN_BYTES;
    const int32_t first = y * p->stride - p->pad_lines;
    if (p->in_place && y > 0) {
        eq_patch_fill_mve(p, input, channels, first, 1, outside, scratch);
    } else {
        eq_patch_fill_mve(p, input, channels, first, 0, outside, scratch);
    }
    output += y * p->output_line_pitch;
    if (p->by_eight) {
        eq_patch_pass_mve(p, record, scratch, output, channels, y + 1 < p->output_lines);
        return;
    }
    for (int32_t c = 0; c < channels; c++) {
        const int8_t *column = scratch + 4 * c;
        if (p->stride == 1 && y + 1 < p->output_lines) {
            eq_patch_channel_mve(p, record, column, output + c, 1);
        } else {
            eq_patch_channel_mve(p, record, column, output + c, 0);
        }
        record += EQ_PATCH_RECORD_BYTES;
    }
}

/* `weights` holds for each channel in words bias, multiplier and negative right shift, then the
 * three columns of its filter, each of three weights and a zero. `scratch` is 64 bytes for each
 * column and 16 more. */
EQ_KERNEL void eq_depthwise_conv_2d_3x3_mve_s8(const eq_depthwise_conv_2d_3x3_mve_params *p,
                                               const int8_t *input, const int8_t *weights,
                                               int8_t *output, void *scratch)
{
    const int32_t lines = p->stride == 1 ? 2 : 1;
    int8_t *patches = scratch;
    int8x16_t outside = vdupq_n_s8((int8_t)p->input_zero_point);
    __asm__("" : "+w"(outside)); /* a constant's loop would become a call of the C library */
    for (int32_t i = 0; i <= p->columns * EQ_PATCH_COLUMN_BYTES; i += 16) {
        vstrbq_s8(patches + i, outside);
    }
    for (int32_t b = 0; b < p->batches; b++) {
        /* In place a block of channels is done before the next; else lines are, so that the output
         * can follow the input through memory. */
        for (int32_t band = 0; band < (p->in_place ? 1 : p->output_lines); band += lines) {
            const int32_t end = p->in_place ? p->output_lines : band + 1;
            for (int32_t c = 0; c < p->channels; c += EQ_PATCH_CHANNELS) {
                const int32_t channels = eq_min(p->channels - c, EQ_PATCH_CHANNELS);
                for (int32_t y = band; y < end; y += lines) {
                    eq_patch_lines_mve(p, input + c, weights + c * EQ_PATCH_RECORD_BYTES,
                                       output + c, channels, y, scratch);
                }
            }
        }
        eq_clamp_mve(&p->scale, output, p->output_bytes);
        input += p->input_bytes;
        output += p->output_bytes;
    }
}

#endif
