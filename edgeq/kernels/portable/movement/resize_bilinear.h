/* RESIZE_BILINEAR, int8 and int16 (in Q10) and float32, NHWC, portable C. */
#ifndef EQ_RESIZE_BILINEAR_H
#define EQ_RESIZE_BILINEAR_H

#include "eq_base.h"

typedef struct {
    int32_t batches;
    int32_t input_elements; /* of one image */
    int32_t output_h, output_w, channels;
} eq_resize_bilinear_params;

/* `blends` holds the rows, then the columns: position0, position1, fraction (Q10). The host checks
 * that fractions stay within -1024 .. 2048, so no weight exceeds 2^22 and no term 2^29 for int8.
 * Rounds to nearest, ties away from zero. */
#define EQ_RESIZE_BILINEAR(suffix, type, wide)                                                     \
    EQ_KERNEL void eq_resize_bilinear_##suffix(const eq_resize_bilinear_params *p,                 \
                                               const type *input, const int32_t *blends,           \
                                               type *output)                                       \
    {                                                                                              \
        const int32_t *const columns = blends + 3 * p->output_h;                                   \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t oy = 0; oy < p->output_h; oy++) {                                         \
                const type *const row0 = input + blends[3 * oy];                                   \
                const type *const row1 = input + blends[3 * oy + 1];                               \
                const int32_t y = blends[3 * oy + 2];                                              \
                for (int32_t ox = 0; ox < p->output_w; ox++) {                                     \
                    const int32_t x0 = columns[3 * ox];                                            \
                    const int32_t x1 = columns[3 * ox + 1];                                        \
                    const int32_t x = columns[3 * ox + 2];                                         \
                    const wide w00 = (1024 - y) * (1024 - x);                                      \
                    const wide w01 = (1024 - y) * x;                                               \
                    const wide w10 = y * (1024 - x);                                               \
                    const wide w11 = y * x;                                                        \
                    for (int32_t c = 0; c < p->channels; c++) {                                    \
                        const wide sum = row0[x0 + c] * w00 + row0[x1 + c] * w01 +                 \
                                         row1[x0 + c] * w10 + row1[x1 + c] * w11;                  \
                        *output++ = (type)((sum + (int32_t)524288 - (sum < 0 ? 1 : 0)) >> 20);     \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
            input += p->input_elements;                                                            \
        }                                                                                          \
    }

EQ_RESIZE_BILINEAR(s8, int8_t, int32_t)
EQ_RESIZE_BILINEAR(s16, int16_t, int64_t)

/* `fractions` belong to the rows, then to the columns. */
EQ_KERNEL void eq_resize_bilinear_f32(const eq_resize_bilinear_params *p, const float *input,
                                      const int32_t *positions, const float *fractions,
                                      float *output)
{
    const int32_t *const columns = positions + 2 * p->output_h;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            const float *const row0 = input + positions[2 * oy];
            const float *const row1 = input + positions[2 * oy + 1];
            const float y = fractions[oy];
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t x0 = columns[2 * ox];
                const int32_t x1 = columns[2 * ox + 1];
                const float x = fractions[p->output_h + ox];
                for (int32_t c = 0; c < p->channels; c++) {
                    *output++ = row0[x0 + c] * (1.0f - y) * (1.0f - x) +
                                row1[x0 + c] * y * (1.0f - x) + row0[x1 + c] * (1.0f - y) * x +
                                row1[x1 + c] * y * x;
                }
            }
        }
        input += p->input_elements;
    }
}

#endif
