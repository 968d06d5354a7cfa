/* From a camera's frame to a model's pixels, portable C: cut out, resized, converted.
 *
 * Every pixel of the output is a weighted sum of pixels of the frame, rows and columns by
 * themselves: one for the nearest, two by two for bilinear, all that lie under it for the area.
 */
#ifndef EQ_FRONTEND_IMAGE_H
#define EQ_FRONTEND_IMAGE_H

#include "eq_base.h"

enum { EQ_RGB888, EQ_BGR888, EQ_RGB565, EQ_RGB565_BE, EQ_GRAY8, EQ_YUYV, EQ_NV12 };

typedef struct {
    int32_t format;
    int32_t width, height; /* of the frame */
    int32_t rows, columns, channels;
    int32_t reversed;   /* whether the output is BGR */
    int32_t full_range; /* whether luma goes from 0 to 255, not from 16 to 235 */
} eq_frontend_image_params;

/* Which pixels count for an output row (or column), from `first` on, with Q12 weights whose sum is
 * one: those of output i are weights[starts[i]] to weights[starts[i + 1] - 1]. */

EQ_KERNEL void eq_image_from_yuv(const eq_frontend_image_params *p, int32_t y, int32_t u, int32_t v,
                                 int32_t *rgb)
{
    u -= 128;
    v -= 128;
    if (p->full_range) {
        rgb[0] = (256 * y + 359 * v + 128) >> 8;
        rgb[1] = (256 * y - 88 * u - 183 * v + 128) >> 8;
        rgb[2] = (256 * y + 454 * u + 128) >> 8;
    } else {
        y = 298 * (y - 16) + 128;
        rgb[0] = (y + 409 * v) >> 8;
        rgb[1] = (y - 100 * u - 208 * v) >> 8;
        rgb[2] = (y + 516 * u) >> 8;
    }
    for (int32_t c = 0; c < 3; c++) {
        rgb[c] = eq_clamp(rgb[c], 0, 255);
    }
}

EQ_KERNEL void eq_image_pixel(const eq_frontend_image_params *p, const uint8_t *frame, int32_t y,
                              int32_t x, int32_t *rgb)
{
    const int32_t at = y * p->width + x;
    if (p->format == EQ_RGB888 || p->format == EQ_BGR888) {
        const int32_t red = p->format == EQ_RGB888 ? 0 : 2;
        rgb[0] = frame[3 * at + red];
        rgb[1] = frame[3 * at + 1];
        rgb[2] = frame[3 * at + 2 - red];
    } else if (p->format == EQ_RGB565 || p->format == EQ_RGB565_BE) {
        const int32_t high = p->format == EQ_RGB565 ? 1 : 0;
        const int32_t value = (int32_t)frame[2 * at + high] << 8 | frame[2 * at + 1 - high];
        const int32_t red = value >> 11, green = (value >> 5) & 63, blue = value & 31;
        rgb[0] = red << 3 | red >> 2;
        rgb[1] = green << 2 | green >> 4;
        rgb[2] = blue << 3 | blue >> 2;
    } else if (p->format == EQ_YUYV) {
        const uint8_t *pair = frame + 2 * (at - (x & 1));
        eq_image_from_yuv(p, frame[2 * at], pair[1], pair[3], rgb);
    } else if (p->format == EQ_NV12) {
        const uint8_t *pair = frame + p->width * (p->height + y / 2) + x - (x & 1);
        eq_image_from_yuv(p, frame[at], pair[0], pair[1], rgb);
    } else {
        rgb[0] = rgb[1] = rgb[2] = frame[at];
    }
}

/* Red, green and blue as one: the luma of BT.601. */
EQ_KERNEL int32_t eq_image_gray(const int32_t *rgb)
{
    return (19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16;
}

EQ_KERNEL void eq_frontend_image(const eq_frontend_image_params *p, const uint8_t *frame,
                                 const uint16_t *row_first, const uint16_t *row_starts,
                                 const uint16_t *row_weights, const uint16_t *column_first,
                                 const uint16_t *column_starts, const uint16_t *column_weights,
                                 uint8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        for (int32_t column = 0; column < p->columns; column++) {
            uint32_t sums[3] = {0, 0, 0};
            for (int32_t i = row_starts[row]; i < row_starts[row + 1]; i++) {
                const int32_t y = row_first[row] + i - row_starts[row];
                uint32_t parts[3] = {0, 0, 0};
                for (int32_t j = column_starts[column]; j < column_starts[column + 1]; j++) {
                    int32_t rgb[3];
                    eq_image_pixel(p, frame, y, column_first[column] + j - column_starts[column],
                                   rgb);
                    for (int32_t c = 0; c < 3; c++) {
                        parts[c] += (uint32_t)rgb[c] * column_weights[j];
                    }
                }
                for (int32_t c = 0; c < 3; c++) {
                    sums[c] += ((parts[c] + 8u) >> 4) * row_weights[i];
                }
            }
            int32_t rgb[3];
            for (int32_t c = 0; c < 3; c++) {
                rgb[c] = eq_min((int32_t)((sums[c] + ((uint32_t)1 << 19)) >> 20), 255);
            }
            if (p->channels == 1) {
                *output++ = (uint8_t)eq_image_gray(rgb);
                continue;
            }
            for (int32_t c = 0; c < 3; c++) {
                *output++ = (uint8_t)rgb[p->reversed ? 2 - c : c];
            }
        }
    }
}

#endif
