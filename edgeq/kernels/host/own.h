/* One input of each of 16 channels, from up to four places: for levels that do not say in their
 * simd.h how they multiply fewer than four (EQ_OWN_ROWS).
 *
 *   eq_own_weights   four taps for each of 16 channels
 *   eq_own           inputs for these weights
 *   eq_load_own      64 bytes of weights
 *   eq_take_own      inputs from four places
 *   eq_dot_own       sums + weights * inputs
 *
 * `rows` is how many of the four places there are: the weights of the others are zero.
 */
#ifndef EQ_OWN_HOST_H
#define EQ_OWN_HOST_H

#include "eq_simd.h"

#ifndef EQ_OWN_ROWS
typedef eq_weights eq_own_weights;
typedef eq_taps eq_own;

EQ_KERNEL eq_own_weights eq_load_own(const int8_t *weights)
{
    return eq_load_weights(weights);
}

EQ_KERNEL eq_own eq_take_own(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d,
                             const int32_t rows)
{
    (void)rows;
    return eq_own_taps(a, b, c, d);
}

EQ_KERNEL eq_sums eq_dot_own(eq_sums sums, const eq_own_weights *weights, const eq_own *own,
                             const int32_t rows)
{
    (void)rows;
    return eq_dot(sums, *weights, own);
}
#endif

#endif
