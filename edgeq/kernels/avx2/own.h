/* The primitives of kernels/host/own.h for AVX2 without VNNI: in 16 bits, which are two to make
 * where four bytes side by side take eight instructions. The first place and the third are
 * multiplied as a pair, and the second and the fourth: so a place that is the first of one output
 * and the third of none is the same pair for another output that begins there.
 */
#ifndef EQ_OWN_AVX2_H
#define EQ_OWN_AVX2_H

#include "eq_simd.h"

#define EQ_OWN_ROWS

typedef struct {
    eq_sums even, odd;
} eq_own_weights;

typedef eq_own_weights eq_own;

/* Of each channel the words of two places. */
EQ_KERNEL eq_sums eq_own_pair(const int8_t *first, const int8_t *second)
{
    const __m128i a = eq_load_16(first), b = eq_load_16(second);
    const eq_sums pair = {_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)),
                          _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b))};
    return pair;
}

EQ_KERNEL __m256i eq_own_even(__m256i weights)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(weights, 8), 8);
}

EQ_KERNEL eq_own_weights eq_load_own(const int8_t *weights)
{
    const eq_weights w = eq_load_weights(weights);
    const eq_own_weights own = {
        {eq_own_even(w.low), eq_own_even(w.high)},
        {_mm256_srai_epi16(w.low, 8), _mm256_srai_epi16(w.high, 8)},
    };
    return own;
}

/* A word alone is 32 bits, whose upper half meets a weight of zero. */
EQ_KERNEL eq_own eq_take_own(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d,
                             const int32_t rows)
{
    eq_own own;
    own.even = rows > 2 ? eq_own_pair(a, c) : eq_load_values(a);
    own.odd = rows > 3 ? eq_own_pair(b, d) : rows > 1 ? eq_load_values(b) : own.even;
    return own;
}

EQ_KERNEL eq_sums eq_dot_pair(eq_sums sums, eq_sums weights, eq_sums pair)
{
    sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(weights.low, pair.low));
    sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(weights.high, pair.high));
    EQ_IN_REGISTER(sums.low);
    EQ_IN_REGISTER(sums.high);
    return sums;
}

EQ_KERNEL eq_sums eq_dot_own(eq_sums sums, const eq_own_weights *weights, const eq_own *own,
                             const int32_t rows)
{
    sums = eq_dot_pair(sums, weights->even, own->even);
    return rows > 1 ? eq_dot_pair(sums, weights->odd, own->odd) : sums;
}

#endif
