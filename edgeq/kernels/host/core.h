/* The primitives of kernels/host/lanes.h in plain C. */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include "eq_base.h"
#include "eq_lanes_host.h"

#define EQ_ACCUMULATORS 4

typedef struct {
    int32_t of[EQ_LANES];
} eq_sums;

typedef struct {
    const int8_t *of;
} eq_weights;

typedef struct {
    int8_t of[EQ_WEIGHT_BYTES];
} eq_taps;

typedef struct {
    const int32_t *multiplier, *shift;
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

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        const int8_t *w = weights.of + 4 * lane, *x = taps->of + 4 * lane;
        sums.of[lane] += w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
    }
    return sums;
}

EQ_KERNEL eq_scales eq_load_scales(const int32_t *table)
{
    const eq_scales scales = {table + 2 * EQ_LANES, table + 3 * EQ_LANES};
    return scales;
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *scales,
                                const eq_limits *limits, int32_t count)
{
    for (int32_t lane = 0; lane < count; lane++) {
        const int32_t scaled = eq_multiply_by_quantized_multiplier(
            sums.of[lane], scales->multiplier[lane], -scales->shift[lane]);
        output[lane] = (int8_t)eq_clamp(scaled + limits->output_offset, limits->activation_min,
                                        limits->activation_max);
    }
}

#endif
