/* DEPTHWISE_CONV_2D, int16 activations (NHWC), int8 weights, depth multiplier 1, filters, strides
 * and dilations of any size, for cores with the DSP extension: four channels of one output pixel at
 * a time, tap by tap, with weights widened to 16 bits by the host. 8 instructions do four
 * multiply-accumulates. Sums keep to 32 bits, proven by the host; the reference has 64.
 */
#ifndef EQ_DEPTHWISE_CONV_2D_S16_DSP_H
#define EQ_DEPTHWISE_CONV_2D_S16_DSP_H

#include "eq_base.h"
#include "eq_wide.h"

#define EQ_LANES_S16_STEP_BYTES 32
#define EQ_LANES_S16_UNROLL 9

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels;
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t stream_words; /* of all fours of channels */
    int32_t singles;      /* channels that are computed one by one */
    int32_t lifted;       /* 1: sums are shifted left before they are multiplied */
    int32_t activation_min, activation_max;
} eq_depthwise_dsp_s16_params;

/* What one pixel needs. The assembly reads it by position. */
typedef struct {
    const int16_t **taps;      /* 0: where each tap's channels start */
    const int16_t **end;       /* 4 */
    int16_t *output;           /* 8 */
    const eq_word *stream_end; /* 12 */
    int32_t skip;              /* 16: bytes of the unrolled loop to jump over */
    const eq_word *stream;     /* 20 */
    int32_t entry;             /* 24: where to enter the loop, found by the assembly */
    int32_t offset;            /* 28: bytes from `taps` to the pixel */
    int32_t room;              /* 32: in both halves, 32767 less the largest output */
} eq_lanes_dsp_s16;

/* One tap of four channels. */
#define EQ_LANES_S16_STEP                                                                          \
    "ldr r6, [r7], #4\n\t"                                                                         \
    "ldr.w r2, [r6, r0]\n\t"                                                                       \
    "ldr.w r3, [r6, r12]\n\t"                                                                      \
    "ldrd r4, r5, [r1], #8\n\t"                                                                    \
    "smlabb r8, r2, r4, r8\n\t"                                                                    \
    "smlatt r9, r2, r4, r9\n\t"                                                                    \
    "smlabb r10, r3, r5, r10\n\t"                                                                  \
    "smlatt r11, r3, r5, r11\n\t"

/* Sum to output: a left shift for scales of one half and more, then as in eq_matmul_s16_dsp.h. */
#define EQ_LANES_S16_REQUANTIZE(acc, multiplier, saturate)                                         \
    "smmulr " acc ", " acc ", " multiplier "\n\t" saturate(acc)
#define EQ_LANES_S16_SIGNED(acc) "ssat " acc ", #16, " acc "\n\t"
#define EQ_LANES_S16_RECTIFIED(acc) "usat " acc ", #15, " acc "\n\t"
#define EQ_LANES_S16_PLAIN
#define EQ_LANES_S16_LIFTED                                                                        \
    "ldmia.w r1!, {r2, r3, r4, r5}\n\t"                                                            \
    "lsl r8, r8, r2\n\t"                                                                           \
    "lsl r9, r9, r3\n\t"                                                                           \
    "lsl r10, r10, r4\n\t"                                                                         \
    "lsl r11, r11, r5\n\t"

#define EQ_LANES_S16_NO_CAP
/* As EQ_PASS_S16_CAP. */
#define EQ_LANES_S16_CAP                                                                           \
    "ldr r3, [lr, #32]\n\t"                                                                        \
    "qadd16 r8, r8, r3\n\t"                                                                        \
    "ssub16 r8, r8, r3\n\t"                                                                        \
    "qadd16 r10, r10, r3\n\t"                                                                      \
    "ssub16 r10, r10, r3\n\t"

#define EQ_LANES_S16(lift, saturate, cap)                                                          \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "mov lr, r0\n\t"                                                              \
                     "ldr r1, [lr, #20]\n\t"                                                       \
                     "adr r2, 2f\n\t"                                                              \
                     "ldr r3, [lr, #16]\n\t"                                                       \
                     "add r3, r2\n\t"                                                              \
                     "orr r3, #1\n\t"                                                              \
                     "str r3, [lr, #24]\n\t"                                                       \
                     "ldr r0, [lr, #28]\n\t"                                                       \
                     "add r12, r0, #4\n\t"                                                         \
                     "1:\n\t"                                                                      \
                     "ldmia.w r1!, {r8, r9, r10, r11}\n\t"                                         \
                     "ldr r7, [lr]\n\t"                                                            \
                     "ldr pc, [lr, #24]\n\t"                                                       \
                     ".p2align 2\n\t"                                                              \
                     "2:\n\t"                                                                      \
                     ".rept 9\n\t" EQ_LANES_S16_STEP ".endr\n\t"                                   \
                     "ldr r2, [lr, #4]\n\t"                                                        \
                     "cmp r7, r2\n\t"                                                              \
                     "bne 2b\n\t" lift                                                             \
                     "ldmia.w r1!, {r2, r3, r4, r5}\n\t" EQ_LANES_S16_REQUANTIZE(                  \
                         "r8", "r2", saturate) EQ_LANES_S16_REQUANTIZE("r9", "r3", saturate)       \
                         EQ_LANES_S16_REQUANTIZE("r10", "r4", saturate) EQ_LANES_S16_REQUANTIZE(   \
                             "r11", "r5", saturate) "pkhbt r8, r8, r9, lsl #16\n\t"                \
                                                    "pkhbt r10, r10, r11, lsl #16\n\t" cap         \
                                                    "ldrd r2, r3, [lr, #8]\n\t"                    \
                                                    "str r8, [r2], #4\n\t"                         \
                                                    "str r10, [r2], #4\n\t"                        \
                                                    "str r2, [lr, #8]\n\t"                         \
                                                    "add r0, #8\n\t"                               \
                                                    "add r12, #8\n\t"                              \
                                                    "cmp r1, r3\n\t"                               \
                                                    "bne 1b\n\t"                                   \
                                                    "pop {r4-r11, pc}")

static EQ_NAKED void eq_lanes_signed_dsp_s16(eq_lanes_dsp_s16 *pixel __attribute__((unused)))
{
    EQ_LANES_S16(EQ_LANES_S16_PLAIN, EQ_LANES_S16_SIGNED, EQ_LANES_S16_NO_CAP);
}

static EQ_NAKED void eq_lanes_rectified_dsp_s16(eq_lanes_dsp_s16 *pixel __attribute__((unused)))
{
    EQ_LANES_S16(EQ_LANES_S16_PLAIN, EQ_LANES_S16_RECTIFIED, EQ_LANES_S16_NO_CAP);
}

static EQ_NAKED void eq_lanes_capped_dsp_s16(eq_lanes_dsp_s16 *pixel __attribute__((unused)))
{
    EQ_LANES_S16(EQ_LANES_S16_PLAIN, EQ_LANES_S16_RECTIFIED, EQ_LANES_S16_CAP);
}

static EQ_NAKED void eq_lanes_lifted_dsp_s16(eq_lanes_dsp_s16 *pixel __attribute__((unused)))
{
    EQ_LANES_S16(EQ_LANES_S16_LIFTED, EQ_LANES_S16_SIGNED, EQ_LANES_S16_NO_CAP);
}

/* Channels one by one, in 64 bits: those behind the last four, and those whose sums or scales ask
 * for it. For each the stream has its number, the bias (low word first), a word for each tap, the
 * reference's multiplier and its shift. */
EQ_KERNEL void eq_lanes_single_dsp_s16(const eq_depthwise_dsp_s16_params *p,
                                       const eq_lanes_dsp_s16 *pixel, int16_t *output)
{
    const int32_t taps = p->filter_h * p->filter_w;
    const eq_word *stream = pixel->stream_end;
    for (int32_t i = 0; i < p->singles; i++) {
        const int32_t c = (int32_t)stream[0];
        const int64_t bias = (int64_t)((uint64_t)stream[2] << 32 | stream[1]);
        int32_t sum = 0;
        stream += 3;
        for (int32_t k = 0; k < taps; k++) {
            sum += pixel->taps[k][c + pixel->offset / 2] * (int32_t)*stream++;
        }
        const eq_requant_wide requant = {bias, (int32_t)stream[0], (int32_t)stream[1]};
        output[c] = (int16_t)eq_requantize_wide(bias + sum, &requant, 0, p->activation_min,
                                                p->activation_max);
        stream += 2;
    }
}

/* All channels of one pixel. */
EQ_KERNEL void eq_lanes_pixel_dsp_s16(const eq_depthwise_dsp_s16_params *p, eq_lanes_dsp_s16 *pixel)
{
    const int rectified = p->activation_min == 0 && !p->lifted;
    int16_t *start = pixel->output;
    if (p->channels >= 4) {
        if (p->lifted) {
            eq_lanes_lifted_dsp_s16(pixel);
        } else if (rectified && p->activation_max < INT16_MAX) {
            eq_lanes_capped_dsp_s16(pixel);
        } else if (rectified) {
            eq_lanes_rectified_dsp_s16(pixel);
        } else {
            eq_lanes_signed_dsp_s16(pixel);
        }
    }
    if (!rectified && (p->activation_min > INT16_MIN || p->activation_max < INT16_MAX)) {
        for (int32_t c = 0; c < p->channels / 4 * 4; c++) {
            start[c] = (int16_t)eq_clamp(start[c], p->activation_min, p->activation_max);
        }
    }
    if (p->singles != 0) {
        eq_lanes_single_dsp_s16(p, pixel, start);
        pixel->output = start + p->channels;
    }
}

/* Where the taps of one output pixel are; `outside` for those in the padding. */
EQ_KERNEL void eq_lanes_taps_dsp_s16(const eq_depthwise_dsp_s16_params *p, const int16_t *input,
                                     int32_t y, int32_t x, const int16_t *outside,
                                     const int16_t **taps)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        const int16_t *row = input + iy * p->input_w * p->channels;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            *taps++ = inside ? row + ix * p->channels : outside;
        }
    }
}

/* One line of outputs; the first row of its taps is `y`. */
EQ_KERNEL void eq_lanes_line_dsp_s16(const eq_depthwise_dsp_s16_params *p, const int16_t *input,
                                     int32_t y, const int16_t *outside, eq_lanes_dsp_s16 *pixel)
{
    const int32_t reach = (p->filter_w - 1) * p->dilation_w;
    const int whole = y >= 0 && y + (p->filter_h - 1) * p->dilation_h < p->input_h;
    int moved = 0; /* whether the taps are those of the pixel before, all inside */
    for (int32_t ox = 0; ox < p->output_w; ox++) {
        const int32_t x = ox * p->stride_w - p->pad_left;
        const int inside = whole && x >= 0 && x + reach < p->input_w;
        if (inside && moved) {
            pixel->offset += 2 * p->stride_w * p->channels;
        } else {
            pixel->offset = 0;
            eq_lanes_taps_dsp_s16(p, input, y, x, outside, pixel->taps);
        }
        moved = inside;
        eq_lanes_pixel_dsp_s16(p, pixel);
    }
}

/* `scratch` holds an address for each tap and a pixel of padding. `weights`: for every four
 * channels their biases, two words for each tap, four left shifts if there are any, and four
 * multipliers. */
EQ_KERNEL void eq_depthwise_conv_2d_dsp_s16(const eq_depthwise_dsp_s16_params *p,
                                            const int16_t *input, const uint32_t *weights,
                                            int16_t *output, void *scratch)
{
    const int32_t count = p->filter_h * p->filter_w;
    const int16_t **taps = scratch;
    int16_t *outside = (int16_t *)(void *)(taps + count);
    eq_lanes_dsp_s16 pixel = {.taps = taps,
                              .end = taps + count,
                              .output = output,
                              .stream = weights,
                              .stream_end = weights + p->stream_words,
                              .room = (INT16_MAX - p->activation_max) * 0x10001};
    pixel.skip = (EQ_LANES_S16_UNROLL - count % EQ_LANES_S16_UNROLL) % EQ_LANES_S16_UNROLL *
                 EQ_LANES_S16_STEP_BYTES;
    memset(outside, 0, (size_t)p->channels * 2);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            eq_lanes_line_dsp_s16(p, input, oy * p->stride_h - p->pad_top, outside, &pixel);
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
