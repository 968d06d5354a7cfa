/* What the primitives of all levels share. A level is one header, simd.h in its folder, with these
 * names; the kernels of this folder are written in them and know no instruction set.
 *
 *   EQ_ACCUMULATORS      how many eq_sums the registers hold beside weights and inputs
 *   eq_sums              sums of 16 output channels, int32
 *   eq_weights           four taps for each of 16 channels: 64 bytes, channel by channel
 *   eq_taps              four inputs for each of 16 channels
 *   eq_scales            how 16 sums become 16 outputs
 *   eq_first_sums        biases of a table of channels, corrected for how this level multiplies
 *   eq_load_weights      64 bytes of weights
 *   eq_same_taps         the same four inputs for all channels
 *   eq_own_taps          one input of each of 16 channels, from four places (but see own.h)
 *   eq_dot               sums + weights * inputs
 *   eq_load_scales       multipliers and shifts of a table of channels
 *   eq_same_scales       one multiplier and shift for all 16
 *   eq_scale_sums        sums requantized to int32, no zero point added
 *   eq_store_outputs     sums requantized, clamped, and written: 16 bytes, or less
 *   eq_store_shifted     sums shifted right (rounding down), clamped, and written
 *   eq_same_sums         one number 16 times
 *   eq_load_values       16 int8 as sums
 *   eq_keep_sums         written as 16 int32
 *   eq_add_sums, eq_multiply_sums
 *   eq_look_up           a table of 256 bytes at all values of a tensor
 *
 * A table of channels has four rows of 16 int32 for each block of 16: bias (the input's zero point
 * folded in), 128 times the sum of the weights, multiplier (Q31), right shift. Weights are never
 * -128, so that a pair of products fits 16 bits.
 */
#ifndef EQ_LANES_HOST_H
#define EQ_LANES_HOST_H

#include "eq_base.h"

enum { EQ_LANES = 16, EQ_WEIGHT_BYTES = 64, EQ_TABLE_ROWS = 64 };

/* How all sums of a layer are clamped. `left` is 1 where a shift goes left or is none; `narrow`
 * where products of sums and multipliers have 53 bits at most, as far as they are not clamped. */
typedef struct {
    int32_t output_offset;
    int32_t activation_min, activation_max;
    int32_t left, narrow;
} eq_limits;

/* Ties of negative numbers go away from zero; what is below the limit anyway needs no care. */
EQ_KERNEL int eq_ties_matter(const eq_limits *limits)
{
    return limits->activation_min < limits->output_offset;
}

/* `count` values, at most 16, with zeros behind them. */
EQ_KERNEL const int8_t *eq_some_values(const int8_t *values, int32_t count, int8_t *copy)
{
    if (count == EQ_LANES) {
        return values;
    }
    memset(copy, 0, EQ_LANES);
    memcpy(copy, values, (size_t)count);
    return copy;
}

/* Limits of what is neither offset nor clamped: what eq_scale_sums takes. */
EQ_KERNEL eq_limits eq_no_limits(int32_t left)
{
    const eq_limits limits = {0, INT32_MIN, INT32_MAX, left, 0};
    return limits;
}

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
/* gcc copies sums between registers in each turn of a loop unless each is tied to one. */
#define EQ_IN_REGISTER(x) __asm__("" : "+v"(x))
#elif defined(__GNUC__) && !defined(__clang__) && defined(__aarch64__)
#define EQ_IN_REGISTER(x) __asm__("" : "+w"(x))
#else
#define EQ_IN_REGISTER(x) (void)0
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
/* gcc holds what tiles need at their end in registers, and then lacks those for weights. */
#define EQ_FROM_MEMORY(place) __asm__("" : "+r"(place) : : "memory")
#else
#define EQ_FROM_MEMORY(place) (void)0
#endif

#endif
