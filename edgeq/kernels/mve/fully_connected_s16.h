/* FULLY_CONNECTED, int16 activations, int8 weights, with MVE: four outputs at a time
 * (eq_rows_mve.h) from 32-bit sums, which the host proves to be enough; the reference has 64.
 */
#ifndef EQ_FULLY_CONNECTED_S16_MVE_H
#define EQ_FULLY_CONNECTED_S16_MVE_H

#include <arm_mve.h>

#include "eq_base.h"
#include "eq_requantize_mve.h"
#include "eq_rows_mve.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t output_offset;
    int32_t activation_min, activation_max;
} eq_fully_connected_s16_mve_params;

/* `weights`: groups of four rows; `multipliers`: of each output of all groups; the high half
 * of the product with its sum, rounded, is the output. */
EQ_KERNEL void eq_fully_connected_mve_s16(const eq_fully_connected_s16_mve_params *p,
                                          const int16_t *input, const int8_t *weights,
                                          const int32_t *multipliers, int16_t *output)
{
    const int32x4_t low = vdupq_n_s32(p->activation_min);
    const int32x4_t high = vdupq_n_s32(p->activation_max);
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *rows = weights;
        for (int32_t oc = 0; oc < p->output_c; oc += EQ_ROWS_MVE_GROUP) {
            int32_t sums[EQ_ROWS_MVE_GROUP];
            rows = eq_four_rows_mve_s16(rows, input, p->input_c, sums);
            int32x4_t x = eq_lanes_mve(sums[0], sums[1], sums[2], sums[3]);
            x = vrmulhq_s32(x, vldrwq_s32(multipliers + oc));
            x = vaddq_n_s32(x, p->output_offset);
            x = vminq_s32(vmaxq_s32(x, low), high);
            vstrhq_p_s32(output + oc, x, vctp32q((uint32_t)(p->output_c - oc)));
        }
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
