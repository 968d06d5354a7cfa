/* CONV_2D, int8 (NHWC), with MVE.
 *
 * The inputs of four neighbouring output pixels are copied into columns, then every pair of output
 * channels is one pass over its weights (see eq_matmul_mve.h). All inputs of the four pixels are
 * read before their outputs are written, so the output may lie over the input.
 */
#ifndef EQ_CONV_2D_MVE_H
#define EQ_CONV_2D_MVE_H

#include "eq_base.h"
#include "eq_matmul_mve.h"

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t steps;         /* of sixteen values each, for one output */
    int32_t short_columns; /* 1: of up to eight steps, which have passes of their own */
    eq_scale_mve scale;
} eq_conv_2d_mve_params;

/* What the pixels at the border need to know, by value: parameters whose address is passed on are
 * no constants to a compiler. */
typedef struct {
    int32_t input_h, input_w, input_c;
    int32_t filter_h, filter_w;
    int32_t input_zero_point;
    int32_t steps;
} eq_conv_2d_image_mve;

/* Copies sixteen bytes and advances both pointers. In C, gcc keeps the address of every copy of an
 * unrolled loop in a register or on the stack. */
EQ_KERNEL void eq_copy_16_mve(const int8_t **from, int8_t **to)
{
    __asm__ volatile("vldrb.u8 q0, [%0], #16\n\t"
                     "vstrb.u8 q0, [%1], #16"
                     : "+r"(*from), "+r"(*to)
                     :
                     : "q0", "memory");
}

/* One pixel's inputs, all inside the image. */
EQ_KERNEL void eq_conv_2d_column_mve(const eq_conv_2d_mve_params *p, const int8_t *window,
                                     int8_t *column)
{
    const int32_t row_bytes = p->filter_w * p->input_c;
    const int32_t pitch = p->input_w * p->input_c;
    const int32_t rest = row_bytes % 16;
    if (!EQ_KNOWN(row_bytes)) {
        for (int32_t ky = 0; ky < p->filter_h; ky++) {
            eq_copy_mve(window + ky * pitch, column + ky * row_bytes, row_bytes);
        }
        return;
    }
    /* Short rows but the last are copied as whole vectors, of which the next row overwrites what is
     * too much. */
    const int whole = row_bytes < 16 && pitch + row_bytes >= 16 &&
                      (p->filter_h - 2) * row_bytes + 16 <= 16 * p->steps;
    EQ_UNROLL(3)
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        if (whole && rest != 4 && rest != 8 && ky < p->filter_h - 1) {
            vstrbq_s8(column, vldrbq_s8(window));
            window += pitch;
            column += rest;
            continue;
        }
        EQ_UNROLL(12)
        for (int32_t i = 0; i < row_bytes - rest; i += 16) {
            eq_copy_16_mve(&window, &column);
        }
        if (rest == 4 || rest == 8) {
            memcpy(column, window, (size_t)rest);
        } else if (rest != 0) {
            eq_copy_mve(window, column, rest);
        }
        window += pitch - (row_bytes - rest);
        column += rest;
    }
}

/* The same for a pixel at the border: what is outside the image is the zero point. */
static EQ_NOINLINE EQ_UNUSED void eq_conv_2d_border_mve(eq_conv_2d_image_mve image,
                                                        const int8_t *input, int32_t y, int32_t x,
                                                        int8_t *column)
{
    const int32_t row_bytes = image.filter_w * image.input_c;
    const int32_t pitch = image.input_w * image.input_c;
    const int32_t left = x * image.input_c;
    const int32_t begin = eq_max(-left, 0);
    const int32_t inside = eq_max(eq_min(pitch - left, row_bytes) - begin, 0);
    const int32_t last = eq_min(image.filter_h, image.input_h - y);
    for (int32_t i = 0; i < image.steps; i++) {
        vstrbq_s8(column + 16 * i, vdupq_n_s8((int8_t)image.input_zero_point));
    }
    for (int32_t ky = eq_max(-y, 0); ky < last; ky++) {
        eq_copy_mve(input + ((y + ky) * pitch + left + begin), column + ky * row_bytes + begin,
                    inside);
    }
}

EQ_KERNEL void eq_conv_2d_column_at_mve(const eq_conv_2d_mve_params *p, const int8_t *input,
                                        int32_t y, int32_t x, int8_t *column)
{
    /* The pixels of a 1x1 layer are those of one row, which has no border. */
    const int one_row = p->filter_h == 1 && p->filter_w == 1 && p->stride_h == 1 &&
                        p->stride_w == 1 && p->pad_top == 0 && p->pad_left == 0;
    const int inside = one_row || (y >= 0 && y + p->filter_h <= p->input_h && x >= 0 &&
                                   x + p->filter_w <= p->input_w);
    const eq_conv_2d_image_mve image = {p->input_h,  p->input_w,          p->input_c, p->filter_h,
                                        p->filter_w, p->input_zero_point, p->steps};
    if (inside) {
        eq_conv_2d_column_mve(p, input + (y * p->input_w + x) * p->input_c, column);
    } else {
        eq_conv_2d_border_mve(image, input, y, x, column);
    }
}

/* `scratch` holds the columns: 64 * steps bytes. */
EQ_KERNEL void eq_conv_2d_mve_s8(const eq_conv_2d_mve_params *p, const int8_t *input,
                                 const int8_t *weights, int8_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        int8_t *column = scratch;
        eq_tile_mve tile;
        eq_tile_start_mve(&p->scale, p->steps, p->output_c, scratch, &tile);
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                eq_conv_2d_column_at_mve(p, input, y, x, column);
                column += 16 * p->steps;
                left--;
                pixels++;
                if (pixels == EQ_TILE_PIXELS || left == 0) {
                    eq_tile_fill_mve(p->steps, pixels, scratch, &tile);
                    eq_tile_run_mve(&p->scale, &tile,
                                    p->short_columns ? EQ_PASS_SHORT : EQ_PASS_ANY, p->steps,
                                    weights, output, p->output_c, pixels);
                    output += pixels * p->output_c;
                    pixels = 0;
                    column = scratch;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
