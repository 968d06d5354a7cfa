/* ADD, int8, inputs of the same shape, with MVE: four values at a time. */
#ifndef EQ_ADD_MVE_H
#define EQ_ADD_MVE_H

#include "eq_base.h"
#include "eq_requantize_mve.h"

/* The reference scales input + offset, shifted left by 20, with a multiplier for each input. Input
 * 1 has the larger scale, so its multiplier is one half, and scaling it is a shift by 19. */
typedef struct {
    int32_t size;
    int32_t input1_offset;
    int32_t input2_offset, input2_multiplier, input2_shift; /* shifts are negative for right */
    int32_t multiplier, shift;
    eq_scale_mve scale;
} eq_add_mve_params;

EQ_KERNEL int32x4_t eq_add_four_mve(const eq_add_mve_params *p, int32x4_t a, int32x4_t b)
{
    b = vaddq_n_s32(vshlq_n_s32(b, 20), p->input2_offset * (1 << 20));
    b = vqrdmulhq_n_s32(b, p->input2_multiplier);
    if (p->input2_shift != 0) {
        b = vrshlq_n_s32(eq_ties_away_mve(b), p->input2_shift);
    }
    const int32x4_t sum = vmlaq_n_s32(b, a, 1 << 19);
    return eq_requantize_n_mve(&p->scale, vaddq_n_s32(sum, p->input1_offset * (1 << 19)),
                               p->multiplier, p->shift);
}

/* The output may be written over either input. */
EQ_KERNEL void eq_add_mve_s8(const eq_add_mve_params *p, const int8_t *input1, const int8_t *input2,
                             int8_t *output)
{
    const int32_t rest = p->size % 4;
    for (int32_t i = 0; i < p->size - rest; i += 4) {
        vstrbq_s32(output + i, eq_add_four_mve(p, vldrbq_s32(input1 + i), vldrbq_s32(input2 + i)));
    }
    if (rest != 0) {
        const int32_t i = p->size - rest;
        const mve_pred16_t some = vctp32q((uint32_t)rest);
        const int32x4_t a = vldrbq_z_s32(input1 + i, some);
        const int32x4_t b = vldrbq_z_s32(input2 + i, some);
        vstrbq_p_s32(output + i, eq_add_four_mve(p, a, b), some);
    }
    eq_clamp_mve(&p->scale, output, p->size);
}

#endif
