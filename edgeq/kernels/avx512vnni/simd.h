/* The primitives of kernels/host/lanes.h for x86 with AVX-512 VNNI (F, BW, VL, VNNI).
 *
 * VPDPBUSD multiplies unsigned by signed bytes: inputs get 128 added, and what that adds to the
 * sums has been taken off the bias.
 */
#ifndef EQ_SIMD_H
#define EQ_SIMD_H

#include <immintrin.h>

#include "eq_base.h"
#include "eq_lanes_host.h"

#define EQ_ACCUMULATORS 16

typedef __m512i eq_sums;
typedef __m512i eq_weights;
typedef __m512i eq_taps;

typedef struct {
    __m512i multiplier, odd; /* of channels 0, 2, 4..; of 1, 3, 5.. in the same lanes */
    __m512i half, right, left;
} eq_scales;

EQ_KERNEL eq_sums eq_first_sums(const int32_t *table)
{
    return _mm512_sub_epi32(_mm512_loadu_si512(table), _mm512_loadu_si512(table + EQ_LANES));
}

EQ_KERNEL eq_weights eq_load_weights(const int8_t *weights)
{
    return _mm512_loadu_si512(weights);
}

EQ_KERNEL eq_taps eq_same_taps(const int8_t *inputs)
{
    int32_t four;
    memcpy(&four, inputs, sizeof(four));
    return _mm512_xor_si512(_mm512_set1_epi32(four), _mm512_set1_epi8(-128));
}

EQ_KERNEL __m128i eq_load_16(const int8_t *inputs)
{
    return _mm_loadu_si128((const __m128i *)(const void *)inputs);
}

EQ_KERNEL eq_taps eq_own_taps(const int8_t *a, const int8_t *b, const int8_t *c, const int8_t *d)
{
    __m512i rows = _mm512_castsi128_si512(eq_load_16(a));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x00F0, eq_load_16(b));
    rows = _mm512_mask_broadcast_i32x4(rows, 0x0F00, eq_load_16(c));
    rows = _mm512_mask_broadcast_i32x4(rows, 0xF000, eq_load_16(d));
    /* Words of four channels, from the four places side by side; then bytes in each 16. */
    const __m512i words = _mm512_permutexvar_epi32(
        _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0), rows);
    const __m128i turn = _mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i turned = _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(turn));
    return _mm512_xor_si512(turned, _mm512_set1_epi8(-128));
}

EQ_KERNEL eq_sums eq_dot(eq_sums sums, eq_weights weights, const eq_taps *taps)
{
    sums = _mm512_dpbusd_epi32(sums, *taps, weights);
    EQ_IN_REGISTER(sums);
    return sums;
}

EQ_KERNEL eq_scales eq_scales_of(__m512i multiplier, __m512i shift)
{
    eq_scales scales;
    const __m512i zero = _mm512_setzero_si512();
    scales.multiplier = multiplier;
    scales.odd = _mm512_srli_epi64(scales.multiplier, 32);
    scales.right = _mm512_max_epi32(shift, zero);
    scales.left = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
    /* Half of what is shifted out; 0 where nothing is, for counts above 31 give 0. */
    scales.half = _mm512_sllv_epi32(_mm512_set1_epi32(1),
                                    _mm512_sub_epi32(scales.right, _mm512_set1_epi32(1)));
    return scales;
}

EQ_KERNEL eq_scales eq_load_scales(const int32_t *table)
{
    return eq_scales_of(_mm512_loadu_si512(table + 2 * EQ_LANES),
                        _mm512_loadu_si512(table + 3 * EQ_LANES));
}

EQ_KERNEL eq_scales eq_same_scales(int32_t multiplier, int32_t shift)
{
    return eq_scales_of(_mm512_set1_epi32(multiplier), _mm512_set1_epi32(shift));
}

/* As eq_multiply_by_quantized_multiplier: the sums' bounds leave room for half a step. */
EQ_KERNEL eq_sums eq_scale_sums(eq_sums sums, const eq_scales *scales, const eq_limits *limits)
{
    if (limits->left) {
        sums = _mm512_sllv_epi32(sums, scales->left);
    }
    const __m512i round = _mm512_set1_epi64((int64_t)1 << 30);
    __m512i even = _mm512_mul_epi32(sums, scales->multiplier);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sums, 32), scales->odd);
    even = _mm512_srli_epi64(_mm512_add_epi64(even, round), 31);
    odd = _mm512_slli_epi64(_mm512_add_epi64(odd, round), 1);
    __m512i high = _mm512_mask_blend_epi32(0xAAAA, even, odd);
    if (eq_ties_matter(limits)) {
        __m512i below = _mm512_srai_epi32(high, 31);
        if (limits->left) {
            below = _mm512_mask_mov_epi32(
                _mm512_setzero_si512(),
                _mm512_cmpgt_epi32_mask(scales->right, _mm512_setzero_si512()), below);
        }
        high = _mm512_add_epi32(high, below);
    }
    return _mm512_srav_epi32(_mm512_add_epi32(high, scales->half), scales->right);
}

EQ_KERNEL void eq_store_clamped(int8_t *output, eq_sums sums, const eq_limits *limits,
                                int32_t count)
{
    __m128i bytes = _mm512_cvtsepi32_epi8(sums);
    if (limits->activation_min > -128) {
        bytes = _mm_max_epi8(bytes, _mm_set1_epi8((int8_t)limits->activation_min));
    }
    if (limits->activation_max < 127) {
        bytes = _mm_min_epi8(bytes, _mm_set1_epi8((int8_t)limits->activation_max));
    }
    if (count == EQ_LANES) {
        _mm_storeu_si128((__m128i *)(void *)output, bytes);
    } else {
        _mm_mask_storeu_epi8(output, (__mmask16)((1u << count) - 1u), bytes);
    }
}

EQ_KERNEL void eq_store_outputs(int8_t *output, eq_sums sums, const eq_scales *scales,
                                const eq_limits *limits, int32_t count)
{
    sums = _mm512_add_epi32(eq_scale_sums(sums, scales, limits),
                            _mm512_set1_epi32(limits->output_offset));
    eq_store_clamped(output, sums, limits, count);
}

EQ_KERNEL void eq_store_shifted(int8_t *output, eq_sums sums, int32_t shift,
                                const eq_limits *limits, int32_t count)
{
    eq_store_clamped(output, _mm512_srai_epi32(sums, (unsigned int)shift), limits, count);
}

EQ_KERNEL eq_sums eq_same_sums(int32_t value)
{
    return _mm512_set1_epi32(value);
}

EQ_KERNEL eq_sums eq_load_values(const int8_t *values)
{
    return _mm512_cvtepi8_epi32(eq_load_16(values));
}

EQ_KERNEL void eq_keep_sums(int32_t *kept, eq_sums sums)
{
    _mm512_storeu_si512(kept, sums);
}

EQ_KERNEL eq_sums eq_add_sums(eq_sums a, eq_sums b)
{
    return _mm512_add_epi32(a, b);
}

EQ_KERNEL eq_sums eq_multiply_sums(eq_sums a, eq_sums b)
{
    return _mm512_mullo_epi32(a, b);
}

/* Rows of 16 results, in each 16 bytes of a vector: the low half of a byte chooses in all of them,
 * the bits of the high half choose among the rows. */
EQ_KERNEL void eq_look_up(const uint8_t *input, const int8_t *table, int8_t *output, int32_t size)
{
    __m512i rows[16];
    EQ_UNROLL(16)
    for (int32_t row = 0; row < 16; row++) {
        rows[row] = _mm512_broadcast_i32x4(eq_load_16(table + 16 * row));
    }
    int32_t i = 0;
    for (; i + 64 <= size; i += 64) {
        const __m512i x = _mm512_loadu_si512(input + i);
        const __m512i low = _mm512_and_si512(x, _mm512_set1_epi8(15));
        const __mmask64 bit4 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(16));
        const __mmask64 bit5 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(32));
        const __mmask64 bit6 = _mm512_test_epi8_mask(x, _mm512_set1_epi8(64));
        const __mmask64 bit7 = _mm512_movepi8_mask(x);
        __m512i chosen[8];
        EQ_UNROLL(8)
        for (int32_t k = 0; k < 8; k++) {
            chosen[k] = _mm512_shuffle_epi8(rows[2 * k], low);
            chosen[k] = _mm512_mask_shuffle_epi8(chosen[k], bit4, rows[2 * k + 1], low);
        }
        EQ_UNROLL(4)
        for (int32_t k = 0; k < 4; k++) {
            chosen[k] = _mm512_mask_mov_epi8(chosen[2 * k], bit5, chosen[2 * k + 1]);
        }
        const __m512i first = _mm512_mask_mov_epi8(chosen[0], bit6, chosen[1]);
        const __m512i second = _mm512_mask_mov_epi8(chosen[2], bit6, chosen[3]);
        _mm512_storeu_si512(output + i, _mm512_mask_mov_epi8(first, bit7, second));
    }
    for (; i < size; i++) {
        output[i] = table[input[i]];
    }
}

#define EQ_FLOAT_SUMS 14
#define EQ_FLOAT_BLOCKS 2

typedef __m512 eq_floats;

EQ_KERNEL eq_floats eq_load_floats(const float *values)
{
    return _mm512_loadu_ps(values);
}

EQ_KERNEL eq_floats eq_same_floats(float value)
{
    return _mm512_set1_ps(value);
}

EQ_KERNEL eq_floats eq_multiply_add(eq_floats sums, eq_floats a, eq_floats b)
{
    return _mm512_fmadd_ps(a, b, sums);
}

EQ_KERNEL eq_floats eq_clamp_floats(eq_floats x, float low, float high)
{
    return _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), x));
}

EQ_KERNEL void eq_store_floats(float *output, eq_floats values)
{
    _mm512_storeu_ps(output, values);
}

#endif
