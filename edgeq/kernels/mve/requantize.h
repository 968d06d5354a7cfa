/* Requantization of accumulators with MVE instructions, four at a time. */
#ifndef EQ_REQUANTIZE_MVE_H
#define EQ_REQUANTIZE_MVE_H

#include <arm_mve.h>

#include "eq_base.h"

/* How one layer's accumulators become outputs on these cores. */
typedef struct {
    int32_t output_offset;
    int32_t rectified; /* 1: results below the zero point are clamped to it, so that the reference's
                          rounding of negative ties away from zero cannot be seen */
    int32_t activation_min, activation_max;
} eq_scale_mve;

/* A vector of four accumulators. gcc would take a detour through memory. */
EQ_KERNEL int32x4_t eq_lanes_mve(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t x;
    __asm__("vmov %q0[2], %q0[0], %1, %3\n\t"
            "vmov %q0[3], %q0[1], %2, %4"
            : "=&w"(x)
            : "r"(a), "r"(b), "r"(c), "r"(d));
    return x;
}

/* Gathering and scattering: gcc 12 does not know that its intrinsics for them touch memory, and
 * moves them across loads and stores. */

/* Four words at `base` + `at`. */
EQ_KERNEL int8x16_t eq_gather_words_mve(const int8_t *base, uint32x4_t at)
{
    int8x16_t x;
    __asm__ volatile("vldrw.u32 %q0, [%1, %q2]" : "=&w"(x) : "r"(base), "w"(at) : "memory");
    return x;
}

/* The lowest byte of each lane to `base` + `at`. */
EQ_KERNEL void eq_scatter_mve(int8_t *base, int32x4_t at, int32x4_t x)
{
    __asm__ volatile("vstrb.32 %q0, [%1, %q2]" : : "w"(x), "r"(base), "w"(at) : "memory");
}

/* What the reference's rounding shift takes from negative values before VRSHL, which rounds ties
 * up: one. Right for shifts of one and more, which the host makes sure of. */
EQ_KERNEL int32x4_t eq_ties_away_mve(int32x4_t x)
{
    return vaddq_s32(x, vshrq_n_s32(x, 31));
}

/* The zero point added and saturated to int8, in the lowest byte of each lane. The steps through
 * int16 saturate too, so the result is that of wide arithmetic. */
EQ_KERNEL int32x4_t eq_offset_mve(const eq_scale_mve *p, int32x4_t x)
{
    __asm__("vqmovnb.s32 %q0, %q0\n\t"
            "vqadd.s16 %q0, %q0, %1\n\t"
            "vqmovnb.s16 %q0, %q0"
            : "+w"(x)
            : "r"(p->output_offset));
    return x;
}

/* Four accumulators of one channel; `shift` is negative for right. */
EQ_KERNEL int32x4_t eq_requantize_n_mve(const eq_scale_mve *p, int32x4_t acc, int32_t multiplier,
                                        int32_t shift)
{
    int32x4_t x = vqrdmulhq_n_s32(acc, multiplier);
    if (!p->rectified) {
        x = eq_ties_away_mve(x);
    }
    return eq_offset_mve(p, vrshlq_n_s32(x, shift));
}

/* Accumulators of four channels. */
EQ_KERNEL int32x4_t eq_requantize_mve(const eq_scale_mve *p, int32x4_t acc, int32x4_t multiplier,
                                      int32x4_t shift)
{
    int32x4_t x = vqrdmulhq_s32(acc, multiplier);
    if (!p->rectified) {
        x = eq_ties_away_mve(x);
    }
    return eq_offset_mve(p, vrshlq_s32(x, shift));
}

/* Outputs that were only saturated are clamped to the activation's range, where it is narrower. */
EQ_KERNEL void eq_clamp_mve(const eq_scale_mve *p, int8_t *output, int32_t count)
{
    if (p->activation_min == INT8_MIN && p->activation_max == INT8_MAX) {
        return;
    }
    const int8x16_t low = vdupq_n_s8((int8_t)p->activation_min);
    const int8x16_t high = vdupq_n_s8((int8_t)p->activation_max);
    for (int32_t i = 0; i < count; i += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(count - i));
        const int8x16_t x = vldrbq_z_s8(output + i, some);
        vstrbq_p_s8(output + i, vminq_s8(vmaxq_s8(x, low), high), some);
    }
}

#endif
