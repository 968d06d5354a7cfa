/* The primitives of kernels/host/lanes.h for AArch64 with dot products (Armv8.2 and later), or with
 * products of matrices beside them. SDOT multiplies signed bytes and adds fours of products to 32
 * bits.
 */
#ifndef EQ_SIMD_NEONDOT_H
#define EQ_SIMD_NEONDOT_H

#define EQ_NEON_DOT 1
#include "eq_simd_neon.h"

#if defined(__clang__) && __clang_major__ < 16 && !defined(__ARM_FEATURE_DOTPROD)
/* This clang has the intrinsics for whole programs only. */
#define EQ_SDOT(sums, weights, inputs, which)                                                      \
    __asm__("sdot %0.4s, %1.16b, %2" which : "+w"(sums) : "w"(weights), "w"(inputs))
#define EQ_SDOT_LANE(sums, weights, inputs, lane) EQ_SDOT(sums, weights, inputs, ".4b[" #lane "]")
#define EQ_SDOT_ALL(sums, weights, inputs) EQ_SDOT(sums, weights, inputs, ".16b")
#else
#define EQ_SDOT_LANE(sums, weights, inputs, lane)                                                  \
    sums = vdotq_laneq_s32(sums, weights, inputs, lane)
#define EQ_SDOT_ALL(sums, weights, inputs) sums = vdotq_s32(sums, weights, inputs)
#endif

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        EQ_SDOT_ALL(sums.of[i], weights.of[i], taps->of[i]);
    }
    return sums;
}

/* A lane has to be a literal. */
EQ_KERNEL int32x4_t eq_dot_by_lane(int32x4_t sums, int8x16_t weights, int8x16_t inputs,
                                   const int32_t lane)
{
    switch (lane) {
    case 0:
        EQ_SDOT_LANE(sums, weights, inputs, 0);
        break;
    case 1:
        EQ_SDOT_LANE(sums, weights, inputs, 1);
        break;
    case 2:
        EQ_SDOT_LANE(sums, weights, inputs, 2);
        break;
    default:
        EQ_SDOT_LANE(sums, weights, inputs, 3);
        break;
    }
    return sums;
}

#ifndef EQ_NEON_I8MM
#define EQ_ACCUMULATORS 5
#define EQ_INPUT_FOURS 4
#define EQ_WEIGHT_FOURS 1

typedef int8x16_t eq_inputs;
typedef eq_weights eq_fours;
typedef eq_sums eq_partial;

EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    return eq_load_row(table);
}

EQ_KERNEL eq_sums eq_whole(const eq_partial *partial)
{
    return *partial;
}

EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    if (fours == 4) {
        return vld1q_s8(inputs);
    }
    int32x4_t loaded = vreinterpretq_s32_s8(eq_load_four(inputs));
    if (fours >= 2) {
        const int8x8_t two = vld1_s8(inputs);
        loaded = vreinterpretq_s32_s8(vcombine_s8(two, two));
    }
    if (fours == 3) {
        int32_t four;
        memcpy(&four, inputs + 8, sizeof(four));
        loaded = vsetq_lane_s32(four, loaded, 2);
    }
    return vreinterpretq_s8_s32(loaded);
}

/* One four of a vector of inputs. */
typedef struct {
    int8x16_t inputs;
    int32_t lane;
} eq_same;

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    const eq_same same = {*inputs, four};
    (void)fours;
    return same;
}

EQ_KERNEL eq_fours eq_load_fours(const int8_t *weights, const int32_t fours, const int32_t part)
{
    (void)part;
    (void)fours;
    return eq_load_weights(weights);
}

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    (void)part;
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        sums.of[i] = eq_dot_by_lane(sums.of[i], weights->of[i], same->inputs, same->lane);
        EQ_IN_REGISTER(sums.of[i]);
    }
    return sums;
}
#endif

#endif
