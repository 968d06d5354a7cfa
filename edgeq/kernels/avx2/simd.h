/* The primitives of kernels/host/lanes.h for x86 with AVX2, or with AVX-VNNI beside it.
 *
 * VPMADDUBSW multiplies unsigned by signed bytes and adds pairs with saturation: the inputs'
 * magnitudes by the weights with the inputs' signs are at most 2 * 128 * 127, which fits. VPDPBUSD
 * does not saturate; there inputs get 128 added, and the bias has that taken off.
 */
#ifndef EQ_SIMD_H
#define EQ_SIMD_H

#include <immintrin.h>

#include "eq_base.h"
#include "eq_lanes_host.h"

#ifdef EQ_VNNI_256
#define EQ_ACCUMULATORS 5
#else
#define EQ_ACCUMULATORS 4
#endif

typedef struct {
    __m256i low, high;
} eq_sums;

typedef eq_sums eq_weights;
typedef eq_sums eq_taps;

typedef struct {
    eq_sums multiplier, odd, half, right, left;
    eq_sums round_even, round_odd, rest; /* for shifts that all go right */
} eq_scales;

EQ_KERNEL __m256i eq_load_32(const void *values)
{
    return _mm256_loadu_si256((const __m256i *)values);
}

EQ_KERNEL eq_sums eq_load_row(const int32_t *row)
{
    const eq_sums loaded = {eq_load_32(row), eq_load_32(row + 8)};
    return loaded;
}

EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    eq_sums sums = eq_load_row(table);
#ifdef EQ_VNNI_256
    const eq_sums offset = eq_load_row(table + EQ_LANES);
    sums.low = _mm256_sub_epi32(sums.low, offset.low);
    sums.high = _mm256_sub_epi32(sums.high, offset.high);
#endif
    return sums;
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    const eq_weights loaded = {eq_load_32(weights), eq_load_32(weights + 32)};
    return loaded;
}

EQ_KERNEL __m256i eq_as_factor(__m256i inputs)
{
#ifdef EQ_VNNI_256
    return _mm256_xor_si256(inputs, _mm256_set1_epi8(-128));
#else
    return inputs;
#endif
}

EQ_KERNEL eq_taps eq_same_taps(const int8_t *inputs)
{
    int32_t four;
    memcpy(&four, inputs, sizeof(four));
    const __m256i same = eq_as_factor(_mm256_set1_epi32(four));
    const eq_taps taps = {same, same};
    return taps;
}

EQ_KERNEL __m128i eq_load_16(const int8_t *inputs)
{
    return _mm_loadu_si128((const __m128i *)(const void *)inputs);
}

#ifdef EQ_VNNI_256
EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    const __m128i va = eq_load_16(a), vb = eq_load_16(b), vc = eq_load_16(c), vd = eq_load_16(d);
    /* Channels 0..7 of a pair of places in the low half, 8..15 in the high one. */
    const __m256i ab = _mm256_set_m128i(_mm_unpackhi_epi8(va, vb), _mm_unpacklo_epi8(va, vb));
    const __m256i cd = _mm256_set_m128i(_mm_unpackhi_epi8(vc, vd), _mm_unpacklo_epi8(vc, vd));
    const __m256i first = _mm256_unpacklo_epi16(ab, cd), second = _mm256_unpackhi_epi16(ab, cd);
    const eq_taps taps = {eq_as_factor(_mm256_permute2x128_si256(first, second, 0x20)),
                          eq_as_factor(_mm256_permute2x128_si256(first, second, 0x31))};
    return taps;
}
#endif

EQ_KERNEL __m256i eq_dot_8(__m256i sums, __m256i weights, __m256i taps)
{
#ifdef EQ_VNNI_256
    sums = _mm256_dpbusd_avx_epi32(sums, taps, weights);
#else
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(taps), _mm256_sign_epi8(weights, taps));
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
    EQ_IN_REGISTER(sums);
    return sums;
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    sums.low = eq_dot_8(sums.low, weights.low, taps->low);
    sums.high = eq_dot_8(sums.high, weights.high, taps->high);
    return sums;
}

EQ_KERNEL __m256i eq_half_of(__m256i right)
{
    /* Counts above 31 give 0. */
    return _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(right, _mm256_set1_epi32(1)));
}

/* Half of what is shifted out after 31 bits, and half of those; of even lanes, or of odd ones. */
EQ_KERNEL __m256i eq_round_of(__m256i half)
{
    const __m256i round = _mm256_set1_epi64x((int64_t)1 << 30);
    const __m256i lower = _mm256_blend_epi32(half, _mm256_setzero_si256(), 0xAA);
    return _mm256_add_epi64(_mm256_slli_epi64(lower, 31), round);
}

EQ_KERNEL eq_scales eq_scales_of(eq_sums multiplier, eq_sums shift)
{
    eq_scales scales;
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
    scales.multiplier = multiplier;
    scales.odd.low = _mm256_srli_epi64(scales.multiplier.low, 32);
    scales.odd.high = _mm256_srli_epi64(scales.multiplier.high, 32);
    scales.right.low = _mm256_max_epi32(shift.low, zero);
    scales.right.high = _mm256_max_epi32(shift.high, zero);
    scales.left.low = _mm256_max_epi32(_mm256_sub_epi32(zero, shift.low), zero);
    scales.left.high = _mm256_max_epi32(_mm256_sub_epi32(zero, shift.high), zero);
    scales.half.low = eq_half_of(scales.right.low);
    scales.half.high = eq_half_of(scales.right.high);
    scales.round_even.low = eq_round_of(scales.half.low);
    scales.round_even.high = eq_round_of(scales.half.high);
    scales.round_odd.low = eq_round_of(_mm256_srli_epi64(scales.half.low, 32));
    scales.round_odd.high = eq_round_of(_mm256_srli_epi64(scales.half.high, 32));
    scales.rest.low = _mm256_sub_epi32(scales.right.low, one);
    scales.rest.high = _mm256_sub_epi32(scales.right.high, one);
    return scales;
}

EQ_KERNEL eq_scales eq_load_scales(const int32_t *table)
{
    return eq_scales_of(eq_load_row(table + 2 * EQ_LANES), eq_load_row(table + 3 * EQ_LANES));
}

EQ_KERNEL eq_sums eq_same_sums(int32_t value)
{
    const eq_sums sums = {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
    return sums;
}

EQ_KERNEL eq_scales eq_same_scales(int32_t multiplier, int32_t shift)
{
    return eq_scales_of(eq_same_sums(multiplier), eq_same_sums(shift));
}

/* As eq_multiply_by_quantized_multiplier: the sums' bounds leave room for half a step. */
EQ_KERNEL __m256i eq_scaled_8(__m256i sums, __m256i multiplier, __m256i odd_multiplier,
                              __m256i half, __m256i right, __m256i left, const eq_limits *limits)
{
    if (limits->left) {
        sums = _mm256_sllv_epi32(sums, left);
    }
    const __m256i round = _mm256_set1_epi64x((int64_t)1 << 30);
    __m256i even = _mm256_mul_epi32(sums, multiplier);
    __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(sums, 32), odd_multiplier);
    even = _mm256_srli_epi64(_mm256_add_epi64(even, round), 31);
    odd = _mm256_slli_epi64(_mm256_add_epi64(odd, round), 1);
    __m256i high = _mm256_blend_epi32(even, odd, 0xAA);
    if (eq_ties_matter(limits)) {
        __m256i below = _mm256_srai_epi32(high, 31);
        if (limits->left) {
            below = _mm256_and_si256(below, _mm256_cmpgt_epi32(right, _mm256_setzero_si256()));
        }
        high = _mm256_add_epi32(high, below);
    }
    return _mm256_srav_epi32(_mm256_add_epi32(high, half), right);
}

/* The same where all shifts go right and ties need no care: one addition rounds for both of the
 * reference's shifts, and the upper halves of the products are 32 bits on already. */
EQ_KERNEL __m256i eq_scaled_plainly_8(__m256i sums, __m256i multiplier, __m256i odd_multiplier,
                                      __m256i round_even, __m256i round_odd, __m256i rest)
{
    __m256i even = _mm256_mul_epi32(sums, multiplier);
    __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(sums, 32), odd_multiplier);
    even = _mm256_srli_epi64(_mm256_add_epi64(even, round_even), 32);
    odd = _mm256_add_epi64(odd, round_odd);
    return _mm256_srav_epi32(_mm256_blend_epi32(even, odd, 0xAA), rest);
}

EQ_KERNEL __m256i eq_scale_low(__m256i sums, const eq_scales *s, const eq_limits *limits)
{
    if (!limits->left && !eq_ties_matter(limits)) {
        return eq_scaled_plainly_8(sums, s->multiplier.low, s->odd.low, s->round_even.low,
                                   s->round_odd.low, s->rest.low);
    }
    return eq_scaled_8(sums, s->multiplier.low, s->odd.low, s->half.low, s->right.low, s->left.low,
                       limits);
}

EQ_KERNEL __m256i eq_scale_high(__m256i sums, const eq_scales *s, const eq_limits *limits)
{
    if (!limits->left && !eq_ties_matter(limits)) {
        return eq_scaled_plainly_8(sums, s->multiplier.high, s->odd.high, s->round_even.high,
                                   s->round_odd.high, s->rest.high);
    }
    return eq_scaled_8(sums, s->multiplier.high, s->odd.high, s->half.high, s->right.high,
                       s->left.high, limits);
}

EQ_KERNEL eq_sums eq_scale_sums(eq_sums sums, const eq_scales *s, const eq_limits *limits)
{
    sums.low = eq_scale_low(sums.low, s, limits);
    sums.high = eq_scale_high(sums.high, s, limits);
    return sums;
}

/* Saturation on the way to bytes is a clamp to the limits of int8. */
EQ_KERNEL void eq_store_clamped(int8_t *output, eq_sums sums, int32_t offset,
                                const eq_limits *limits, int32_t count)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(sums.low, sums.high), 0xD8);
    words = _mm256_adds_epi16(words, _mm256_set1_epi16((int16_t)offset));
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (limits->activation_min > -128) {
        bytes = _mm_max_epi8(bytes, _mm_set1_epi8((int8_t)limits->activation_min));
    }
    if (limits->activation_max < 127) {
        bytes = _mm_min_epi8(bytes, _mm_set1_epi8((int8_t)limits->activation_max));
    }
    if (count == EQ_LANES) {
        _mm_storeu_si128((__m128i *)(void *)output, bytes);
    } else {
        int8_t kept[EQ_LANES];
        _mm_storeu_si128((__m128i *)(void *)kept, bytes);
        memcpy(output, kept, (size_t)count);
    }
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *s,
                                const eq_limits *limits, int32_t count)
{
    sums.low = eq_scale_low(sums.low, s, limits);
    /* What is not written is not computed either: nobody reads the upper sums then. */
    sums.high = count > EQ_LANES / 2 ? eq_scale_high(sums.high, s, limits) : sums.low;
    eq_store_clamped(output, sums, limits->output_offset, limits, count);
}

EQ_KERNEL void eq_store_shifted(int8_t *output, eq_sums sums, int32_t shift,
                                const eq_limits *limits, int32_t count)
{
    sums.low = _mm256_srai_epi32(sums.low, shift);
    sums.high = _mm256_srai_epi32(sums.high, shift);
    eq_store_clamped(output, sums, 0, limits, count);
}

EQ_KERNEL eq_sums eq_load_values(const int8_t *values)
{
    const __m128i bytes = eq_load_16(values);
    const eq_sums sums = {_mm256_cvtepi8_epi32(bytes),
                          _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
    return sums;
}

EQ_KERNEL void eq_keep_sums(int32_t *kept, eq_sums sums)
{
    _mm256_storeu_si256((__m256i *)(void *)kept, sums.low);
    _mm256_storeu_si256((__m256i *)(void *)(kept + 8), sums.high);
}

EQ_KERNEL eq_sums eq_add_sums(eq_sums a, eq_sums b)
{
    a.low = _mm256_add_epi32(a.low, b.low);
    a.high = _mm256_add_epi32(a.high, b.high);
    return a;
}

EQ_KERNEL eq_sums eq_multiply_sums(eq_sums a, eq_sums b)
{
    a.low = _mm256_mullo_epi32(a.low, b.low);
    a.high = _mm256_mullo_epi32(a.high, b.high);
    return a;
}

/* Rows of 16 results, in each 16 bytes of a vector: the low half of a byte chooses in all of them,
 * the bits of the high half choose among the rows. */
EQ_KERNEL void eq_look_up(const uint8_t *input, const int8_t *table, int8_t *output, int32_t size)
{
    int32_t i = 0;
    for (; i + 32 <= size; i += 32) {
        const __m256i x = eq_load_32(input + i);
        const __m256i low = _mm256_and_si256(x, _mm256_set1_epi8(15));
        /* The bits, at the top of each byte. */
        const __m256i bit4 = _mm256_slli_epi16(x, 3), bit5 = _mm256_slli_epi16(x, 2);
        const __m256i bit6 = _mm256_slli_epi16(x, 1);
        __m256i chosen[8];
        EQ_UNROLL(8)
        for (int32_t k = 0; k < 8; k++) {
            const __m256i even = _mm256_broadcastsi128_si256(eq_load_16(table + 32 * k));
            const __m256i odd = _mm256_broadcastsi128_si256(eq_load_16(table + 32 * k + 16));
            chosen[k] = _mm256_blendv_epi8(_mm256_shuffle_epi8(even, low),
                                           _mm256_shuffle_epi8(odd, low), bit4);
        }
        EQ_UNROLL(4)
        for (int32_t k = 0; k < 4; k++) {
            chosen[k] = _mm256_blendv_epi8(chosen[2 * k], chosen[2 * k + 1], bit5);
        }
        const __m256i first = _mm256_blendv_epi8(chosen[0], chosen[1], bit6);
        const __m256i second = _mm256_blendv_epi8(chosen[2], chosen[3], bit6);
        _mm256_storeu_si256((__m256i *)(void *)(output + i), _mm256_blendv_epi8(first, second, x));
    }
    for (; i < size; i++) {
        output[i] = table[input[i]];
    }
}

#define EQ_FLOAT_SUMS 6
#define EQ_FLOAT_BLOCKS 1

typedef struct {
    __m256 low, high;
} eq_floats;

EQ_KERNEL eq_floats eq_load_floats(const float *values)
{
    const eq_floats loaded = {_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)};
    return loaded;
}

EQ_KERNEL eq_floats eq_same_floats(float value)
{
    const eq_floats same = {_mm256_set1_ps(value), _mm256_set1_ps(value)};
    return same;
}

EQ_KERNEL eq_floats eq_multiply_add(eq_floats sums, eq_floats a, eq_floats b)
{
    sums.low = _mm256_fmadd_ps(a.low, b.low, sums.low);
    sums.high = _mm256_fmadd_ps(a.high, b.high, sums.high);
    return sums;
}

EQ_KERNEL eq_floats eq_clamp_floats(eq_floats x, float low, float high)
{
    const __m256 least = _mm256_set1_ps(low), most = _mm256_set1_ps(high);
    x.low = _mm256_min_ps(most, _mm256_max_ps(least, x.low));
    x.high = _mm256_min_ps(most, _mm256_max_ps(least, x.high));
    return x;
}

EQ_KERNEL void eq_store_floats(float *output, eq_floats values)
{
    _mm256_storeu_ps(output, values.low);
    _mm256_storeu_ps(output + 8, values.high);
}

#ifndef EQ_VNNI_256
#include "eq_own_avx2.h"
#endif

#endif
