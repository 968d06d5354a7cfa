/* DEPTHWISE_CONV_2D, float32 (NHWC), depth multiplier 1, for Arm cores with an FPU: eight channels
 * of one pixel at a time, tap by tap.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_F32_FPU_H
#define EQ_DEPTHWISE_CONV_2D_F32_FPU_H

#include "eq_float.h"
#include "eq_multiply_fpu.h"

#define EQ_LANES_FPU 8
#define EQ_LANES_UNROLL_FPU 3
#define EQ_LANES_STEP_BYTES_FPU (16 + 2 * EQ_MACS_BYTES_FPU)

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    float activation_min, activation_max;
} eq_depthwise_fpu_f32_params;

/* What one pixel needs. The assembly reads it by position. */
typedef struct {
    const float **taps;      /* 0: where each tap's channels start */
    const float **end;       /* 4 */
    float *output;           /* 8 */
    const float *stream;     /* 12 */
    const float *stream_end; /* 16 */
    int32_t skip;            /* 20: bytes of the unrolled loop to jump over */
    int32_t offset;          /* 24: bytes from `taps` to the pixel */
} eq_lanes_fpu;

/* One tap of eight channels. */
#define EQ_LANES_STEP_FPU                                                                          \
    "ldr r6, [r7], #4\n\t"                                                                         \
    "add.w r6, r6, r5\n\t"                                                                         \
    "vldmia r6, {s8-s15}\n\t"                                                                      \
    "vldmia r1!, {s16-s23}\n\t" /* */                                                              \
        EQ_MACS_FPU("s0", "s1", "s2", "s3", "s16", "s17", "s18", "s19", "s8", "s9", "s10", "s11")  \
            EQ_MACS_FPU("s4", "s5", "s6", "s7", "s20", "s21", "s22", "s23", "s12", "s13", "s14",   \
                        "s15")

#define EQ_LANES_RELU_FPU                                                                          \
    EQ_RELU_FPU("s0", "s24")                                                                       \
    EQ_RELU_FPU("s1", "s24")                                                                       \
    EQ_RELU_FPU("s2", "s24")                                                                       \
    EQ_RELU_FPU("s3", "s24")                                                                       \
    EQ_RELU_FPU("s4", "s24")                                                                       \
    EQ_RELU_FPU("s5", "s24") EQ_RELU_FPU("s6", "s24") EQ_RELU_FPU("s7", "s24")

#define EQ_LANES_ALL_FPU(relu)                                                                     \
    __asm__ volatile("push {r4-r9, lr}\n\t"                                                        \
                     "vpush {s16-s31}\n\t"                                                         \
                     "mov r9, r0\n\t"                                                              \
                     "ldrd r3, r4, [r9]\n\t"                                                       \
                     "ldrd r8, r1, [r9, #8]\n\t"                                                   \
                     "ldrd r2, r6, [r9, #16]\n\t"                                                  \
                     "ldr r5, [r9, #24]\n\t"                                                       \
                     "adr r0, 2f\n\t"                                                              \
                     "add r0, r6\n\t"                                                              \
                     "orr r0, #1\n\t"                                                              \
                     "mov r6, #0\n\t"                                                              \
                     "vmov s24, r6\n\t"                                                            \
                     "1:\n\t"                                                                      \
                     "mov r6, #0\n\t" EQ_ZEROS_FPU(                                                \
                         "d0", "d1", "d2", "d3",                                                   \
                         "r6") "mov r7, r3\n\t"                                                    \
                               "bx r0\n\t"                                                         \
                               ".p2align 2\n\t"                                                    \
                               "2:\n\t"                                                            \
                               ".rept 3\n\t" EQ_LANES_STEP_FPU ".endr\n\t"                         \
                               "cmp r7, r4\n\t"                                                    \
                               "bne 2b\n\t"                                                        \
                               "vldmia r1!, {s16-s23}\n\t" EQ_BIASES_FPU(                          \
                                   "s0", "s1", "s2", "s3", "s16", "s17", "s18", "s19")             \
                                   EQ_BIASES_FPU("s4", "s5", "s6", "s7", "s20", "s21", "s22",      \
                                                 "s23") relu "vstmia r8!, {s0-s7}\n\t"             \
                                                             "add r5, #32\n\t"                     \
                                                             "cmp r1, r2\n\t"                      \
                                                             "bne 1b\n\t"                          \
                                                             "str r8, [r9, #8]\n\t"                \
                                                             "vpop {s16-s31}\n\t"                  \
                                                             "pop {r4-r9, pc}")

static EQ_NAKED void eq_lanes_all_fpu(eq_lanes_fpu *pixel __attribute__((unused)))
{
    EQ_LANES_ALL_FPU("");
}

static EQ_NAKED void eq_lanes_relu_fpu(eq_lanes_fpu *pixel __attribute__((unused)))
{
    EQ_LANES_ALL_FPU(EQ_LANES_RELU_FPU);
}

/* All channels of one pixel; those behind the last eight one by one, each with a weight for
 * every tap and its bias behind the stream. */
EQ_KERNEL void eq_lanes_pixel_fpu(const eq_depthwise_fpu_f32_params *p, eq_lanes_fpu *pixel)
{
    const int32_t taps = p->filter_h * p->filter_w;
    const float *stream = pixel->stream_end;
    float *start = pixel->output;
    if (p->channels >= EQ_LANES_FPU) {
        if (p->activation_min < 0.0f || p->activation_min > 0.0f) {
            eq_lanes_all_fpu(pixel);
        } else {
            eq_lanes_relu_fpu(pixel);
        }
    }
    eq_clamp_all_fpu(p->activation_min, p->activation_max, start,
                     p->channels / EQ_LANES_FPU * EQ_LANES_FPU);
    for (int32_t c = p->channels / EQ_LANES_FPU * EQ_LANES_FPU; c < p->channels; c++) {
        float total = 0.0f;
        for (int32_t i = 0; i < taps; i++) {
            total += pixel->taps[i][c + pixel->offset / 4] * *stream++;
        }
        total += *stream++;
        *pixel->output++ = eq_clamp_f32(total, p->activation_min, p->activation_max);
    }
}

/* Where the taps of one output pixel are; `outside` for those in the padding. */
EQ_KERNEL void eq_lanes_taps_fpu(const eq_depthwise_fpu_f32_params *p, const float *input,
                                 int32_t y, int32_t x, const float *outside, const float **taps)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            *taps++ = inside ? input + (iy * p->input_w + ix) * p->channels : outside;
        }
    }
}

/* One line of outputs; the first row of its taps is `y`. */
EQ_KERNEL void eq_lanes_line_fpu(const eq_depthwise_fpu_f32_params *p, const float *input,
                                 int32_t y, const float *outside, eq_lanes_fpu *pixel)
{
    const int32_t reach = (p->filter_w - 1) * p->dilation_w;
    const int whole = y >= 0 && y + (p->filter_h - 1) * p->dilation_h < p->input_h;
    int moved = 0; /* whether the taps are those of the pixel before, all inside */
    for (int32_t ox = 0; ox < p->output_w; ox++) {
        const int32_t x = ox * p->stride_w - p->pad_left;
        const int inside = whole && x >= 0 && x + reach < p->input_w;
        if (inside && moved) {
            pixel->offset += 4 * p->stride_w * p->channels;
        } else {
            pixel->offset = 0;
            eq_lanes_taps_fpu(p, input, y, x, outside, pixel->taps);
        }
        moved = inside;
        eq_lanes_pixel_fpu(p, pixel);
    }
}

/* `scratch` holds an address for each tap and a pixel of padding. `weights`: for every eight
 * channels a weight of each for every tap, then their biases. */
EQ_KERNEL void eq_depthwise_conv_2d_fpu_f32(const eq_depthwise_fpu_f32_params *p,
                                            const float *input, const float *weights, float *output,
                                            void *scratch)
{
    const int32_t count = p->filter_h * p->filter_w;
    const int32_t whole = p->channels / EQ_LANES_FPU * EQ_LANES_FPU;
    const float **taps = scratch;
    float *outside = (float *)(void *)(taps + count);
    eq_lanes_fpu pixel = {.taps = taps,
                          .end = taps + count,
                          .output = output,
                          .stream = weights,
                          .stream_end = weights + whole * (1 + count)};
    pixel.skip = (EQ_LANES_UNROLL_FPU - count % EQ_LANES_UNROLL_FPU) % EQ_LANES_UNROLL_FPU *
                 EQ_LANES_STEP_BYTES_FPU;
    for (int32_t c = 0; c < p->channels; c++) {
        outside[c] = 0.0f;
    }
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            eq_lanes_line_fpu(p, input, oy * p->stride_h - p->pad_top, outside, &pixel);
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
