/* The primitives of kernels/host/lanes.h for NEON: of AArch64, whose every level has these, and of
 * 32-bit Arm; and how a level without dot products multiplies.
 *
 * A product of bytes has 16 bits, and two of them fit (weights are never -128); SADALP adds
 * neighbours to sums of 32 bits. So the sums of a tile take two lanes of a channel until the tile
 * is done.
 */
#ifndef EQ_SIMD_H
#define EQ_SIMD_H

#include <arm_neon.h>

#include "eq_base.h"
#include "eq_halves_neon.h"
#include "eq_lanes_host.h"

#define EQ_TILE_BLOCKS 1

#if defined(__GNUC__) && !defined(__clang__)
/* Else gcc loads so far ahead that sums go to memory. */
#define EQ_PART_DONE() __asm__ volatile("" ::: "memory")
#endif

#ifndef EQ_NEON_DOT
#ifdef __aarch64__
#define EQ_ACCUMULATORS 2
#define EQ_WEIGHT_PARTS 1
#else
/* Of 16 registers the lanes of 16 channels take 8; there is no room for all their weights. */
#define EQ_ACCUMULATORS 1
#define EQ_WEIGHT_PARTS 4
#endif
#define EQ_INPUT_FOURS 2
#define EQ_WEIGHT_FOURS 2
#endif

typedef struct {
    int32x4_t of[4];
} eq_sums;

typedef struct {
    int8x16_t of[4];
} eq_taps;

typedef eq_taps eq_weights;

/* Right shifts are negative, as SRSHL takes them. */
typedef struct {
    eq_sums multiplier, shift;
} eq_scales;

EQ_KERNEL eq_sums eq_load_row(const int32_t *row)
{
    const eq_sums loaded = {
        {vld1q_s32(row), vld1q_s32(row + 4), vld1q_s32(row + 8), vld1q_s32(row + 12)}};
    return loaded;
}

EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    return eq_load_row(table);
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    const eq_weights loaded = {{vld1q_s8(weights), vld1q_s8(weights + 16), vld1q_s8(weights + 32),
                                vld1q_s8(weights + 48)}};
    return loaded;
}

/* Four inputs in all fours of a vector. */
EQ_KERNEL int8x16_t eq_load_four(const int8_t *inputs)
{
    int32_t four;
    memcpy(&four, inputs, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    const int8x16_t va = vld1q_s8(a), vb = vld1q_s8(b), vc = vld1q_s8(c), vd = vld1q_s8(d);
    const int16x8_t ab_low = vreinterpretq_s16_s8(vzip1q_s8(va, vb));
    const int16x8_t ab_high = vreinterpretq_s16_s8(vzip2q_s8(va, vb));
    const int16x8_t cd_low = vreinterpretq_s16_s8(vzip1q_s8(vc, vd));
    const int16x8_t cd_high = vreinterpretq_s16_s8(vzip2q_s8(vc, vd));
    const eq_taps taps = {{vreinterpretq_s8_s16(vzip1q_s16(ab_low, cd_low)),
                           vreinterpretq_s8_s16(vzip2q_s16(ab_low, cd_low)),
                           vreinterpretq_s8_s16(vzip1q_s16(ab_high, cd_high)),
                           vreinterpretq_s8_s16(vzip2q_s16(ab_high, cd_high))}};
    return taps;
}

#ifndef EQ_NEON_DOT
/* Fours of inputs, each in all fours of a vector. */
typedef struct {
    int8x16_t of[EQ_INPUT_FOURS];
} eq_inputs;

/* Weights of two fours of taps. */
typedef struct {
    eq_weights of[2];
} eq_fours;

/* Sums of taps 0, 1 and 2, 3 of a channel in neighbouring lanes. */
typedef struct {
    int32x4_t of[8];
} eq_partial;

EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    const eq_sums bias = eq_load_row(table);
    const int32x4_t zero = vdupq_n_s32(0);
    eq_partial first;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        first.of[2 * i] = vzip1q_s32(bias.of[i], zero);
        first.of[2 * i + 1] = vzip2q_s32(bias.of[i], zero);
    }
    return first;
}

EQ_KERNEL eq_sums eq_whole(const eq_partial *partial)
{
    eq_sums sums;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        sums.of[i] = vpaddq_s32(partial->of[2 * i], partial->of[2 * i + 1]);
    }
    return sums;
}

EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    eq_inputs loaded;
    loaded.of[0] = eq_load_four(inputs);
    loaded.of[1] = fours == 2 ? eq_load_four(inputs + 4) : loaded.of[0];
    return loaded;
}

typedef struct {
    int8x16_t first, second;
    int32_t fours;
} eq_same;

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const eq_same same = {inputs->of[four], inputs->of[four + fours - 1], fours};
    return same;
}

EQ_KERNEL eq_fours eq_load_fours(const int8_t *weights, const int32_t fours, const int32_t part)
{
    const int32_t vectors = 4 / EQ_WEIGHT_PARTS;
    eq_fours loaded;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < vectors; i++) {
        const int8_t *from = weights + 16 * (part * vectors + i);
        loaded.of[0].of[i] = vld1q_s8(from);
        loaded.of[1].of[i] = fours == 2 ? vld1q_s8(from + EQ_WEIGHT_BYTES) : loaded.of[0].of[i];
    }
    return loaded;
}

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    const int32_t vectors = 4 / EQ_WEIGHT_PARTS;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < vectors; i++) {
        const int8x16_t w = weights->of[0].of[i], v = weights->of[1].of[i];
        const int32_t to = 2 * (part * vectors + i);
        int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(same->first));
        int16x8_t high = vmull_high_s8(w, same->first);
        if (same->fours == 2) {
            low = vmlal_s8(low, vget_low_s8(v), vget_low_s8(same->second));
            high = vmlal_high_s8(high, v, same->second);
        }
        sums.of[to] = vpadalq_s16(sums.of[to], low);
        sums.of[to + 1] = vpadalq_s16(sums.of[to + 1], high);
    }
    return sums;
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        const int8x16_t w = weights.of[i], x = taps->of[i];
        const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
        sums.of[i] = vpadalq_s16(sums.of[i], vpaddq_s16(low, vmull_high_s8(w, x)));
    }
    return sums;
}
#endif

EQ_KERNEL eq_scales eq_scales_of(const eq_sums *multiplier, const eq_sums *shift)
{
    eq_scales scales;
    scales.multiplier = *multiplier;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        scales.shift.of[i] = vnegq_s32(shift->of[i]);
    }
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
    const int32x4_t same = vdupq_n_s32(value);
    const eq_sums sums = {{same, same, same, same}};
    return sums;
}

EQ_KERNEL eq_scales eq_same_scales(int32_t multiplier, int32_t shift)
{
    const eq_sums same_multiplier = eq_same_sums(multiplier), same_shift = eq_same_sums(shift);
    return eq_scales_of(&same_multiplier, &same_shift);
}

/* As eq_multiply_by_quantized_multiplier: SQRDMULH rounds the product as it does, and SRSHL rounds
 * ties up, so negative sums that are shifted have 1 taken off first. */
EQ_KERNEL eq_sums eq_scale_sums(eq_sums sums, const eq_scales *s, const eq_limits *limits)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        int32x4_t x = sums.of[i], right = s->shift.of[i];
        if (limits->left) {
            x = vshlq_s32(x, vmaxq_s32(right, vdupq_n_s32(0)));
            right = vminq_s32(right, vdupq_n_s32(0));
        }
        x = vqrdmulhq_s32(x, s->multiplier.of[i]);
        if (eq_ties_matter(limits)) {
            x = vsraq_n_s32(x, vandq_s32(x, right), 31);
        }
        sums.of[i] = vrshlq_s32(x, right);
    }
    return sums;
}

/* Saturation on the way to bytes is a clamp to the limits of int8. */
EQ_KERNEL void eq_store_clamped(int8_t *output, eq_sums sums, int32_t offset,
                                const eq_limits *limits, int32_t count)
{
    int16x8_t low = vqmovn_high_s32(vqmovn_s32(sums.of[0]), sums.of[1]);
    int16x8_t high = vqmovn_high_s32(vqmovn_s32(sums.of[2]), sums.of[3]);
    if (offset != 0) {
        low = vqaddq_s16(low, vdupq_n_s16((int16_t)offset));
        high = vqaddq_s16(high, vdupq_n_s16((int16_t)offset));
    }
    int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(low), high);
    if (limits->activation_min > -128) {
        bytes = vmaxq_s8(bytes, vdupq_n_s8((int8_t)limits->activation_min));
    }
    if (limits->activation_max < 127) {
        bytes = vminq_s8(bytes, vdupq_n_s8((int8_t)limits->activation_max));
    }
    if (count == EQ_LANES) {
        vst1q_s8(output, bytes);
    } else {
        int8_t kept[EQ_LANES];
        vst1q_s8(kept, bytes);
        memcpy(output, kept, (size_t)count);
    }
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *s,
                                const eq_limits *limits, int32_t count)
{
    sums = eq_scale_sums(sums, s, limits);
    eq_store_clamped(output, sums, limits->output_offset, limits, count);
}

EQ_KERNEL void eq_store_shifted(int8_t *output, eq_sums sums, int32_t shift,
                                const eq_limits *limits, int32_t count)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        sums.of[i] = vshlq_s32(sums.of[i], vdupq_n_s32(-shift));
    }
    eq_store_clamped(output, sums, 0, limits, count);
}

EQ_KERNEL eq_sums eq_load_values(const int8_t *values)
{
    const int8x16_t bytes = vld1q_s8(values);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    const eq_sums sums = {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low),
                           vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
    return sums;
}

EQ_KERNEL void eq_keep_sums(int32_t *kept, eq_sums sums)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        vst1q_s32(kept + 4 * i, sums.of[i]);
    }
}

EQ_KERNEL eq_sums eq_add_sums(eq_sums a, eq_sums b)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        a.of[i] = vaddq_s32(a.of[i], b.of[i]);
    }
    return a;
}

EQ_KERNEL eq_sums eq_multiply_sums(eq_sums a, eq_sums b)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        a.of[i] = vmulq_s32(a.of[i], b.of[i]);
    }
    return a;
}

#ifndef __aarch64__
EQ_KERNEL void eq_look_up(const uint8_t *input, const int8_t *table, int8_t *output, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        output[i] = table[input[i]];
    }
}

/* float32 takes kernels/host/floats.h: NEON of 32 bits makes zeros of subnormal numbers, and not
 * all of it fuses. */
#else
/* 64 results at a time: indices that are none of these leave what is there. */
EQ_KERNEL void eq_look_up(const uint8_t *input, const int8_t *table, int8_t *output, int32_t size)
{
    const int8x16x4_t first = vld1q_s8_x4(table), second = vld1q_s8_x4(table + 64);
    const int8x16x4_t third = vld1q_s8_x4(table + 128), fourth = vld1q_s8_x4(table + 192);
    const uint8x16_t step = vdupq_n_u8(64);
    int32_t i = 0;
    for (; i + 16 <= size; i += 16) {
        uint8x16_t x = vld1q_u8(input + i);
        int8x16_t found = vqtbl4q_s8(first, x);
        x = vsubq_u8(x, step);
        found = vqtbx4q_s8(found, second, x);
        x = vsubq_u8(x, step);
        found = vqtbx4q_s8(found, third, x);
        x = vsubq_u8(x, step);
        vst1q_s8(output + i, vqtbx4q_s8(found, fourth, x));
    }
    for (; i < size; i++) {
        output[i] = table[input[i]];
    }
}

#define EQ_FLOAT_SUMS 6
#define EQ_FLOAT_BLOCKS 1

typedef struct {
    float32x4_t of[4];
} eq_floats;

EQ_KERNEL eq_floats eq_load_floats(const float *values)
{
    const eq_floats loaded = {
        {vld1q_f32(values), vld1q_f32(values + 4), vld1q_f32(values + 8), vld1q_f32(values + 12)}};
    return loaded;
}

EQ_KERNEL eq_floats eq_same_floats(float value)
{
    const float32x4_t same = vdupq_n_f32(value);
    const eq_floats all = {{same, same, same, same}};
    return all;
}

EQ_KERNEL eq_floats eq_multiply_add(eq_floats sums, eq_floats a, eq_floats b)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        sums.of[i] = vfmaq_f32(sums.of[i], a.of[i], b.of[i]);
    }
    return sums;
}

EQ_KERNEL eq_floats eq_clamp_floats(eq_floats x, float low, float high)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        x.of[i] = vminq_f32(vmaxq_f32(x.of[i], vdupq_n_f32(low)), vdupq_n_f32(high));
    }
    return x;
}

EQ_KERNEL void eq_store_floats(float *output, eq_floats values)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        vst1q_f32(output + 4 * i, values.of[i]);
    }
}

#endif

#endif
