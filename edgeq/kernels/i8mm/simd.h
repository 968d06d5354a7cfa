/* The primitives of kernels/host/lanes.h for AArch64 with products of matrices (I8MM, Armv8.6 and
 * some before): SMMLA multiplies eight inputs of two pixels by eight weights of two channels.
 *
 * The sums of two pixels in the making are eight vectors of [first, first, second, second], the
 * channels in order. Weights that other levels read too lie by fours of taps, and are brought
 * together here; there a pixel that has no other takes dot products. In a program for this level
 * alone (EQ_EIGHTS) two fours of a channel lie side by side, and such a pixel is its own second.
 */
#ifndef EQ_SIMD_I8MM_H
#define EQ_SIMD_I8MM_H

#define EQ_NEON_I8MM 1
#ifndef EQ_LEVEL_I8MM /* what a program of several levels says */
#define EQ_EIGHTS 1
#endif
#include "eq_simd_neondot.h"

#define EQ_ACCUMULATORS 4
#define EQ_INPUT_FOURS 4
#define EQ_WEIGHT_FOURS 2
#define EQ_WEIGHT_PARTS 2
#define EQ_PIXEL_PAIRS 1
#define EQ_MOST_BLOCKS 2

#if defined(__clang__) && __clang_major__ < 16 && !defined(__ARM_FEATURE_MATMUL_INT8)
#define EQ_SMMLA(sums, inputs, weights)                                                            \
    __asm__("smmla %0.4s, %1.16b, %2.16b" : "+w"(sums) : "w"(inputs), "w"(weights))
#else
#define EQ_SMMLA(sums, inputs, weights) sums = vmmlaq_s32(sums, inputs, weights)
#endif

typedef const int8_t *eq_inputs;

/* Weights of two fours of taps of eight channels: the fours apart, or channels by pairs. */
typedef struct {
    int8x16_t first[2], second[2];
    int32_t fours;
} eq_fours;

#ifdef EQ_EIGHTS
/* Of one pixel, or of two. */
typedef struct {
    int32x4_t of[8];
} eq_partial;
#else
typedef eq_sums eq_partial;
#endif

/* Eight inputs, and nothing behind them. */
typedef struct {
    int8x16_t inputs;
} eq_same;

/* Eight inputs of a pixel and of another one. */
typedef eq_same eq_two;

EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    (void)fours;
    return inputs;
}

/* Where there is but one four, zeros are the other one. */
EQ_KERNEL eq_fours eq_load_fours(const int8_t *weights, const int32_t fours, const int32_t part)
{
    eq_fours loaded;
    loaded.fours = fours;
    EQ_UNROLL(2)
    for (int32_t i = 0; i < 2; i++) {
#ifdef EQ_EIGHTS
        const int8_t *four =
            fours == 2 ? weights + 64 * part + 32 * i : weights + 32 * part + 16 * i;
        loaded.second[i] = fours == 2 ? vld1q_s8(four + 16) : vdupq_n_s8(0);
#else
        const int8_t *four = weights + 32 * part + 16 * i;
        loaded.second[i] = fours == 2 ? vld1q_s8(four + EQ_WEIGHT_BYTES) : vdupq_n_s8(0);
#endif
        loaded.first[i] = vld1q_s8(four);
    }
    return loaded;
}

/* Eight taps of two channels, of channels `4 * i` and `4 * i + 2` on. */
EQ_KERNEL int8x16_t eq_pair_weights(const eq_fours *weights, const int32_t i, const int32_t high)
{
#ifdef EQ_EIGHTS
    if (weights->fours == 2) {
        return high ? weights->second[i] : weights->first[i];
    }
#endif
    const int32x4_t first = vreinterpretq_s32_s8(weights->first[i]);
    const int32x4_t second = vreinterpretq_s32_s8(weights->second[i]);
    return vreinterpretq_s8_s32(high ? vzip2q_s32(first, second) : vzip1q_s32(first, second));
}

EQ_KERNEL int8x8_t eq_load_eight(const int8_t *inputs, const int32_t fours)
{
    if (fours == 2) {
        return vld1_s8(inputs);
    }
    return vget_low_s8(eq_load_four(inputs));
}

EQ_KERNEL eq_two eq_take_two(const eq_inputs *a, const eq_inputs *b, const int32_t four,
                             const int32_t fours)
{
    const eq_two two = {
        vcombine_s8(eq_load_eight(*a + 4 * four, fours), eq_load_eight(*b + 4 * four, fours))};
    return two;
}

EQ_KERNEL int32x4_t eq_low_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

EQ_KERNEL int32x4_t eq_high_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/* Where one of eight vectors of sums lies. */
EQ_KERNEL int32x4_t *eq_pair_sums(eq_partial *a, eq_partial *b, const int32_t i)
{
#ifdef EQ_EIGHTS
    (void)b;
    return &a->of[i];
#else
    return i < 4 ? &a->of[i] : &b->of[i - 4];
#endif
}

EQ_KERNEL void eq_dot_two(eq_partial *a, eq_partial *b, const eq_fours *weights, const eq_two *two,
                          const int32_t part)
{
    EQ_UNROLL(2)
    for (int32_t i = 0; i < 2; i++) {
        int32x4_t *low = eq_pair_sums(a, b, 4 * part + 2 * i);
        int32x4_t *high = eq_pair_sums(a, b, 4 * part + 2 * i + 1);
        EQ_SMMLA(*low, two->inputs, eq_pair_weights(weights, i, 0));
        EQ_SMMLA(*high, two->inputs, eq_pair_weights(weights, i, 1));
    }
}

EQ_KERNEL void eq_first_two(eq_partial *a, eq_partial *b, const int32_t *table)
{
    const eq_sums bias = eq_load_row(table);
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        *eq_pair_sums(a, b, 2 * i) = eq_low_halves(bias.of[i], bias.of[i]);
        *eq_pair_sums(a, b, 2 * i + 1) = eq_high_halves(bias.of[i], bias.of[i]);
    }
}

EQ_KERNEL void eq_whole_two(eq_partial *a, eq_partial *b, eq_sums *first, eq_sums *second)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        const int32x4_t low = *eq_pair_sums(a, b, 2 * i), high = *eq_pair_sums(a, b, 2 * i + 1);
        first->of[i] = eq_low_halves(low, high);
        second->of[i] = eq_high_halves(low, high);
    }
}

#ifdef EQ_EIGHTS
EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    eq_partial first;
    eq_first_two(&first, &first, table);
    return first;
}

EQ_KERNEL eq_sums eq_whole(eq_partial *partial)
{
    eq_sums first, second;
    eq_whole_two(partial, partial, &first, &second);
    return first;
}

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    int64_t eight;
    if (fours == 1) {
        return eq_take_two(inputs, inputs, four, fours);
    }
    memcpy(&eight, *inputs + 4 * four, sizeof(eight));
    const eq_same same = {vreinterpretq_s8_s64(vdupq_n_s64(eight))};
    return same;
}

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    eq_dot_two(&sums, &sums, weights, same, part);
    return sums;
}
#else
EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const eq_same same = {vcombine_s8(eq_load_eight(*inputs + 4 * four, fours), vdup_n_s8(0))};
    return same;
}

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    EQ_UNROLL(2)
    for (int32_t i = 0; i < 2; i++) {
        int32x4_t sum = sums.of[2 * part + i];
        sum = eq_dot_by_lane(sum, weights->first[i], same->inputs, 0);
        if (weights->fours == 2) {
            sum = eq_dot_by_lane(sum, weights->second[i], same->inputs, 1);
        }
        sums.of[2 * part + i] = sum;
    }
    return sums;
}

EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    return eq_load_row(table);
}

EQ_KERNEL eq_sums eq_whole(const eq_partial *partial)
{
    return *partial;
}
#endif

#endif
