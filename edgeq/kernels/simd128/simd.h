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
#include "eq_scales_simd128.h"

/* Engines have 16 registers on most processors; sums take four of them each. */
#define EQ_ACCUMULATORS 3

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
