/* What 64-bit Arm has of its own and kernels/neon/simd.h uses, for 32-bit Arm: there such
 * instructions make a half of a vector, or take one.
 */
#ifndef EQ_HALVES_NEON_H
#define EQ_HALVES_NEON_H

#ifndef __aarch64__
#include <arm_neon.h>

#include "eq_base.h"

EQ_KERNEL int8x16_t vzip1q_s8(int8x16_t a, int8x16_t b)
{
    return vzipq_s8(a, b).val[0];
}

EQ_KERNEL int8x16_t vzip2q_s8(int8x16_t a, int8x16_t b)
{
    return vzipq_s8(a, b).val[1];
}

EQ_KERNEL int16x8_t vzip1q_s16(int16x8_t a, int16x8_t b)
{
    return vzipq_s16(a, b).val[0];
}

EQ_KERNEL int16x8_t vzip2q_s16(int16x8_t a, int16x8_t b)
{
    return vzipq_s16(a, b).val[1];
}

EQ_KERNEL int32x4_t vzip1q_s32(int32x4_t a, int32x4_t b)
{
    return vzipq_s32(a, b).val[0];
}

EQ_KERNEL int32x4_t vzip2q_s32(int32x4_t a, int32x4_t b)
{
    return vzipq_s32(a, b).val[1];
}

EQ_KERNEL int16x8_t vpaddq_s16(int16x8_t a, int16x8_t b)
{
    return vcombine_s16(vpadd_s16(vget_low_s16(a), vget_high_s16(a)),
                        vpadd_s16(vget_low_s16(b), vget_high_s16(b)));
}

EQ_KERNEL int32x4_t vpaddq_s32(int32x4_t a, int32x4_t b)
{
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)),
                        vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}

EQ_KERNEL int16x8_t vmull_high_s8(int8x16_t a, int8x16_t b)
{
    return vmull_s8(vget_high_s8(a), vget_high_s8(b));
}

EQ_KERNEL int16x8_t vmlal_high_s8(int16x8_t sum, int8x16_t a, int8x16_t b)
{
    return vmlal_s8(sum, vget_high_s8(a), vget_high_s8(b));
}

EQ_KERNEL int16x8_t vmovl_high_s8(int8x16_t a)
{
    return vmovl_s8(vget_high_s8(a));
}

EQ_KERNEL int32x4_t vmovl_high_s16(int16x8_t a)
{
    return vmovl_s16(vget_high_s16(a));
}

EQ_KERNEL int16x8_t vqmovn_high_s32(int16x4_t low, int32x4_t high)
{
    return vcombine_s16(low, vqmovn_s32(high));
}

EQ_KERNEL int8x16_t vqmovn_high_s16(int8x8_t low, int16x8_t high)
{
    return vcombine_s8(low, vqmovn_s16(high));
}
#endif

#endif
