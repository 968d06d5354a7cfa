/* The same inputs for all channels of a block, four at a time: for levels that do not say in their
 * simd.h how they take more of them at once.
 *
 *   EQ_INPUT_FOURS     how many fours of inputs are loaded together
 *   EQ_WEIGHT_FOURS    how many of them are multiplied together, each with its 64 bytes of weights
 *   EQ_WEIGHT_PARTS    in how many parts the channels of a block are multiplied
 *   eq_inputs          EQ_INPUT_FOURS fours of inputs of a pixel, or less
 *   eq_fours           weights of EQ_WEIGHT_FOURS fours, or less
 *   eq_same            inputs for these weights
 *   eq_partial         sums of 16 output channels in the making
 *   eq_first_partial   as eq_first_sums
 *   eq_load_inputs, eq_load_fours, eq_take_inputs
 *   eq_dot_same        sums + weights * inputs
 *   eq_whole           the sums when all is added
 *
 * A level that multiplies the inputs of two pixels together says so with EQ_PIXEL_PAIRS; there the
 * sums of two pixels are one thing in the making, and these have forms for two:
 *
 *   eq_first_two, eq_take_two, eq_dot_two, eq_whole_two
 */
#ifndef EQ_FOURS_HOST_H
#define EQ_FOURS_HOST_H

#include "eq_simd.h"

#ifndef EQ_INPUT_FOURS
#define EQ_INPUT_FOURS 1
#define EQ_WEIGHT_FOURS 1

typedef const int8_t *eq_inputs;
typedef eq_weights eq_fours;
typedef eq_taps eq_same;
typedef eq_sums eq_partial;

EQ_KERNEL eq_partial eq_first_partial(const int32_t *table)
{
    return eq_first_sums(table);
}

EQ_KERNEL eq_inputs eq_load_inputs(const int8_t *inputs, const int32_t fours)
{
    (void)fours;
    return inputs;
}

EQ_KERNEL eq_fours eq_load_fours(const int8_t *weights, const int32_t fours, const int32_t part)
{
    (void)fours;
    (void)part;
    return eq_load_weights(weights);
}

EQ_KERNEL eq_same eq_take_inputs(const eq_inputs *inputs, const int32_t four, const int32_t fours)
{
    (void)fours;
    return eq_same_taps(*inputs + 4 * four);
}

EQ_KERNEL eq_partial eq_dot_same(eq_partial sums, const eq_fours *weights, const eq_same *same,
                                 const int32_t part)
{
    (void)part;
    return eq_dot(sums, *weights, same);
}

EQ_KERNEL eq_sums eq_whole(const eq_partial *partial)
{
    return *partial;
}
#endif

#ifndef EQ_WEIGHT_PARTS
#define EQ_WEIGHT_PARTS 1
#endif

/* How many blocks a tile has where a row is long. */
#ifndef EQ_TILE_BLOCKS
#define EQ_TILE_BLOCKS (EQ_ACCUMULATORS % 2 == 0 ? 2 : 1)
#endif

/* And at most, where it is short. */
#ifndef EQ_MOST_BLOCKS
#define EQ_MOST_BLOCKS 4
#endif

/* Whether rows have tiles of two sizes; for levels with tiles of three pixels at most. */
#ifndef EQ_MIXED_TILES
#define EQ_MIXED_TILES 0
#endif

#ifndef EQ_PART_DONE
#define EQ_PART_DONE() (void)0
#endif

#ifdef EQ_PIXEL_PAIRS
#define EQ_TILE_STEP 2
#else
#define EQ_TILE_STEP 1
typedef struct {
    eq_same a, b;
} eq_two;

EQ_KERNEL void eq_first_two(eq_partial *a, eq_partial *b, const int32_t *table)
{
    *a = eq_first_partial(table);
    *b = *a;
}

EQ_KERNEL eq_two eq_take_two(const eq_inputs *a, const eq_inputs *b, const int32_t four,
                             const int32_t fours)
{
    const eq_two two = {eq_take_inputs(a, four, fours), eq_take_inputs(b, four, fours)};
    return two;
}

EQ_KERNEL void eq_dot_two(eq_partial *a, eq_partial *b, const eq_fours *weights, const eq_two *two,
                          const int32_t part)
{
    *a = eq_dot_same(*a, weights, &two->a, part);
    *b = eq_dot_same(*b, weights, &two->b, part);
}

EQ_KERNEL void eq_whole_two(eq_partial *a, eq_partial *b, eq_sums *first, eq_sums *second)
{
    *first = eq_whole(a);
    *second = eq_whole(b);
}
#endif

#endif
