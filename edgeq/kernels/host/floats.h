/* Sixteen float32 channels at a time: in plain C for levels that do not say in their simd.h how.
 *
 *   EQ_FLOAT_SUMS     how many sums of 16 channels a tile has
 *   EQ_FLOAT_BLOCKS   of how many blocks of channels, where a row is long
 *   eq_floats         16 values
 *   eq_load_floats, eq_same_floats, eq_store_floats
 *   eq_multiply_add   sums + a * b
 *   eq_clamp_floats   NaN stays NaN
 */
#ifndef EQ_FLOATS_HOST_H
#define EQ_FLOATS_HOST_H

#include "eq_float.h"
#include "eq_simd.h"

enum { EQ_MOST_FLOAT_BLOCKS = 8 };

#ifndef EQ_FLOAT_SUMS
#define EQ_FLOAT_SUMS 2
#define EQ_FLOAT_BLOCKS 1

typedef struct {
    float of[EQ_LANES];
} eq_floats;

EQ_KERNEL eq_floats eq_load_floats(const float *values)
{
    eq_floats loaded;
    memcpy(loaded.of, values, sizeof(loaded.of));
    return loaded;
}

EQ_KERNEL eq_floats eq_same_floats(float value)
{
    eq_floats same;
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        same.of[lane] = value;
    }
    return same;
}

EQ_KERNEL eq_floats eq_multiply_add(eq_floats sums, eq_floats a, eq_floats b)
{
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        sums.of[lane] += a.of[lane] * b.of[lane];
    }
    return sums;
}

EQ_KERNEL eq_floats eq_clamp_floats(eq_floats x, float low, float high)
{
    for (int32_t lane = 0; lane < EQ_LANES; lane++) {
        x.of[lane] = eq_clamp_f32(x.of[lane], low, high);
    }
    return x;
}

EQ_KERNEL void eq_store_floats(float *output, eq_floats values)
{
    memcpy(output, values.of, sizeof(values.of));
}
#endif

/* The first `count` of 16 values; nothing behind them is read. */
EQ_KERNEL eq_floats eq_load_some_floats(const float *values, int32_t count)
{
    if (count == EQ_LANES) {
        return eq_load_floats(values);
    }
    float copy[EQ_LANES] = {0.0f};
    memcpy(copy, values, (size_t)count * sizeof(float));
    return eq_load_floats(copy);
}

/* Sums and a bias within their limits, `count` channels. */
EQ_KERNEL void eq_store_float_outputs(float *output, eq_floats sums, const float *bias, float low,
                                      float high, int32_t count)
{
    const eq_floats whole = eq_multiply_add(sums, eq_same_floats(1.0f), eq_load_floats(bias));
    const eq_floats clamped = eq_clamp_floats(whole, low, high);
    if (count == EQ_LANES) {
        eq_store_floats(output, clamped);
    } else {
        float copy[EQ_LANES];
        eq_store_floats(copy, clamped);
        memcpy(output, copy, (size_t)count * sizeof(float));
    }
}

#endif
