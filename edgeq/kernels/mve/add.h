/* ADD, int8, inputs of the same shape, with MVE: four values at a time.
 *
 * Where the host finds one factor for each input that gives the reference's bytes for all 65536
 * pairs of inputs, that is all there is to do; otherwise the reference's own three scalings. */
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

typedef struct {
    int32_t size;
    int32_t factor1, factor2; /* with so many bits behind the point as the shift says */
    int32_t constant;         /* zero points and one half */
    int32_t shift;            /* negative for right */
    eq_scale_mve scale;
} eq_add_factors_mve_params;

/* The output may be written over either input. */
EQ_KERNEL void eq_add_factors_mve_s8(const eq_add_factors_mve_params *p, const int8_t *input1,
                                     const int8_t *input2, int8_t *output)
{
    int8_t *to = output;
    const int32x4_t factor1 = vdupq_n_s32(p->factor1);
    const int32_t words[3] = {p->constant, p->factor2, p->shift};
    __asm__ volatile("ldm %[words], {r8, r9, r10}\n\t"
                     "wlstp.32 lr, %[size], 2f\n"
                     "1:\n\t"
                     "vldrb.s32 q0, [%[input1]], #4\n\t"
                     "vldrb.s32 q1, [%[input2]], #4\n\t"
                     "vmlas.s32 q0, %q[factor1], r8\n\t"
                     "vmla.s32 q0, q1, r9\n\t"
                     "vshl.s32 q0, r10\n\t"
                     "vqmovnb.s32 q0, q0\n\t"
                     "vqmovnb.s16 q0, q0\n\t"
                     "vstrb.32 q0, [%[to]], #4\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [input1] "+l"(input1), [input2] "+l"(input2), [to] "+l"(to)
                     : [size] "l"(p->size), [words] "l"(words), [factor1] "w"(factor1)
                     : "r8", "r9", "r10", "lr", "q0", "q1", "memory");
    eq_clamp_mve(&p->scale, output, p->size);
}

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
