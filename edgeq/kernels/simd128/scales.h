/* Sums of WebAssembly's vectors, and how they become outputs: exactly as the reference rounds
 * twice, in the cheapest numbers that hold it.
 */
#ifndef EQ_SCALES_SIMD128_H
#define EQ_SCALES_SIMD128_H

#ifdef __wasm_simd128__
#include <wasm_simd128.h>

#include "eq_base.h"
#include "eq_lanes_host.h"

enum { EQ_VECTORS = 4 }; /* of four channels */

typedef struct {
    v128_t of[EQ_VECTORS];
} eq_sums;

/* A number for each channel. */
typedef struct {
    v128_t of[2 * EQ_VECTORS];
} eq_doubles;

/* Right shifts are a multiplication by `power` and a shift by 30; by one more where `more`. Where
 * outputs are clamped, they are one by the float `inverse`, without the bits of no `keep`; `floor`
 * is half a step of what is kept less one half. Where products fit doubles, multiplier and shift
 * are `real`, and `half_up` or, of negative sums whose ties go away from zero, `half_away` is
 * added. */
typedef struct {
    eq_sums multiplier, half, power, more, left, keep;
    v128_t inverse[EQ_VECTORS], floor[EQ_VECTORS];
    eq_doubles real, half_up, half_away;
} eq_scales;

EQ_KERNEL eq_sums eq_load_row(const int32_t *row)
{
    eq_sums sums;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        sums.of[k] = wasm_v128_load(row + 4 * k);
    }
    return sums;
}

/* Two to the power of each lane, from -126 to 127, as floats. */
EQ_KERNEL v128_t eq_float_power(v128_t exponents)
{
    return wasm_i32x4_shl(wasm_i32x4_add(exponents, wasm_i32x4_const_splat(127)), 23);
}

/* Two to the power of each lane, from 0 to 30. */
EQ_KERNEL v128_t eq_power_of_two(v128_t exponents)
{
    return wasm_i32x4_trunc_sat_f32x4(eq_float_power(exponents));
}

/* Two to the power of each of two lanes. */
EQ_KERNEL v128_t eq_double_power(v128_t exponents)
{
    return wasm_i64x2_shl(wasm_i64x2_add(exponents, wasm_i64x2_const_splat(1023)), 52);
}

/* Multipliers as doubles, and what rounds both times: half of what the second shift drops, and as
 * little more as makes ties go up. */
EQ_KERNEL void eq_double_scales(const eq_sums *multiplier, const eq_sums *shift, eq_scales *scales)
{
    const v128_t zero = wasm_i32x4_const_splat(0);
    EQ_UNROLL(8)
    for (int32_t i = 0; i < 2 * EQ_VECTORS; i++) {
        const v128_t multipliers = multiplier->of[i / 2], shifts = shift->of[i / 2];
        const v128_t all = wasm_i32x4_sub(zero, shifts);
        const v128_t rounds = wasm_i32x4_gt(shifts, zero);
        const v128_t m =
            i % 2 ? wasm_i32x4_shuffle(multipliers, multipliers, 2, 3, 2, 3) : multipliers;
        const v128_t exponents =
            i % 2 ? wasm_i64x2_extend_high_i32x4(all) : wasm_i64x2_extend_low_i32x4(all);
        const v128_t twice =
            i % 2 ? wasm_i64x2_extend_high_i32x4(rounds) : wasm_i64x2_extend_low_i32x4(rounds);
        const v128_t least = eq_double_power(wasm_i64x2_sub(exponents, wasm_i64x2_const_splat(32)));
        const v128_t half = wasm_v128_and(
            eq_double_power(wasm_i64x2_sub(exponents, wasm_i64x2_const_splat(1))), twice);
        const v128_t power = eq_double_power(wasm_i64x2_sub(exponents, wasm_i64x2_const_splat(31)));
        scales->real.of[i] = wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(m), power);
        scales->half_up.of[i] = wasm_f64x2_add(least, half);
        scales->half_away.of[i] = wasm_f64x2_sub(least, half);
    }
}

EQ_KERNEL eq_scales eq_scales_of(const eq_sums *multiplier, const eq_sums *shift)
{
    const v128_t zero = wasm_i32x4_const_splat(0), one = wasm_i32x4_const_splat(1);
    const v128_t most = wasm_i32x4_const_splat(30);
    eq_scales scales;
    scales.multiplier = *multiplier;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        const v128_t right = wasm_i32x4_max(shift->of[k], zero);
        const v128_t rounds = wasm_i32x4_gt(right, zero);
        scales.left.of[k] =
            eq_power_of_two(wasm_i32x4_max(wasm_i32x4_sub(zero, shift->of[k]), zero));
        scales.half.of[k] = wasm_v128_and(eq_power_of_two(wasm_i32x4_sub(right, one)), rounds);
        scales.power.of[k] = eq_power_of_two(wasm_i32x4_sub(most, wasm_i32x4_min(right, most)));
        scales.more.of[k] = wasm_i32x4_gt(right, most);
        const v128_t far = wasm_i32x4_gt(right, wasm_i32x4_const_splat(7));
        const v128_t less = wasm_v128_and(far, wasm_i32x4_const_splat(8));
        const v128_t step = wasm_i32x4_sub(less, wasm_i32x4_add(right, one));
        scales.keep.of[k] = wasm_v128_not(wasm_v128_and(far, wasm_i32x4_const_splat(255)));
        scales.inverse[k] = eq_float_power(wasm_i32x4_sub(zero, right));
        scales.floor[k] = wasm_f32x4_sub(eq_float_power(step), wasm_f32x4_const_splat(0.5F));
    }
    eq_double_scales(multiplier, shift, &scales);
    return scales;
}

EQ_KERNEL eq_scales eq_load_scales(const int32_t *table)
{
    const eq_sums multiplier = eq_load_row(table + 2 * EQ_LANES);
    const eq_sums shift = eq_load_row(table + 3 * EQ_LANES);
    return eq_scales_of(&multiplier, &shift);
}

EQ_KERNEL eq_sums eq_same_sums(int32_t value)
{
    eq_sums sums;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        sums.of[k] = wasm_i32x4_splat(value);
    }
    return sums;
}

EQ_KERNEL eq_scales eq_same_scales(int32_t multiplier, int32_t shift)
{
    const eq_sums multipliers = eq_same_sums(multiplier), shifts = eq_same_sums(shift);
    return eq_scales_of(&multipliers, &shifts);
}

/* The low words of 64-bit products, rounded and shifted; the sign does not get there. */
EQ_KERNEL v128_t eq_product_4(v128_t a, v128_t b, int64_t round, uint32_t shift)
{
    const v128_t half = wasm_i64x2_splat(round);
    const v128_t low = wasm_i64x2_add(wasm_i64x2_extmul_low_i32x4(a, b), half);
    const v128_t high = wasm_i64x2_add(wasm_i64x2_extmul_high_i32x4(a, b), half);
    return wasm_i32x4_shuffle(wasm_u64x2_shr(low, shift), wasm_u64x2_shr(high, shift), 0, 2, 4, 6);
}

/* Four sums by their multipliers, as SaturatingRoundingDoublingHighMul, with half a step of the
 * right shift added; ties of negative numbers then go away from zero. */
EQ_KERNEL v128_t eq_multiplied_4(v128_t sums, const eq_scales *scales, const eq_limits *limits,
                                 int32_t k)
{
    if (limits->left) {
        sums = wasm_i32x4_mul(sums, scales->left.of[k]);
    }
    sums = eq_product_4(sums, scales->multiplier.of[k], (int64_t)1 << 30, 31);
    if (eq_ties_matter(limits)) {
        v128_t below = wasm_i32x4_shr(sums, 31);
        if (limits->left) {
            const v128_t zero = wasm_i32x4_const_splat(0);
            below = wasm_v128_and(below, wasm_i32x4_ne(scales->half.of[k], zero));
        }
        sums = wasm_i32x4_add(sums, below);
    }
    return wasm_i32x4_add(sums, scales->half.of[k]);
}

/* As eq_multiply_by_quantized_multiplier: the sums' bounds leave room for half a step. */
EQ_KERNEL eq_sums eq_scale_sums(eq_sums sums, const eq_scales *scales, const eq_limits *limits)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        const v128_t all = eq_multiplied_4(sums.of[k], scales, limits, k);
        const v128_t high = eq_product_4(all, scales->power.of[k], 0, 30);
        sums.of[k] = wasm_v128_bitselect(wasm_i32x4_shr(high, 1), high, scales->more.of[k]);
    }
    return sums;
}

/* The same within 1000, as floats, which multiply faster than 64-bit products. It is exact: a shift
 * by 8 or more does not see the lowest 8 bits, and without them 24 bits hold the rest; results of
 * smaller shifts that have more bits are beyond 1000. What is rounded to the nearest integer, by
 * adding 1.5 * 2^23, lies half a step of what is kept above the tie below it. */
EQ_KERNEL eq_sums eq_scale_within_1000(eq_sums sums, const eq_scales *scales,
                                       const eq_limits *limits)
{
    const v128_t most = wasm_f32x4_const_splat(1000.0F), least = wasm_f32x4_const_splat(-1000.0F);
    const v128_t integers = wasm_f32x4_const_splat(12582912.0F);
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        const v128_t all = eq_multiplied_4(sums.of[k], scales, limits, k);
        v128_t real = wasm_f32x4_convert_i32x4(wasm_v128_and(all, scales->keep.of[k]));
        real = wasm_f32x4_add(wasm_f32x4_mul(real, scales->inverse[k]), scales->floor[k]);
        real = wasm_f32x4_pmax(wasm_f32x4_pmin(real, most), least);
        sums.of[k] = wasm_i32x4_sub(wasm_f32x4_add(real, integers), integers);
    }
    return sums;
}

EQ_KERNEL v128_t eq_double_product(v128_t a, v128_t b, v128_t sum)
{
#ifdef __wasm_relaxed_simd__
    return wasm_f64x2_relaxed_madd(a, b, sum); /* exact, so that all ways are the same */
#else
    return wasm_f64x2_add(wasm_f64x2_mul(a, b), sum);
#endif
}

EQ_KERNEL v128_t eq_select(v128_t a, v128_t b, v128_t which)
{
#ifdef __wasm_relaxed_simd__
    return wasm_i64x2_relaxed_laneselect(a, b, which); /* lanes of all bits or none */
#else
    return wasm_v128_bitselect(a, b, which);
#endif
}

/* The same by doubles, where products fit their 53 bits: then nothing is rounded but by adding
 * 1.5 * 2^52, whose last bit is one. The reference's first rounding moves the limit between two
 * results down by half of its step, and that is in what is added. */
EQ_KERNEL eq_sums eq_scale_doubles(eq_sums sums, const eq_scales *scales, const eq_limits *limits)
{
    const v128_t integers = wasm_f64x2_const_splat(6755399441055744.0);
    const v128_t zero = wasm_f64x2_const_splat(0.0);
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        v128_t half[2];
        EQ_UNROLL(2)
        for (int32_t i = 0; i < 2; i++) {
            const v128_t two =
                i ? wasm_i32x4_shuffle(sums.of[k], sums.of[k], 2, 3, 2, 3) : sums.of[k];
            const v128_t real = wasm_f64x2_convert_low_i32x4(two);
            v128_t rounding = scales->half_up.of[2 * k + i];
            if (eq_ties_matter(limits)) {
                rounding =
                    eq_select(scales->half_away.of[2 * k + i], rounding, wasm_f64x2_lt(real, zero));
            }
            half[i] = wasm_f64x2_add(eq_double_product(real, scales->real.of[2 * k + i], rounding),
                                     integers);
        }
        sums.of[k] = wasm_i32x4_shuffle(half[0], half[1], 0, 2, 4, 6);
    }
    return sums;
}

#endif
#endif
