/* CONV_2D, int16 activations, int8 weights, for cores with the DSP extension, where a sum may pass
 * 32 bits, or a scale is not one that SMMULR takes: the values are taken in segments so short that
 * each one's sum keeps to 32 bits, and the segments' sums are added up and scaled in C.
 */
#ifndef EQ_CONV_2D_WIDE_S16_DSP_H
#define EQ_CONV_2D_WIDE_S16_DSP_H

#include "eq_base.h"
#include "eq_conv_2d_columns_s16_dsp.h"
#include "eq_wide.h"

#define EQ_PASS_S16_SUMS (2 * EQ_PASS_S16_PIXELS)

typedef struct {
    eq_conv_2d_dsp_s16_params layer;
    int32_t segment_steps; /* steps of four values; the last segment may be shorter */
} eq_conv_2d_wide_dsp_s16_params;

/* The sums of two channels over all segments; returns the weights of the next two. */
EQ_KERNEL const eq_word *eq_conv_2d_pair_sums_dsp_s16(const eq_conv_2d_wide_dsp_s16_params *p,
                                                      const eq_word *columns,
                                                      const eq_word *weights, int64_t *sums)
{
    for (int32_t k = 0; k < EQ_PASS_S16_SUMS; k++) {
        sums[k] = 0;
    }
    for (int32_t done = 0; done < p->layer.steps; done += p->segment_steps) {
        const int32_t steps = eq_min(p->segment_steps, p->layer.steps - done);
        const eq_word *end = columns + 2 * EQ_PASS_S16_PIXELS * steps;
        int32_t part[EQ_PASS_S16_SUMS];
        weights = eq_pass_sums_dsp_s16(weights, columns, end, eq_pass_skip_dsp_s16(steps), part);
        for (int32_t k = 0; k < EQ_PASS_S16_SUMS; k++) {
            sums[k] += part[k];
        }
        columns = end;
    }
    return weights;
}

/* The outputs of pixels whose values stand in `columns`, each of a sum `acc` and a row of `requant`
 * that `requantized` names. */
#define EQ_CONV_2D_WIDE_PIXELS(requantized)                                                        \
    const int32_t channels = p->layer.output_c;                                                    \
    for (int32_t oc = 0; oc < channels; oc += 2) {                                                 \
        int64_t sums[EQ_PASS_S16_SUMS];                                                            \
        weights = eq_conv_2d_pair_sums_dsp_s16(p, columns, weights, sums);                         \
        for (int32_t k = 0; k < 2 && oc + k < channels; k++) {                                     \
            for (int32_t i = 0; i < pixels; i++) {                                                 \
                const int64_t acc = requant[oc + k].bias + sums[k * EQ_PASS_S16_PIXELS + i];       \
                output[i * channels + oc + k] = (int16_t)(requantized);                            \
            }                                                                                      \
        }                                                                                          \
    }

EQ_KERNEL void eq_conv_2d_wide_pixels_dsp_s16(const eq_conv_2d_wide_dsp_s16_params *p,
                                              const eq_word *columns, const eq_word *weights,
                                              const eq_requant_wide *requant, int16_t *output,
                                              int32_t pixels){
    EQ_CONV_2D_WIDE_PIXELS(eq_requantize_wide(acc, &requant[oc + k], 0, p -> layer.activation_min,
                                              p->layer.activation_max))}

EQ_KERNEL void eq_conv_2d_wide_pixels_bias32_dsp_s16(const eq_conv_2d_wide_dsp_s16_params *p,
                                                     const eq_word *columns, const eq_word *weights,
                                                     const eq_requant *requant, int16_t *output,
                                                     int32_t pixels){
    EQ_CONV_2D_WIDE_PIXELS(eq_requantize((int32_t)acc, &requant[oc + k], 0, p->layer.activation_min,
                                         p->layer.activation_max))}

#define EQ_CONV_2D_WIDE(pixels_of)                                                                 \
    const eq_conv_2d_dsp_s16_params *layer = &p->layer;                                            \
    eq_word *columns = scratch;                                                                    \
    for (int32_t b = 0; b < layer->batches; b++) {                                                 \
        int32_t left = layer->output_h * layer->output_w;                                          \
        int32_t pixels = 0;                                                                        \
        for (int32_t oy = 0; oy < layer->output_h; oy++) {                                         \
            for (int32_t ox = 0; ox < layer->output_w; ox++) {                                     \
                eq_conv_2d_column_at_dsp_s16(layer, input, oy, ox, columns + pixels);              \
                left--;                                                                            \
                pixels++;                                                                          \
                if (pixels == EQ_PASS_S16_PIXELS || left == 0) {                                   \
                    pixels_of(p, columns, weights, requant, output, pixels);                       \
                    output += pixels * layer->output_c;                                            \
                    pixels = 0;                                                                    \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        input += layer->input_h * layer->input_w * layer->input_c;                                 \
    }

/* 64-bit bias. `scratch` as for eq_conv_2d_dsp_s16. */
EQ_KERNEL
    void eq_conv_2d_wide_dsp_s16(const eq_conv_2d_wide_dsp_s16_params *p, const int16_t *input,
                                 const uint32_t *weights, const eq_requant_wide *requant,
                                 int16_t *output,
                                 void *scratch){EQ_CONV_2D_WIDE(eq_conv_2d_wide_pixels_dsp_s16)}

/* 32-bit bias; sums keep to 32 bits, which the host has checked. */
EQ_KERNEL
    void eq_conv_2d_wide_bias32_dsp_s16(const eq_conv_2d_wide_dsp_s16_params *p,
                                        const int16_t *input, const uint32_t *weights,
                                        const eq_requant *requant, int16_t *output, void *scratch)
{
    EQ_CONV_2D_WIDE(eq_conv_2d_wide_pixels_bias32_dsp_s16)
}

#endif
