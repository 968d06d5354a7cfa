/* The primitives of kernels/host/lanes.h for WebAssembly with vectors of 128 bits. Compiled without
 * them it is the form in plain C, so that one program makes the modules for new engines and old.
 *
 * Products are those of 16-bit numbers, two of them added up: the taps of four channels are brought
 * into two vectors of pairs. Engines that have the relaxed dot product multiply four taps at once;
 * what it gives for inputs of 128 and more is theirs to choose, so that the loader tries whether it
 * is the product of unsigned inputs by signed weights before it takes this form. Engines shift all
 * lanes by one count, so a shift by channel is a multiplication by a power of two.
 */
#ifndef EQ_SIMD_SIMD128_H
#define EQ_SIMD_SIMD128_H

#ifndef __wasm_simd128__
#define EQ_EACH_LANE EQ_UNROLL(16)
#include "eq_simd_host.h"
#else
#define EQ_SIMD_H

#include <wasm_simd128.h>

#include "eq_base.h"
#include "eq_lanes_host.h"

/* Engines have 16 registers on most processors; sums take four of them each. */
#define EQ_ACCUMULATORS 3

enum { EQ_VECTORS = 4 }; /* of four channels */

typedef struct {
    v128_t of[EQ_VECTORS];
} eq_sums;

#ifdef __wasm_relaxed_simd__
typedef struct {
    v128_t of[EQ_VECTORS];
} eq_weights;
#else
/* Of each four channels: their first two taps as 16 bits, their last two. */
typedef struct {
    v128_t first[EQ_VECTORS], last[EQ_VECTORS];
} eq_weights;
#endif

typedef eq_weights eq_taps;

/* A number for each channel. */
typedef struct {
    v128_t of[2 * EQ_VECTORS];
} eq_doubles;

/* Right shifts are a multiplication by `power` and a shift by 30; by one more where `more`. Where
 * outputs are clamped, they are one by the float `inverse`, without the bits of no `keep`; `floor`
 * is half a step of what is kept less one half. Where products fit doubles, multiplier and shift are
 * `real`, and `half_up` or, of negative sums whose ties go away from zero, `half_away` is added. */
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

#ifdef __wasm_relaxed_simd__
EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    eq_sums sums = eq_load_row(table);
    const eq_sums offset = eq_load_row(table + EQ_LANES);
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        sums.of[k] = wasm_i32x4_sub(sums.of[k], offset.of[k]);
    }
    return sums;
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    eq_weights loaded;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        loaded.of[k] = wasm_v128_load(weights + 16 * k);
    }
    return loaded;
}

/* Inputs plus 128: the bias has that taken off. */
EQ_KERNEL v128_t eq_as_factor(v128_t inputs)
{
    return wasm_v128_xor(inputs, wasm_i8x16_const_splat(-128));
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    const v128_t va = wasm_v128_load(a), vb = wasm_v128_load(b);
    const v128_t vc = wasm_v128_load(c), vd = wasm_v128_load(d);
    const v128_t ab_low =
        wasm_i8x16_shuffle(va, vb, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const v128_t ab_high =
        wasm_i8x16_shuffle(va, vb, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const v128_t cd_low =
        wasm_i8x16_shuffle(vc, vd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const v128_t cd_high =
        wasm_i8x16_shuffle(vc, vd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const eq_taps taps = {{
        eq_as_factor(wasm_i16x8_shuffle(ab_low, cd_low, 0, 8, 1, 9, 2, 10, 3, 11)),
        eq_as_factor(wasm_i16x8_shuffle(ab_low, cd_low, 4, 12, 5, 13, 6, 14, 7, 15)),
        eq_as_factor(wasm_i16x8_shuffle(ab_high, cd_high, 0, 8, 1, 9, 2, 10, 3, 11)),
        eq_as_factor(wasm_i16x8_shuffle(ab_high, cd_high, 4, 12, 5, 13, 6, 14, 7, 15)),
    }};
    return taps;
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        sums.of[k] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(weights.of[k], taps->of[k], sums.of[k]);
    }
    return sums;
}
#else
EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    return eq_load_row(table);
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    eq_weights loaded;
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        const v128_t bytes = wasm_v128_load(weights + 16 * k);
        const v128_t pairs =
            wasm_i8x16_shuffle(bytes, bytes, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
        loaded.first[k] = wasm_i16x8_extend_low_i8x16(pairs);
        loaded.last[k] = wasm_i16x8_extend_high_i8x16(pairs);
    }
    return loaded;
}

/* The inputs of two places for each of 16 channels, beside each other. */
EQ_KERNEL void eq_beside(const int8_t *a, const int8_t *b, v128_t pairs[EQ_VECTORS])
{
    const v128_t va = wasm_v128_load(a), vb = wasm_v128_load(b);
    const v128_t low =
        wasm_i8x16_shuffle(va, vb, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const v128_t high =
        wasm_i8x16_shuffle(va, vb, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    pairs[0] = wasm_i16x8_extend_low_i8x16(low);
    pairs[1] = wasm_i16x8_extend_high_i8x16(low);
    pairs[2] = wasm_i16x8_extend_low_i8x16(high);
    pairs[3] = wasm_i16x8_extend_high_i8x16(high);
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    eq_taps taps;
    eq_beside(a, b, taps.first);
    eq_beside(c, d, taps.last);
    return taps;
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        const v128_t first = wasm_i32x4_dot_i16x8(weights.first[k], taps->first[k]);
        const v128_t last = wasm_i32x4_dot_i16x8(weights.last[k], taps->last[k]);
        sums.of[k] = wasm_i32x4_add(wasm_i32x4_add(sums.of[k], first), last);
    }
    return sums;
}

#endif

/* Inputs of a pixel, loaded together and then spread four by four: a load, and a shuffle for each.
 */
#ifdef __wasm_relaxed_simd__
#define EQ_INPUT_FOURS 4
#else
#define EQ_INPUT_FOURS 2
#endif
#define EQ_WEIGHT_FOURS 1
#define EQ_MIXED_TILES 1

typedef v128_t eq_inputs;
typedef eq_weights eq_fours;
typedef eq_taps eq_same;
typedef eq_sums eq_partial;

EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    return eq_first_sums(table);
}

EQ_KERNEL eq_sums eq_whole(const eq_partial *partial)
{
    return *partial;
}

EQ_KERNEL eq_fours eq_load_fours(const int8_t *weights, const int32_t fours, const int32_t part)
{
    (void)part;
    (void)fours;
    return eq_load_weights(weights);
}

/* One of four lanes in all of them. */
EQ_KERNEL v128_t eq_spread(v128_t x, const int32_t lane)
{
    switch (lane) {
    case 0:
        return wasm_i32x4_shuffle(x, x, 0, 0, 0, 0);
    case 1:
        return wasm_i32x4_shuffle(x, x, 1, 1, 1, 1);
    case 2:
        return wasm_i32x4_shuffle(x, x, 2, 2, 2, 2);
    default:
        return wasm_i32x4_shuffle(x, x, 3, 3, 3, 3);
    }
}

#ifdef __wasm_relaxed_simd__
EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    v128_t loaded;
    if (fours == 4) {
        loaded = wasm_v128_load(inputs);
    } else if (fours == 1) {
        loaded = wasm_v128_load32_zero(inputs);
    } else {
        loaded = wasm_v128_load64_zero(inputs);
        if (fours == 3) {
            loaded = wasm_v128_load32_lane(inputs + 8, loaded, 2);
        }
    }
    return eq_as_factor(loaded);
}

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const v128_t same = eq_spread(*inputs, four);
    const eq_same taps = {{same, same, same, same}};
    (void)fours;
    return taps;
}
#else
EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    return fours == 2 ? wasm_i16x8_load8x8(inputs)
                      : wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(inputs));
}

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const v128_t first = eq_spread(*inputs, 2 * four), last = eq_spread(*inputs, 2 * four + 1);
    const eq_same taps = {{first, first, first, first}, {last, last, last, last}};
    (void)fours;
    return taps;
}
#endif

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    (void)part;
    return eq_dot(sums, *weights, same);
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

/* Saturation on the way to bytes is a clamp to the limits of int8. */
EQ_KERNEL void eq_store_clamped(int8_t *output, eq_sums sums, int32_t offset,
                                const eq_limits *limits, int32_t count)
{
    const v128_t zero_point = wasm_i16x8_splat((int16_t)offset);
    const v128_t low =
        wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(sums.of[0], sums.of[1]), zero_point);
    const v128_t high =
        wasm_i16x8_add_sat(wasm_i16x8_narrow_i32x4(sums.of[2], sums.of[3]), zero_point);
    v128_t bytes = wasm_i8x16_narrow_i16x8(low, high);
    if (limits->activation_min > -128) {
        bytes = wasm_i8x16_max(bytes, wasm_i8x16_splat((int8_t)limits->activation_min));
    }
    if (limits->activation_max < 127) {
        bytes = wasm_i8x16_min(bytes, wasm_i8x16_splat((int8_t)limits->activation_max));
    }
    if (count == EQ_LANES) {
        wasm_v128_store(output, bytes);
    } else {
        int8_t kept[EQ_LANES];
        wasm_v128_store(kept, bytes);
        memcpy(output, kept, (size_t)count);
    }
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *scales,
                                const eq_limits *limits, int32_t count)
{
    sums = limits->narrow ? eq_scale_doubles(sums, scales, limits)
                          : eq_scale_within_1000(sums, scales, limits);
    eq_store_clamped(output, sums, limits->output_offset, limits, count);
}

EQ_KERNEL void eq_store_shifted(int8_t *output, eq_sums sums, int32_t shift,
                                const eq_limits *limits, int32_t count)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        sums.of[k] = wasm_i32x4_shr(sums.of[k], (uint32_t)shift);
    }
    eq_store_clamped(output, sums, 0, limits, count);
}

EQ_KERNEL eq_sums eq_load_values(const int8_t *values)
{
    const v128_t bytes = wasm_v128_load(values);
    const v128_t low = wasm_i16x8_extend_low_i8x16(bytes);
    const v128_t high = wasm_i16x8_extend_high_i8x16(bytes);
    const eq_sums sums = {{wasm_i32x4_extend_low_i16x8(low), wasm_i32x4_extend_high_i16x8(low),
                           wasm_i32x4_extend_low_i16x8(high), wasm_i32x4_extend_high_i16x8(high)}};
    return sums;
}

EQ_KERNEL void eq_keep_sums(int32_t *kept, eq_sums sums)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        wasm_v128_store(kept + 4 * k, sums.of[k]);
    }
}

EQ_KERNEL eq_sums eq_add_sums(eq_sums a, eq_sums b)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        a.of[k] = wasm_i32x4_add(a.of[k], b.of[k]);
    }
    return a;
}

EQ_KERNEL eq_sums eq_multiply_sums(eq_sums a, eq_sums b)
{
    EQ_UNROLL(4)
    for (int32_t k = 0; k < EQ_VECTORS; k++) {
        a.of[k] = wasm_i32x4_mul(a.of[k], b.of[k]);
    }
    return a;
}

EQ_KERNEL void eq_look_up(const uint8_t *input, const int8_t *table, int8_t *output, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        output[i] = table[input[i]];
    }
}

#endif
#endif
