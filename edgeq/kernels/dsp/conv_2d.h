/* CONV_2D, int8 (NHWC), for cores with the DSP extension.
 *
 * The inputs of three neighbouring output pixels are widened into columns, then every pair of
 * output channels is one pass over its stream of weights (see eq_matmul_dsp.h). All inputs of the
 * three pixels are read before their outputs are written, so the output may lie over the input.
 */
#ifndef EQ_CONV_2D_DSP_H
#define EQ_CONV_2D_DSP_H

#include "eq_base.h"
#include "eq_matmul_dsp.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t steps; /* of four values each, for one output */
    int32_t alone; /* whether a single pixel is left behind the last three */
    eq_scale_dsp scale;
} eq_conv_2d_dsp_params;

/* What the pixels at the border need to know, by value: parameters whose address is passed on are
 * no constants to a compiler. */
typedef struct {
    int32_t input_h, input_w, input_c;
    int32_t filter_h, filter_w;
    int32_t input_zero_point;
    int32_t across;
} eq_conv_2d_image_dsp;

/* Whether a word's taps of a filter row follow each other: then three neighbouring pixels are
 * widened together, of whose fifteen words in a row ten are the same. */
EQ_KERNEL int eq_conv_2d_across_dsp(const eq_conv_2d_dsp_params *p)
{
    return p->filter_w == 3 && p->stride_w == 1 && p->input_c % 4 == 0;
}

/* Four values, widened. */
EQ_KERNEL eq_word *eq_widen_one_dsp(eq_word *column, const int8_t *input)
{
    uint32_t four;
    memcpy(&four, input, 4);
    return eq_widen_dsp(column, four);
}

/* One pixel's inputs, all inside the image: rows of filter_w * input_c bytes; whole words first,
 * then the bytes left over at the end of each row, together. */
EQ_KERNEL void eq_conv_2d_column_dsp(const eq_conv_2d_dsp_params *p, const int8_t *window,
                                     eq_word *column)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t pitch = p->input_w * p->input_c;
    const int32_t rest = row_bytes & 3;
    if (eq_conv_2d_across_dsp(p)) {
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            for (int32_t c = 0; c < p->input_c; c += 4) {
                EQ_UNROLL(3)
                for (int32_t kx = 0; kx < 3; kx++) {
                    uint32_t four;
                    memcpy(&four, window + ky * pitch + kx * p->input_c + c, 4);
                    column = eq_widen_dsp(column, four);
                }
            }
        }
        return;
    }
    if (EQ_KNOWN(row_bytes)) {
        EQ_UNROLL(3)
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int8_t *row = window + ky * pitch;
            EQ_UNROLL(3)
            for (int32_t i = 0; i + 8 <= row_bytes; i += 8) {
                column = eq_widen_one_dsp(eq_widen_one_dsp(column, row + i), row + i + 4);
            }
            if (row_bytes % 8 >= 4) {
                column = eq_widen_one_dsp(column, row + row_bytes / 8 * 8);
            }
        }
    } else {
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int8_t *row = window + ky * pitch;
            for (int32_t i = 0; i + 4 <= row_bytes; i += 4) {
                column = eq_widen_one_dsp(column, row + i);
            }
        }
    }
    if (rest != 0) {
        uint32_t four = 0, shift = 0;
        EQ_UNROLL(4)
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            const int8_t *tail = window + ky * pitch + row_bytes - rest;
            EQ_UNROLL(3)
            for (int32_t i = 0; i < rest; i++) {
                four |= (uint32_t)(uint8_t)tail[i] << shift;
                shift += 8;
                if (shift == 32) {
                    column = eq_widen_dsp(column, four);
                    four = 0;
                    shift = 0;
                }
            }
        }
        if (shift != 0) {
            eq_widen_dsp(column, four);
        }
    }
}

/* Bytes `at` to `at` + 3 of a filter row, of which those from `low` to `high` are in the image. */
EQ_KERNEL uint32_t eq_conv_2d_border_four_dsp(const int8_t *row, int32_t at, int32_t low,
                                              int32_t high, uint32_t outside)
{
    uint32_t four = outside;
    if (at >= low && at + 4 <= high) {
        memcpy(&four, row + at, 4);
    } else if (at + 4 > low && at < high) {
        for (int32_t i = 3; i >= 0; i--) {
            const int inside = at + i >= low && at + i < high;
            four = four << 8 | (inside ? (uint8_t)row[at + i] : outside & 0xFF);
        }
    }
    return four;
}

/* The same for a pixel at the border: what is outside the image is the zero point. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_border_dsp(eq_conv_2d_image_dsp image,
                                                        const int8_t *input, int32_t y, int32_t x,
                                                        eq_word *column)
{
    const int32_t row_bytes = image.filter_w * image.input_c;
    const int32_t whole = row_bytes & ~3;
    const uint32_t outside = (uint32_t)(image.input_zero_point & 0xFF) * 0x01010101u;
    const int32_t left = x * image.input_c;
    const int32_t low = eq_max(-left, 0);
    const int32_t high = eq_min(image.input_w * image.input_c - left, row_bytes);
    eq_word *rest = column + 2 * EQ_PASS_PIXELS * (image.filter_h * whole / 4);
    uint32_t four = 0, shift = 0;
    for (int32_t ky = 0; ky < image.filter_h; ky++) {
        const int32_t iy = y + ky;
        const int32_t end = iy >= 0 && iy < image.input_h ? high : 0;
        const int8_t *row = input + iy * image.input_w * image.input_c + left;
        for (int32_t i = 0; i < whole; i += 4) {
            column = eq_widen_dsp(column, eq_conv_2d_border_four_dsp(row, i, low, end, outside));
        }
        for (int32_t i = whole; i < row_bytes; i++) {
            const uint32_t value = i >= low && i < end ? (uint8_t)row[i] : outside & 0xFF;
            four |= value << shift;
            shift += 8;
            if (shift == 32) {
                rest = eq_widen_dsp(rest, four);
                four = 0;
                shift = 0;
            }
        }
    }
    if (shift != 0) {
        eq_widen_dsp(rest, four);
    }
}

/* The same where every tap has whole words of channels. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_border_words_dsp(eq_conv_2d_image_dsp image,
                                                              const int8_t *input, int32_t y,
                                                              int32_t x, eq_word *column)
{
    const uint32_t outside = (uint32_t)(image.input_zero_point & 0xFF) * 0x01010101u;
    /* From the words of one tap to the next, and from one word of a tap to the next. */
    const int32_t tap_step = 2 * EQ_PASS_PIXELS * (image.across ? 1 : image.input_c / 4);
    const int32_t word_step = 2 * EQ_PASS_PIXELS * (image.across ? 3 : 1);
    for (int32_t ky = 0; ky < image.filter_h; ky++) {
        const int32_t iy = y + ky;
        for (int32_t kx = 0; kx < image.filter_w; kx++) {
            const int32_t ix = x + kx;
            eq_word *words = column + kx * tap_step;
            if (iy < 0 || iy >= image.input_h || ix < 0 || ix >= image.input_w) {
                const eq_word even = eq_widen_even(outside);
                for (int32_t c = 0; c < image.input_c; c += 4) {
                    words[0] = even;
                    words[EQ_PASS_PIXELS] = even;
                    words += word_step;
                }
            } else {
                const int8_t *tap = input + (iy * image.input_w + ix) * image.input_c;
                for (int32_t c = 0; c < image.input_c; c += 4) {
                    uint32_t four;
                    memcpy(&four, tap + c, 4);
                    eq_widen_dsp(words, four);
                    words += word_step;
                }
            }
        }
        column += 2 * EQ_PASS_PIXELS * image.filter_w * image.input_c / 4;
    }
}

/* Whether the pixels of a 1x1 layer are those of one row, which has no border. */
EQ_KERNEL int eq_conv_2d_in_one_row_dsp(const eq_conv_2d_dsp_params *p)
{
    return p->filter_h == 1 && p->filter_w == 1 && p->stride_h == 1 && p->stride_w == 1 &&
           p->pad_top == 0 && p->pad_left == 0;
}

EQ_KERNEL void eq_conv_2d_column_at_dsp(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                        int32_t oy, int32_t ox, eq_word *column)
{
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    const int inside = eq_conv_2d_in_one_row_dsp(p) || (y >= 0 && y + p->filter_h <= p->input_h &&
                                                        x >= 0 && x + p->filter_w <= p->input_w);
    const eq_conv_2d_image_dsp image = {p->input_h,
                                        p->input_w,
                                        p->input_c,
                                        p->filter_h,
                                        p->filter_w,
                                        p->input_zero_point,
                                        eq_conv_2d_across_dsp(p)};
    if (inside) {
        eq_conv_2d_column_dsp(p, input + (y * p->input_w + x) * p->input_c, column);
    } else if (p->input_c % 4 == 0) {
        eq_conv_2d_border_words_dsp(image, input, y, x, column);
    } else {
        eq_conv_2d_border_dsp(image, input, y, x, column);
    }
}

/* So many words from three places `pitch` bytes apart, widened into the columns of three pixels;
 * `skip` bytes of the unrolled loop are jumped over on entry. Returns the end of the columns. */
#define EQ_WIDEN_THREE_BYTES 40
#define EQ_WIDEN_THREE_UNROLL 4
static EQ_NAKED eq_word *eq_widen_three_dsp(const int8_t *first __attribute__((unused)),
                                            int32_t pitch __attribute__((unused)),
                                            const int8_t *end __attribute__((unused)),
                                            eq_word *columns __attribute__((unused)),
                                            int32_t skip __attribute__((unused)))
{
    __asm__ volatile("push {r4-r9, lr}\n\t"
                     "ldr r4, [sp, #28]\n\t"
                     "add r12, r0, r1\n\t"
                     "add lr, r12, r1\n\t"
                     "adr r1, 1f\n\t"
                     "add r1, r4\n\t"
                     "orr r1, #1\n\t"
                     "bx r1\n\t"
                     ".p2align 2\n\t"
                     "1:\n\t"
                     ".rept 4\n\t"
                     "ldr r7, [r0], #4\n\t"
                     "ldr r8, [r12], #4\n\t"
                     "ldr r9, [lr], #4\n\t"
                     "sxtb16 r4, r7\n\t"
                     "sxtb16 r5, r8\n\t"
                     "sxtb16 r6, r9\n\t"
                     "sxtb16 r7, r7, ror #8\n\t"
                     "sxtb16 r8, r8, ror #8\n\t"
                     "sxtb16 r9, r9, ror #8\n\t"
                     "stmia.w r3!, {r4, r5, r6, r7, r8, r9}\n\t"
                     ".endr\n\t"
                     "cmp r0, r2\n\t"
                     "bne 1b\n\t"
                     "mov r0, r3\n\t"
                     "pop {r4-r9, pc}");
}

/* A row of three 3 taps wide windows whose neighbours lie `pitch` bytes apart: word after word of
 * five taps, each of which is widened once and stored for all pixels that have it. */
static EQ_NAKED eq_word *eq_widen_across_dsp(const int8_t *first __attribute__((unused)),
                                             int32_t pitch __attribute__((unused)),
                                             const int8_t *end __attribute__((unused)),
                                             eq_word *columns __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r2\n\t"
                     "mov r12, r3\n\t"
                     "1:\n\t"
                     "add r5, r0, r1, lsl #1\n\t"
                     "ldr r3, [r0, r1]\n\t"
                     "ldr r4, [r5]\n\t"
                     "ldr r5, [r5, r1]\n\t"
                     "ldr.w r6, [r0, r1, lsl #2]\n\t"
                     "ldr r2, [r0], #4\n\t"
                     "sxtb16 r7, r2, ror #8\n\t"
                     "sxtb16 r8, r3, ror #8\n\t"
                     "sxtb16 r9, r4, ror #8\n\t"
                     "sxtb16 r10, r5, ror #8\n\t"
                     "sxtb16 r11, r6, ror #8\n\t"
                     "sxtb16 r2, r2\n\t"
                     "sxtb16 r3, r3\n\t"
                     "sxtb16 r4, r4\n\t"
                     "sxtb16 r5, r5\n\t"
                     "sxtb16 r6, r6\n\t"
                     "stmia.w r12!, {r2, r3, r4, r7, r8, r9}\n\t"
                     "stmia.w r12!, {r3, r4, r5, r8, r9, r10}\n\t"
                     "stmia.w r12!, {r4, r5, r6, r9, r10, r11}\n\t"
                     "cmp r0, lr\n\t"
                     "bne 1b\n\t"
                     "mov r0, r12\n\t"
                     "pop {r4-r11, pc}");
}

/* The columns of three neighbouring pixels of a row, all inside the image. */
EQ_KERNEL void eq_conv_2d_three_columns_dsp(const eq_conv_2d_dsp_params *p, const int8_t *window,
                                            eq_word *columns)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t skip = (EQ_WIDEN_THREE_UNROLL - row_bytes / 4 % EQ_WIDEN_THREE_UNROLL) %
                         EQ_WIDEN_THREE_UNROLL * EQ_WIDEN_THREE_BYTES;
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        if (eq_conv_2d_across_dsp(p)) {
            columns = eq_widen_across_dsp(window, p->input_c, window + p->input_c, columns);
        } else {
            columns = eq_widen_three_dsp(window, p->stride_w * p->input_c, window + row_bytes,
                                         columns, skip);
        }
        window += p->input_w * p->input_c;
    }
}

/* Whether three pixels from here on are made together: in whole words, and in rows so long that it
 * is worth the calls. */
EQ_KERNEL int eq_conv_2d_three_inside_dsp(const eq_conv_2d_dsp_params *p, int32_t oy, int32_t ox)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t y = oy * p->stride_h - p->pad_top;
    const int32_t x = ox * p->stride_w - p->pad_left;
    return row_bytes % 4 == 0 && row_bytes >= 16 && ox + EQ_PASS_PIXELS <= p->output_w && y >= 0 &&
           y + p->filter_h <= p->input_h && x >= 0 &&
           x + (EQ_PASS_PIXELS - 1) * p->stride_w + p->filter_w <= p->input_w;
}

/* `scratch` holds the columns: 6 * steps words. */
EQ_KERNEL void eq_conv_2d_dsp_s8(const eq_conv_2d_dsp_params *p, const int8_t *input,
                                 const uint32_t *weights, int8_t *output, void *scratch)
{
    eq_word *columns = scratch;
    eq_pass_dsp pass = eq_pass_of_dsp(columns, p->steps, weights, p->output_c);
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                if (pixels == 0 && eq_conv_2d_three_inside_dsp(p, oy, ox)) {
                    const int32_t y = oy * p->stride_h - p->pad_top;
                    const int32_t x = ox * p->stride_w - p->pad_left;
                    eq_conv_2d_three_columns_dsp(p, input + (y * p->input_w + x) * p->input_c,
                                                 columns);
                    pixels = EQ_PASS_PIXELS;
                    ox += EQ_PASS_PIXELS - 1;
                } else {
                    eq_conv_2d_column_at_dsp(p, input, oy, ox, columns + pixels);
                    pixels++;
                }
                if (pixels == EQ_PASS_PIXELS || left == pixels) {
                    eq_pixels_dsp(&p->scale, &pass, p->steps, weights, output, p->output_c, pixels,
                                  p->alone);
                    output += pixels * p->output_c;
                    left -= pixels;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
