/* The primitives of kernels/host/lanes.h for AArch64 with products of matrices (I8MM, Armv8.6 and
 * some before): SMMLA multiplies eight inputs of two pixels by eight weights of two channels.
 *
 * The sums of two pixels in the making are eight vectors of [first, first, second, second], the
 * channels in order. A pixel that has no other takes dot products.
 */
#ifndef EQ_SIMD_I8MM_H
#define EQ_SIMD_I8MM_H

#define EQ_NEON_I8MM 1
#include "eq_simd_neondot.h"

#define EQ_ACCUMULATORS 4
#define EQ_INPUT_FOURS 4
#define EQ_WEIGHT_FOURS 2
#define EQ_WEIGHT_PARTS 2
#define EQ_PIXEL_PAIRS 1

#if defined(__clang__) && __clang_major__ < 16 && !defined(__ARM_FEATURE_MATMUL_INT8)
#define EQ_SMMLA(sums, inputs, weights)                                                            \
    __asm__(".arch_extension i8mm\n\tsmmla %0.4s, %1.16b, %2.16b"                                  \
            : "+w"(sums)                                                                           \
            : "w"(inputs), "w"(weights))
#else
#define EQ_SMMLA(sums, inputs, weights) sums = vmmlaq_s32(sums, inputs, weights)
#endif

typedef const int8_t *eq_inputs;

/* Weights of two fours of taps of eight channels. */
typedef struct {
    int8x16_t first[2], second[2];
    int32_t fours;
} eq_fours;

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
        const int8_t *four = weights + 32 * part + 16 * i;
        loaded.first[i] = vld1q_s8(four);
        loaded.second[i] = fours == 2 ? vld1q_s8(four + EQ_WEIGHT_BYTES) : vdupq_n_s8(0);
    }
    return loaded;
}

EQ_KERNEL int8x8_t eq_load_eight(const int8_t *inputs, const int32_t fours)
{
    if (fours == 2) {
        return vld1_s8(inputs);
    }
    return vget_low_s8(eq_load_four(inputs));
}

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const eq_same same = {vcombine_s8(eq_load_eight(*inputs + 4 * four, fours), vdup_n_s8(0))};
    return same;
}

EQ_KERNEL eq_two eq_take_two(const eq_inputs *a, const eq_inputs *b, const int32_t four,
                             const int32_t fours)
{
    const eq_two two = {
        vcombine_s8(eq_load_eight(*a + 4 * four, fours), eq_load_eight(*b + 4 * four, fours))};
    return two;
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

EQ_KERNEL void eq_dot_two(eq_partial *a, eq_partial *b, const eq_fours *weights, const eq_two *two,
                          const int32_t part)
{
    eq_partial *sums = part == 0 ? a : b;
    EQ_UNROLL(2)
    for (int32_t i = 0; i < 2; i++) {
        const int32x4_t first = vreinterpretq_s32_s8(weights->first[i]);
        const int32x4_t second = vreinterpretq_s32_s8(weights->second[i]);
        const int8x16_t low = vreinterpretq_s8_s32(vzip1q_s32(first, second));
        const int8x16_t high = vreinterpretq_s8_s32(vzip2q_s32(first, second));
        EQ_SMMLA(sums->of[2 * i], two->inputs, low);
        EQ_SMMLA(sums->of[2 * i + 1], two->inputs, high);
    }
}

EQ_KERNEL int32x4_t eq_low_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

EQ_KERNEL int32x4_t eq_high_halves(int32x4_t a, int32x4_t b)
{
    return vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

EQ_KERNEL void eq_first_two(eq_partial *a, eq_partial *b, const int32_t *table)
{
    const eq_sums bias = eq_load_row(table);
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        eq_partial *sums = i < 2 ? a : b;
        sums->of[2 * i % 4] = eq_low_halves(bias.of[i], bias.of[i]);
        sums->of[2 * i % 4 + 1] = eq_high_halves(bias.of[i], bias.of[i]);
    }
}

EQ_KERNEL void eq_whole_two(const eq_partial *a, const eq_partial *b, eq_sums *first,
                            eq_sums *second)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        const eq_partial *sums = i < 2 ? a : b;
        const int32x4_t low = sums->of[2 * i % 4], high = sums->of[2 * i % 4 + 1];
        first->of[i] = eq_low_halves(low, high);
        second->of[i] = eq_high_halves(low, high);
    }
}

#endif
