/* The primitives of kernels/host/lanes.h in plain C. */
#ifndef EQ_SIMD_H
#define EQ_SIMD_H

#include "eq_base.h"
#include "eq_lanes_host.h"

#define EQ_ACCUMULATORS 1

/* Compilers that make no vectors of loops over lanes want them unrolled. */
#ifndef EQ_EACH_LANE
#define EQ_EACH_LANE
#endif

typedef struct {
    int32_t of[EQ_LANES];
} eq_sums;

typedef struct {
    const int8_t *of;
} eq_weights;

typedef struct {
    int32_t multiplier[EQ_LANES], shift[EQ_LANES];
} eq_scales;

EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    eq_sums sums;
    memcpy(sums.of, table, sizeof(sums.of));
    return sums;
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    const eq_weights loaded = {weights};
    return loaded;
}

#if defined(__SSE2__) || defined(__ARM_NEON)
/* The inputs of all channels, by fours. */
typedef struct {
    int8_t of[EQ_WEIGHT_BYTES];
} eq_taps;

EQ_KERNEL eq_taps eq_same_taps(const int8_t *inputs)
{
    eq_taps taps;
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        memcpy(taps.of + 4 * lane, inputs, 4);
    }
    return taps;
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    eq_taps taps;
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        taps.of[4 * lane] = a[lane];
        taps.of[4 * lane + 1] = b[lane];
        taps.of[4 * lane + 2] = c[lane];
        taps.of[4 * lane + 3] = d[lane];
    }
    return taps;
}

/* Products fit 16 bits; pairs of them are taken apart as words, which compilers vectorise. */
EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    int16_t products[EQ_WEIGHT_BYTES];
    int32_t pairs[EQ_WEIGHT_BYTES / 2];
    for (int32_t i = 0; i < EQ_WEIGHT_BYTES; i++) {
        products[i] = (int16_t)(weights.of[i] * taps->of[i]);
    }
    memcpy(pairs, products, sizeof(pairs));
    for (int32_t i = 0; i < EQ_WEIGHT_BYTES / 2; i++) {
        pairs[i] = ((int32_t)((uint32_t)pairs[i] << 16) >> 16) + (pairs[i] >> 16);
    }
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        sums.of[lane] += pairs[2 * lane] + pairs[2 * lane + 1];
    }
    return sums;
}
#else
/* Where the four inputs of the first channel are, and those of the next ones from there. */
typedef struct {
    const int8_t *of[4];
    int32_t step;
} eq_taps;

EQ_KERNEL eq_taps eq_same_taps(const int8_t *inputs)
{
    const eq_taps taps = {{inputs, inputs + 1, inputs + 2, inputs + 3}, 0};
    return taps;
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    const eq_taps taps = {{a, b, c, d}, 1};
    return taps;
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        const int8_t *w = weights.of + 4 * lane;
        const int32_t at = lane * taps->step;
        sums.of[lane] += w[0] * taps->of[0][at] + w[1] * taps->of[1][at] + w[2] * taps->of[2][at] +
                         w[3] * taps->of[3][at];
    }
    return sums;
}
#endif

EQ_KERNEL eq_scales eq_load_scales(const int32_t *table)
{
    eq_scales scales;
    memcpy(scales.multiplier, table + 2 * EQ_LANES, sizeof(scales.multiplier));
    memcpy(scales.shift, table + 3 * EQ_LANES, sizeof(scales.shift));
    return scales;
}

EQ_KERNEL eq_scales eq_same_scales(int32_t multiplier, int32_t shift)
{
    eq_scales scales;
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        scales.multiplier[lane] = multiplier;
        scales.shift[lane] = shift;
    }
    return scales;
}

EQ_KERNEL eq_sums eq_scale_sums(eq_sums sums, const eq_scales *scales, const eq_limits *limits)
{
    (void)limits;
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        sums.of[lane] = eq_multiply_by_quantized_multiplier(sums.of[lane], scales->multiplier[lane],
                                                            -scales->shift[lane]);
    }
    return sums;
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *scales,
                                const eq_limits *limits, int32_t count)
{
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < count; lane++) {
        const int32_t scaled = eq_multiply_by_quantized_multiplier(
            sums.of[lane], scales->multiplier[lane], -scales->shift[lane]);
        output[lane] = (int8_t)eq_clamp(scaled + limits->output_offset, limits->activation_min,
                                        limits->activation_max);
    }
}

EQ_KERNEL void eq_store_shifted(int8_t *output, eq_sums sums, int32_t shift,
                                const eq_limits *limits, int32_t count)
{
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < count; lane++) {
        output[lane] = (int8_t)eq_clamp(sums.of[lane] >> shift, limits->activation_min,
                                        limits->activation_max);
    }
}

EQ_KERNEL eq_sums eq_same_sums(int32_t value)
{
    eq_sums sums;
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        sums.of[lane] = value;
    }
    return sums;
}

EQ_KERNEL eq_sums eq_load_values(const int8_t *values)
{
    eq_sums sums;
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        sums.of[lane] = values[lane];
    }
    return sums;
}

EQ_KERNEL void eq_keep_sums(int32_t *kept, eq_sums sums)
{
    memcpy(kept, sums.of, sizeof(sums.of));
}

EQ_KERNEL eq_sums eq_add_sums(eq_sums a, eq_sums b)
{
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        a.of[lane] += b.of[lane];
    }
    return a;
}

EQ_KERNEL eq_sums eq_multiply_sums(eq_sums a, eq_sums b)
{
    EQ_EACH_LANE
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        a.of[lane] = (int32_t)((uint32_t)a.of[lane] * (uint32_t)b.of[lane]);
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
