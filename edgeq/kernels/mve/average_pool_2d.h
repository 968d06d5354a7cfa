/* AVERAGE_POOL_2D, int8 (NHWC), with MVE: four channels at a time. */
#ifndef EQ_AVERAGE_POOL_2D_MVE_H
#define EQ_AVERAGE_POOL_2D_MVE_H

#include <arm_mve.h>

#include "eq_average_pool_2d.h"
#include "eq_base.h"

/* Means of `count` values with sums `acc`, rounded to nearest, ties away from zero.
 *
 * n / count is the high half of n * reciprocal: with reciprocal * count = 2^32 + e, 0 <= e < count,
 * it is exact while n * e < 2^32, and n = |acc| + count / 2 stays below 129 * count. The host makes
 * sure of 129 * count^2 < 2^32. */
EQ_KERNEL int32x4_t eq_mean_mve(int32x4_t acc, uint32_t count, uint32_t reciprocal)
{
    const int32x4_t sign = vshrq_n_s32(acc, 31);
    uint32x4_t n = vaddq_n_u32(vreinterpretq_u32_s32(vabsq_s32(acc)), count / 2);
    if (count > 1) {
        n = vmulhq_u32(n, vdupq_n_u32(reciprocal));
    }
    return vsubq_s32(veorq_s32(vreinterpretq_s32_u32(n), sign), sign);
}

EQ_KERNEL void eq_average_pool_2d_mve_s8(const eq_average_pool_2d_params *p, const int8_t *input,
                                         int8_t *output)
{
    const int32x4_t low = vdupq_n_s32(p->activation_min);
    const int32x4_t high = vdupq_n_s32(p->activation_max);
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                const int32_t y_begin = eq_max(y, 0);
                const int32_t x_begin = eq_max(x, 0);
                const int32_t rows = eq_min(y + p->filter_h, p->input_h) - y_begin;
                const int32_t columns = eq_min(x + p->filter_w, p->input_w) - x_begin;
                const uint32_t count = (uint32_t)(rows * columns);
                const uint32_t reciprocal = UINT32_MAX / count + 1u;
                const int8_t *window = input + (y_begin * p->input_w + x_begin) * p->channels;
                for (int32_t c = 0; c < p->channels; c += 4) {
                    const mve_pred16_t some = vctp32q((uint32_t)(p->channels - c));
                    int32x4_t acc = vdupq_n_s32(0);
                    for (int32_t ky = 0; ky < rows; ky++) {
                        const int8_t *row = window + ky * p->input_w * p->channels + c;
                        for (int32_t kx = 0; kx < columns; kx++) {
                            acc = vaddq_s32(acc, p->channels % 4 == 0 ? vldrbq_s32(row)
                                                                      : vldrbq_z_s32(row, some));
                            row += p->channels;
                        }
                    }
                    const int32x4_t mean = eq_mean_mve(acc, count, reciprocal);
                    vstrbq_p_s32(output + c, vminq_s32(vmaxq_s32(mean, low), high), some);
                }
                output += p->channels;
            }
        }
        input += p->input_h * p->input_w * p->channels;
    }
}

#endif
