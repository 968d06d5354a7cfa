/* DEPTHWISE_CONV_2D, int8 (NHWC), depth multiplier 1, filters, strides and dilations of any size,
 * for cores with the DSP extension: four channels of one output pixel at a time, tap by tap. 9
 * instructions do four multiply-accumulates, 8 where nine taps are all inside the image; the inputs
 * are read where they lie, so that a stride skips what it leaves out (eq_depthwise_conv_2d_dsp.h
 * widens all of them first).
 */
#ifndef EQ_DEPTHWISE_CONV_2D_LANES_DSP_H
#define EQ_DEPTHWISE_CONV_2D_LANES_DSP_H

#include "eq_base.h"
#include "eq_requantize_dsp.h"

#define EQ_LANES_STEP_BYTES 36
#ifndef EQ_LANES_UNROLL
#define EQ_LANES_UNROLL 9
#endif

typedef struct {
    int32_t batches;
    int32_t input_h, input_w, channels; /* a multiple of four channels */
    int32_t output_h, output_w;
    int32_t filter_h, filter_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t input_zero_point;
    int32_t stream_words; /* of all channels */
    int32_t merged;       /* 1: both roundings are one */
    eq_scale_dsp scale;
} eq_depthwise_lanes_dsp_params;

/* What one pixel needs. The assembly reads it by position. */
typedef struct {
    const int8_t **taps;       /* 0: where each tap's channels start */
    const int8_t **end;        /* 4 */
    int8_t *output;            /* 8 */
    const eq_word *stream_end; /* 12 */
    int32_t skip;              /* 16: bytes of the unrolled loop to jump over */
    const eq_word *stream;     /* 20 */
    int32_t entry;             /* 24: where to enter the loop, found by the assembly */
    int32_t offset;            /* 28: bytes from `taps` to the pixel */
    const int8_t *first;       /* 32: the first tap of nine that are all inside the image */
    int32_t across, down;      /* 36, 40: bytes from one of those to the next, to the next row's */
} eq_lanes_dsp;

/* One tap of four channels: c0 and c2 in one word, c1 and c3 in the other. */
#define EQ_LANES_STEP                                                                              \
    "ldr r6, [r7], #4\n\t"                                                                         \
    "ldr.w r2, [r6, r0]\n\t"                                                                       \
    "sxtb16 r3, r2\n\t"                                                                            \
    "sxtb16 r2, r2, ror #8\n\t"                                                                    \
    "ldrd r4, r5, [r1], #8\n\t"                                                                    \
    "smlabb r8, r3, r4, r8\n\t"                                                                    \
    "smlatt r10, r3, r4, r10\n\t"                                                                  \
    "smlabb r9, r2, r5, r9\n\t"                                                                    \
    "smlatt r11, r2, r5, r11\n\t"

#define EQ_LANES_REQUANTIZE(acc, doubled, rounding, shift)                                         \
    "smmlar " acc ", " acc ", " doubled ", " acc "\n\t"                                            \
    "add " acc ", " acc ", " acc ", asr #31\n\t"                                                   \
    "add " acc ", " rounding "\n\t"                                                                \
    "asr " acc ", " acc ", " shift "\n\t"                                                          \
    "ssat " acc ", #8, " acc ", asr #1\n\t"

#define EQ_LANES_OUTPUTS                                                                           \
    "ldmia.w r1!, {r2, r3, r4, r5, r6, r7}\n\t" EQ_LANES_REQUANTIZE("r8", "r2", "r3", "r4")        \
        EQ_LANES_REQUANTIZE(                                                                       \
            "r9", "r5", "r6",                                                                      \
            "r7") "ldmia.w r1!, {r2, r3, r4, r5, r6, r7}\n\t" EQ_LANES_REQUANTIZE("r10", "r2",     \
                                                                                  "r3", "r4")      \
            EQ_LANES_REQUANTIZE("r11", "r5", "r6", "r7")

/* Both roundings in one: see eq_depthwise_pairs_dsp.h. */
#define EQ_LANES_MERGED(acc, multiplier, added)                                                    \
    "smmla " acc ", " acc ", " multiplier ", " added "\n\t"                                        \
    "ssat " acc ", #8, " acc ", asr #10\n\t"

#define EQ_LANES_MERGED_OUTPUTS                                                                    \
    "ldmia.w r1!, {r2, r3, r4, r5}\n\t" EQ_LANES_MERGED("r8", "r2", "r3") EQ_LANES_MERGED(         \
        "r9", "r4", "r5") "ldmia.w r1!, {r2, r3, r4, r5}\n\t" EQ_LANES_MERGED("r10", "r2", "r3")   \
        EQ_LANES_MERGED("r11", "r4", "r5")

#define EQ_LANES(outputs)                                                                          \
    __asm__ volatile("push {r4-r11, lr}\n\t"                                                       \
                     "mov lr, r0\n\t"                                                              \
                     "ldr r1, [lr, #20]\n\t"                                                       \
                     "adr r2, 2f\n\t"                                                              \
                     "ldr r3, [lr, #16]\n\t"                                                       \
                     "add r3, r2\n\t"                                                              \
                     "orr r3, #1\n\t"                                                              \
                     "str r3, [lr, #24]\n\t"                                                       \
                     "ldr r12, [lr, #4]\n\t"                                                       \
                     "ldr r0, [lr, #28]\n\t"                                                       \
                     "1:\n\t"                                                                      \
                     "ldmia.w r1!, {r8, r9, r10, r11}\n\t"                                         \
                     "ldr r7, [lr]\n\t"                                                            \
                     "ldr pc, [lr, #24]\n\t"                                                       \
                     ".p2align 2\n\t"                                                              \
                     "2:\n\t"                                                                      \
                     ".rept " EQ_STRING(EQ_LANES_UNROLL) "\n\t" EQ_LANES_STEP ".endr\n\t"          \
                                                         "cmp r7, r12\n\t"                         \
                                                         "bne 2b\n\t" outputs                      \
                                                         "ldrd r2, r3, [lr, #8]\n\t"               \
                                                         "strb r8, [r2], #1\n\t"                   \
                                                         "strb r9, [r2], #1\n\t"                   \
                                                         "strb r10, [r2], #1\n\t"                  \
                                                         "strb r11, [r2], #1\n\t"                  \
                                                         "str r2, [lr, #8]\n\t"                    \
                                                         "add r0, #4\n\t"                          \
                                                         "cmp r1, r3\n\t"                          \
                                                         "bne 1b\n\t"                              \
                                                         "pop {r4-r11, pc}")

static EQ_NAKED void eq_lanes_of_pixel_dsp(eq_lanes_dsp *pixel __attribute__((unused)))
{
    EQ_LANES(EQ_LANES_OUTPUTS);
}

static EQ_NAKED void eq_lanes_merged_dsp(eq_lanes_dsp *pixel __attribute__((unused)))
{
    EQ_LANES(EQ_LANES_MERGED_OUTPUTS);
}

/* The same for nine taps inside the image: three rows, whose addresses are in r6, r7 and r12,
 * instead of a list. */
#define EQ_LANES_TAP(address)                                                                      \
    "ldr.w r2, [" address "]\n\t"                                                                  \
    "sxtb16 r3, r2\n\t"                                                                            \
    "sxtb16 r2, r2, ror #8\n\t"                                                                    \
    "ldrd r4, r5, [r1], #8\n\t"                                                                    \
    "smlabb r8, r3, r4, r8\n\t"                                                                    \
    "smlatt r10, r3, r4, r10\n\t"                                                                  \
    "smlabb r9, r2, r5, r9\n\t"                                                                    \
    "smlatt r11, r2, r5, r11\n\t"
#define EQ_LANES_ROW(row)                                                                          \
    EQ_LANES_TAP(row)                                                                              \
    EQ_LANES_TAP(row ", r0") EQ_LANES_TAP(row ", r0, lsl #1") "add " row ", #4\n\t"

static EQ_NAKED void eq_lanes_inside_dsp(eq_lanes_dsp *pixel __attribute__((unused)))
{
    __asm__ volatile("push {r4-r11, lr}\n\t"
                     "mov lr, r0\n\t"
                     "ldr r1, [lr, #20]\n\t"
                     "ldrd r6, r0, [lr, #32]\n\t"
                     "ldr r12, [lr, #40]\n\t"
                     "add r7, r6, r12\n\t"
                     "add r12, r12, r7\n\t"
                     "1:\n\t"
                     "ldmia.w r1!, {r8, r9, r10, r11}\n\t" EQ_LANES_ROW("r6") EQ_LANES_ROW("r7")
                         EQ_LANES_ROW("r12") EQ_LANES_MERGED_OUTPUTS "ldrd r2, r3, [lr, #8]\n\t"
                                                                     "strb r8, [r2], #1\n\t"
                                                                     "strb r9, [r2], #1\n\t"
                                                                     "strb r10, [r2], #1\n\t"
                                                                     "strb r11, [r2], #1\n\t"
                                                                     "str r2, [lr, #8]\n\t"
                                                                     "cmp r1, r3\n\t"
                                                                     "bne 1b\n\t"
                                                                     "pop {r4-r11, pc}");
}

/* Where the taps of one output pixel are; `outside` for those in the padding. */
EQ_KERNEL void eq_lanes_taps_dsp(const eq_depthwise_lanes_dsp_params *p, const int8_t *input,
                                 int32_t y, int32_t x, const int8_t *outside, const int8_t **taps)
{
    for (int32_t ky = 0; ky < p->filter_h; ky++) {
        const int32_t iy = y + ky * p->dilation_h;
        const int8_t *row = input + iy * p->input_w * p->channels;
        for (int32_t kx = 0; kx < p->filter_w; kx++) {
            const int32_t ix = x + kx * p->dilation_w;
            const int inside = iy >= 0 && iy < p->input_h && ix >= 0 && ix < p->input_w;
            *taps++ = inside ? row + ix * p->channels : outside;
        }
    }
}

EQ_KERNEL void eq_lanes_clamp_dsp(const eq_depthwise_lanes_dsp_params *p, int8_t *pixel)
{
    if (p->scale.activation_min > INT8_MIN || p->scale.activation_max < INT8_MAX) {
        for (int32_t c = 0; c < p->channels; c++) {
            pixel[c] = (int8_t)eq_clamp(pixel[c], p->scale.activation_min, p->scale.activation_max);
        }
    }
}

/* One line of outputs; the first row of its taps is `y`. */
EQ_KERNEL void eq_lanes_line_dsp(const eq_depthwise_lanes_dsp_params *p, const int8_t *input,
                                 int32_t y, const int8_t *outside, eq_lanes_dsp *pixel,
                                 const eq_word *stream)
{
    const int32_t reach = (p->filter_w - 1) * p->dilation_w;
    const int whole = y >= 0 && y + (p->filter_h - 1) * p->dilation_h < p->input_h;
    int moved = 0; /* whether the taps are those of the pixel before, all inside */
    for (int32_t ox = 0; ox < p->output_w; ox++) {
        const int32_t x = ox * p->stride_w - p->pad_left;
        const int inside = whole && x >= 0 && x + reach < p->input_w;
        pixel->stream = stream;
        int8_t *start = pixel->output;
        if (inside && p->merged && p->filter_h == 3 && p->filter_w == 3) {
            pixel->first = input + (y * p->input_w + x) * p->channels;
            eq_lanes_inside_dsp(pixel);
            eq_lanes_clamp_dsp(p, start);
            continue;
        }
        if (inside && moved) {
            pixel->offset += p->stride_w * p->channels;
        } else {
            pixel->offset = 0;
            eq_lanes_taps_dsp(p, input, y, x, outside, pixel->taps);
        }
        moved = inside;
        if (p->merged) {
            eq_lanes_merged_dsp(pixel);
        } else {
            eq_lanes_of_pixel_dsp(pixel);
        }
        eq_lanes_clamp_dsp(p, start);
    }
}

/* `scratch` holds an address for each tap and a pixel of padding. `weights`: for every four
 * channels their biases, two words for each tap, and of each channel 2 * multiplier - 2^32, the
 * rounding with the zero point in it, and the shift less 1. If both roundings are one, biases and
 * taps are multiplied with a power of two, and of each channel follow the multiplier and what is
 * added. */
EQ_KERNEL void eq_depthwise_lanes_dsp_s8(const eq_depthwise_lanes_dsp_params *p,
                                         const int8_t *input, const uint32_t *weights,
                                         int8_t *output, void *scratch)
{
    const int32_t count = p->filter_h * p->filter_w;
    const int8_t **taps = scratch;
    int8_t *outside = (int8_t *)(taps + count);
    eq_lanes_dsp pixel = {.taps = taps,
                          .end = taps + count,
                          .output = output,
                          .stream_end = weights + p->stream_words,
                          .across = p->dilation_w * p->channels,
                          .down = p->dilation_h * p->input_w * p->channels};
    pixel.skip =
        (EQ_LANES_UNROLL - count % EQ_LANES_UNROLL) % EQ_LANES_UNROLL * EQ_LANES_STEP_BYTES;
    /* Whole words; a loop that a compiler takes for one of bytes would call the C library. */
    uint32_t zeros = (uint32_t)(p->input_zero_point & 0xFF) * 0x01010101u;
    __asm__("" : "+r"(zeros));
    for (int32_t c = 0; c < p->channels; c += 4) {
        memcpy(outside + c, &zeros, 4);
    }
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            eq_lanes_line_dsp(p, input, oy * p->stride_h - p->pad_top, outside, &pixel, weights);
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
