/* CONV_2D, float32 (NHWC), for Arm cores with an FPU: four pixels by four channels at a time, whose
 * 16 sums stay in registers. The pixels' values are put into columns side by side first, and all
 * of them are read before an output is written.
 */
#ifndef EQ_CONV_2D_F32_FPU_H
#define EQ_CONV_2D_F32_FPU_H

#include "eq_float.h"
#include "eq_multiply_fpu.h"

#define EQ_TILE_FPU 4
#define EQ_TILE_UNROLL_FPU 4
#define EQ_TILE_STEP_BYTES_FPU (8 + 4 * EQ_MACS_BYTES_FPU)

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, input_c;
    int32_t output_h, output_w, output_c;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_conv_2d_fpu_f32_params;

/* What a pass works on. The assembly reads it by position. */
typedef struct {
    const float *columns, *columns_end, *weights_end;
    float *output[EQ_TILE_FPU];
    int32_t skip; /* bytes of the unrolled loop to jump over on entry */
} eq_tile_fpu;

#define EQ_TILE_STEP_FPU                                                                           \
    "vldmia r0!, {s16-s19}\n\t"                                                                    \
    "vldmia r1!, {s20-s23}\n\t" /* */                                                              \
        EQ_MACS_FPU("s0", "s1", "s2", "s3", "s16", "s17", "s18", "s19", "s20", "s20", "s20",       \
                    "s20") EQ_MACS_FPU("s4", "s5", "s6", "s7", "s16", "s17", "s18", "s19", "s21",  \
                                       "s21", "s21", "s21")                                        \
            EQ_MACS_FPU("s8", "s9", "s10", "s11", "s16", "s17", "s18", "s19", "s22", "s22", "s22", \
                        "s22") EQ_MACS_FPU("s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19", \
                                           "s23", "s23", "s23", "s23")

#define EQ_TILE_RELU_FPU                                                                           \
    "vmov s16, r7\n\t" /* */                                                                       \
        EQ_RELU_FPU("s0", "s16") EQ_RELU_FPU("s1", "s16") EQ_RELU_FPU("s2", "s16")                 \
            EQ_RELU_FPU("s3", "s16") EQ_RELU_FPU("s4", "s16") EQ_RELU_FPU("s5", "s16")             \
                EQ_RELU_FPU("s6", "s16") EQ_RELU_FPU("s7", "s16") EQ_RELU_FPU("s8", "s16")         \
                    EQ_RELU_FPU("s9", "s16") EQ_RELU_FPU("s10", "s16") EQ_RELU_FPU("s11", "s16")   \
                        EQ_RELU_FPU("s12", "s16") EQ_RELU_FPU("s13", "s16")                        \
                            EQ_RELU_FPU("s14", "s16") EQ_RELU_FPU("s15", "s16")

/* Outputs are written from the last pixel to the first, so that a pass with fewer pixels may give
 * the same address more than once. r3 and r4 are the columns' start and end, r5 the weights' end,
 * r6 where to enter the loop, r8 to r11 the outputs. */
#define EQ_TILES_FPU(relu)                                                                         \
    __asm__ volatile(                                                                              \
        "push {r4-r11, lr}\n\t"                                                                    \
        "vpush {s16-s31}\n\t"                                                                      \
        "ldmia r1!, {r3, r4, r5, r8, r9, r10, r11}\n\t"                                            \
        "ldr r1, [r1]\n\t"                                                                         \
        "adr r6, 2f\n\t"                                                                           \
        "add r6, r1\n\t"                                                                           \
        "orr r6, #1\n\t"                                                                           \
        "1:\n\t"                                                                                   \
        "mov r7, #0\n\t" EQ_ZEROS_FPU("d0", "d1", "d2", "d3", "r7") EQ_ZEROS_FPU(                  \
            "d4", "d5", "d6", "d7",                                                                \
            "r7") "mov r1, r3\n\t"                                                                 \
                  "bx r6\n\t"                                                                      \
                  ".p2align 2\n\t"                                                                 \
                  "2:\n\t"                                                                         \
                  ".rept 4\n\t" EQ_TILE_STEP_FPU ".endr\n\t"                                       \
                  "cmp r1, r4\n\t"                                                                 \
                  "bne 2b\n\t"                                                                     \
                  "vldmia r0!, {s16-s19}\n\t" EQ_BIASES_FPU("s0", "s1", "s2", "s3", "s16", "s17",  \
                                                            "s18", "s19")                          \
                      EQ_BIASES_FPU("s4", "s5", "s6", "s7", "s16", "s17", "s18", "s19")            \
                          EQ_BIASES_FPU("s8", "s9", "s10", "s11", "s16", "s17", "s18", "s19")      \
                              EQ_BIASES_FPU("s12", "s13", "s14", "s15", "s16", "s17", "s18",       \
                                            "s19") relu "vstmia r11!, {s12-s15}\n\t"               \
                                                        "vstmia r10!, {s8-s11}\n\t"                \
                                                        "vstmia r9!, {s4-s7}\n\t"                  \
                                                        "vstmia r8!, {s0-s3}\n\t"                  \
                                                        "cmp r0, r5\n\t"                           \
                                                        "bne 1b\n\t"                               \
                                                        "vpop {s16-s31}\n\t"                       \
                                                        "pop {r4-r11, pc}")

/* All fours of channels from `weights` on: four weights for each value, then four biases. */
static EQ_NAKED void eq_tiles_fpu(const float *weights __attribute__((unused)),
                                  const eq_tile_fpu *tile __attribute__((unused)))
{
    EQ_TILES_FPU("");
}

/* The same with a RELU. */
static EQ_NAKED void eq_tiles_relu_fpu(const float *weights __attribute__((unused)),
                                       const eq_tile_fpu *tile __attribute__((unused)))
{
    EQ_TILES_FPU(EQ_TILE_RELU_FPU);
}

EQ_KERNEL void eq_tiles_all_fpu(const eq_conv_2d_fpu_f32_params *p, const float *weights,
                                const eq_tile_fpu *tile)
{
    if (p->activation_min < 0.0f || p->activation_min > 0.0f) {
        eq_tiles_fpu(weights, tile);
    } else {
        eq_tiles_relu_fpu(weights, tile);
    }
}

/* All outputs of `pixels` <= 4 pixels whose values stand in `columns`. */
EQ_KERNEL void eq_tile_pixels_fpu(const eq_conv_2d_fpu_f32_params *p, const float *columns,
                                  const float *weights, float *output, int32_t pixels)
{
    const int32_t taps = p->filter_h * p->filter_w * p->input_c;
    const int32_t group = EQ_TILE_FPU * (1 + taps);
    const int32_t groups = p->output_c / EQ_TILE_FPU;
    const int32_t rest = p->output_c % EQ_TILE_FPU;
    eq_tile_fpu tile;
    tile.columns = columns;
    tile.columns_end = columns + EQ_TILE_FPU * taps;
    tile.weights_end = weights + groups * group;
    tile.skip = (EQ_TILE_UNROLL_FPU - taps % EQ_TILE_UNROLL_FPU) % EQ_TILE_UNROLL_FPU *
                EQ_TILE_STEP_BYTES_FPU;
    for (int32_t i = 0; i < EQ_TILE_FPU; i++) {
        tile.output[i] = output + eq_min(i, pixels - 1) * p->output_c;
    }
    if (groups != 0) {
        eq_tiles_all_fpu(p, weights, &tile);
    }
    if (rest != 0) {
        /* The last channels' pass writes aside. */
        float aside[EQ_TILE_FPU][EQ_TILE_FPU];
        for (int32_t i = 0; i < EQ_TILE_FPU; i++) {
            tile.output[i] = aside[i];
        }
        weights = tile.weights_end;
        tile.weights_end = weights + group;
        eq_tiles_all_fpu(p, weights, &tile);
        for (int32_t i = 0; i < pixels; i++) {
            for (int32_t c = 0; c < rest; c++) {
                output[(i + 1) * p->output_c - rest + c] = aside[i][c];
            }
        }
    }
    eq_clamp_all_fpu(p->activation_min, p->activation_max, output, pixels * p->output_c);
}

/* The values of the pixel at (y, x) into its column: 0 outside the image. */
EQ_KERNEL void eq_tile_column_fpu(const eq_conv_2d_fpu_f32_params *p, const float *input, int32_t y,
                                  int32_t x, float *column)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const float *tap = input + (iy * p->input_w + ix) * p->input_c;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            EQ_UNROLL(4)
            for (int32_t c = 0; c < p->input_c; c++) {
                column[EQ_TILE_FPU * c] = inside ? tap[c] : 0.0f;
            }
            column += EQ_TILE_FPU * p->input_c;
        }
    }
}

/* `scratch` holds the columns: four floats for each value. */
EQ_KERNEL void eq_conv_2d_fpu_f32(const eq_conv_2d_fpu_f32_params *p, const float *input,
                                  const float *weights, float *output, void *scratch)
{
    float *columns = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                eq_tile_column_fpu(p, input, oy * p->stride_h - p->pad_top,
                                   ox * p->stride_w - p->pad_left, columns + pixels);
                left--;
                pixels++;
                if (pixels == EQ_TILE_FPU || left == 0) {
                    eq_tile_pixels_fpu(p, columns, weights, output, pixels);
                    output += pixels * p->output_c;
                    pixels = 0;
                }
            }
        }
        input += p->input_h * p->input_w * p->input_c;
    }
}

#endif
