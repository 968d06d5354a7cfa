/* CONV_2D, int8 (NHWC), filters of 3x3 with stride 1, for AVX2: four outputs from 16 products a
 * channel instead of 36, after Winograd, in integers and therefore exactly.
 *
 * Of a tile of 4x4 inputs, B'xB are sums of at most four inputs, which 16 bits hold; of a filter,
 * (2G)w(2G)' is computed ahead. Products are summed over the channels modulo 2^32, and A'mA of
 * those sums is four times the convolution's, whose bounds leave room for that.
 */
#ifndef EQ_CONV_2D_WINOGRAD_AVX2_H
#define EQ_CONV_2D_WINOGRAD_AVX2_H

#include "eq_simd.h"
#include "eq_padded_host.h"

enum { EQ_WINOGRAD_PLACES = 16, EQ_WINOGRAD_TILES = 4 };

typedef struct {
    int32_t batches, image_bytes;
    eq_padding padding; /* of the copy */
    int32_t output_h, output_w, output_c, input_c;
    int32_t tiles;       /* that are computed together */
    int32_t copy_bytes;  /* of scratch memory, in front of transformed inputs */
    int32_t input_bytes; /* of those, in front of sums */
    eq_limits limits;
} eq_conv_2d_winograd_avx2_params;

/* B'x of four rows, or of four columns. */
EQ_KERNEL void eq_winograd_inputs_of(const __m256i *x, int32_t step, __m256i *turned)
{
    turned[0] = _mm256_sub_epi16(x[0], x[2 * step]);
    turned[1] = _mm256_add_epi16(x[step], x[2 * step]);
    turned[2] = _mm256_sub_epi16(x[2 * step], x[step]);
    turned[3] = _mm256_sub_epi16(x[step], x[3 * step]);
}

/* One tile of 4x4 inputs, all channels; `place_step` elements lie from place to place. */
EQ_KERNEL void eq_winograd_inputs(const eq_conv_2d_winograd_avx2_params *p, const int8_t *input,
                                  int16_t *inputs, int32_t place_step)
{
    for (int32_t c = 0; c < p->input_c; c += EQ_LANES) {
        __m256i x[16], turned[16];
        EQ_UNROLL(4)
        for (int32_t row = 0; row < 4; row++) {
            const int8_t *from = input + row * p->padding.padded_row_bytes + c;
            EQ_UNROLL(4)
            for (int32_t column = 0; column < 4; column++) {
                x[4 * row + column] = _mm256_cvtepi8_epi16(eq_load_16(from + column * p->input_c));
            }
        }
        EQ_UNROLL(4)
        for (int32_t column = 0; column < 4; column++) {
            eq_winograd_inputs_of(x + column, 4, turned + 4 * column);
        }
        EQ_UNROLL(4)
        for (int32_t row = 0; row < 4; row++) {
            __m256i places[4];
            eq_winograd_inputs_of(turned + row, 4, places);
            EQ_UNROLL(4)
            for (int32_t column = 0; column < 4; column++) {
                int16_t *to = inputs + (4 * row + column) * place_step + c;
                _mm256_storeu_si256((__m256i *)(void *)to, places[column]);
            }
        }
    }
}

/* Sums over the channels at one place, 16 output channels of `tiles` tiles. */
EQ_KERNEL void eq_winograd_sums(const int16_t *inputs, int32_t channels, const int16_t *weights,
                                eq_sums first, int32_t *sums, const int32_t tiles)
{
    eq_sums kept[EQ_WINOGRAD_TILES];
    EQ_UNROLL(4)
    for (int32_t i = 0; i < tiles; i++) {
        kept[i] = first;
    }
    for (int32_t c = 0; c < channels; c += 2) {
        const __m256i low = eq_load_32(weights), high = eq_load_32(weights + EQ_LANES);
        EQ_UNROLL(4)
        for (int32_t i = 0; i < tiles; i++) {
            int32_t two;
            memcpy(&two, inputs + i * channels + c, sizeof(two));
            const __m256i same = _mm256_set1_epi32(two);
            kept[i].low = _mm256_add_epi32(kept[i].low, _mm256_madd_epi16(same, low));
            kept[i].high = _mm256_add_epi32(kept[i].high, _mm256_madd_epi16(same, high));
        }
        weights += 2 * EQ_LANES;
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < tiles; i++) {
        eq_keep_sums(sums + i * EQ_LANES, kept[i]);
    }
}

/* A'm of four rows, or of four columns. */
EQ_KERNEL void eq_winograd_outputs_of(const __m256i *m, int32_t step, __m256i *turned)
{
    const __m256i middle = _mm256_add_epi32(m[step], m[2 * step]);
    turned[0] = _mm256_add_epi32(m[0], middle);
    turned[1] = _mm256_sub_epi32(_mm256_sub_epi32(m[step], m[2 * step]), m[3 * step]);
}

/* The sums of 2x2 outputs, eight channels. */
EQ_KERNEL void eq_winograd_outputs(const int32_t *sums, int32_t place_step, __m256i *outputs)
{
    __m256i m[16], turned[8];
    EQ_UNROLL(16)
    for (int32_t place = 0; place < EQ_WINOGRAD_PLACES; place++) {
        m[place] = eq_load_32(sums + place * place_step);
    }
    EQ_UNROLL(4)
    for (int32_t column = 0; column < 4; column++) {
        eq_winograd_outputs_of(m + column, 4, turned + 2 * column);
    }
    EQ_UNROLL(2)
    for (int32_t row = 0; row < 2; row++) {
        eq_winograd_outputs_of(turned + row, 2, outputs + 2 * row);
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < 4; i++) {
        outputs[i] = _mm256_srai_epi32(outputs[i], 2);
    }
}

/* Where a tile's outputs begin, and its inputs in the copy. Where no whole tile is left in a row or
 * column, the last one begins early. */
EQ_KERNEL int32_t eq_winograd_y(const eq_conv_2d_winograd_avx2_params *p, int32_t tile)
{
    return eq_min(tile / ((p->output_w + 1) / 2) * 2, p->output_h - 2);
}

EQ_KERNEL int32_t eq_winograd_x(const eq_conv_2d_winograd_avx2_params *p, int32_t tile)
{
    return eq_min(tile % ((p->output_w + 1) / 2) * 2, p->output_w - 2);
}

/* One block of output channels of p->tiles tiles, from `tile` on. */
EQ_KERNEL void eq_winograd_block(const eq_conv_2d_winograd_avx2_params *p, const int16_t *inputs,
                                 const int16_t *weights, const int32_t *table, int32_t *sums,
                                 int8_t *output, int32_t tile, int32_t count)
{
    const int32_t place = p->tiles * p->input_c, most = EQ_WINOGRAD_TILES;
    const eq_sums bias = eq_load_row(table);
    const eq_sums zero = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    /* The place in the middle is in all four outputs. */
    const eq_sums fourfold = {_mm256_slli_epi32(bias.low, 2), _mm256_slli_epi32(bias.high, 2)};
    for (int32_t k = 0; k < EQ_WINOGRAD_PLACES; k++) {
        for (int32_t t = 0; t < p->tiles; t += most) {
            eq_winograd_sums(inputs + k * place + t * p->input_c, p->input_c,
                             weights + k * p->input_c * EQ_LANES, k == 5 ? fourfold : zero,
                             sums + (k * p->tiles + t) * EQ_LANES, eq_min(p->tiles, most));
        }
    }
    const eq_scales scales = eq_load_scales(table);
    for (int32_t t = 0; t < p->tiles; t++) {
        const int32_t y = eq_winograd_y(p, tile + t), x = eq_winograd_x(p, tile + t);
        int8_t *to = output + (y * p->output_w + x) * p->output_c;
        eq_sums outputs[4];
        __m256i half[4];
        eq_winograd_outputs(sums + t * EQ_LANES, p->tiles * EQ_LANES, half);
        EQ_UNROLL(4)
        for (int32_t i = 0; i < 4; i++) {
            outputs[i].low = half[i];
        }
        eq_winograd_outputs(sums + t * EQ_LANES + EQ_LANES / 2, p->tiles * EQ_LANES, half);
        EQ_UNROLL(4)
        for (int32_t i = 0; i < 4; i++) {
            outputs[i].high = half[i];
            eq_store_outputs(to + (i / 2 * p->output_w + i % 2) * p->output_c, outputs[i], &scales,
                             &p->limits, count);
        }
    }
}

/* A share of the tiles of one image, of which `copy` is a padded copy. */
EQ_KERNEL void eq_winograd_image(const eq_conv_2d_winograd_avx2_params *p, const eq_share share,
                                 const int8_t *copy, const int16_t *weights, const int32_t *table,
                                 int8_t *output, int16_t *inputs, int32_t *sums)
{
    const int32_t tiles = (p->output_h + 1) / 2 * ((p->output_w + 1) / 2);
    const int32_t whole = p->output_c / EQ_LANES, partial = p->output_c % EQ_LANES;
    const int32_t block_size = EQ_WINOGRAD_PLACES * p->input_c * EQ_LANES;
    const eq_range range = eq_share_of(tiles, p->tiles, share);
    for (int32_t next = range.begin; next < range.end; next += p->tiles) {
        const int32_t tile = eq_min(next, range.end - p->tiles);
        for (int32_t t = 0; t < p->tiles; t++) {
            const int32_t y = eq_winograd_y(p, tile + t), x = eq_winograd_x(p, tile + t);
            eq_winograd_inputs(p, copy + y * p->padding.padded_row_bytes + x * p->input_c,
                               inputs + t * p->input_c, p->tiles * p->input_c);
        }
        for (int32_t b = 0; b < whole; b++) {
            eq_winograd_block(p, inputs, weights + b * block_size, table + b * EQ_TABLE_ROWS, sums,
                              output + b * EQ_LANES, tile, EQ_LANES);
        }
        if (partial) {
            eq_winograd_block(p, inputs, weights + whole * block_size,
                              table + whole * EQ_TABLE_ROWS, sums, output + whole * EQ_LANES, tile,
                              partial);
        }
    }
}

/* `weights` hold, for each block of 16 channels and each of 16 places, pairs of input channels;
 * `table` is that of eq_lanes_host.h. Behind the copy in `scratch` each thread has its own memory.
 */
EQ_KERNEL void eq_conv_2d_winograd_avx2_s8_share(const eq_conv_2d_winograd_avx2_params *p,
                                                 const eq_share share, const int8_t *input,
                                                 const int16_t *weights, const int32_t *table,
                                                 int8_t *output, void *scratch)
{
    int8_t *copy = scratch;
    const int32_t sums_bytes = EQ_WINOGRAD_PLACES * p->tiles * EQ_LANES * 4;
    int8_t *own = copy + p->copy_bytes + share.thread * (p->input_bytes + sums_bytes);
    void *inputs = own, *sums = own + p->input_bytes;
    if (share.stage == 0) {
        eq_pad_share(&p->padding, share, input, copy);
    } else {
        eq_winograd_image(p, share, copy, weights, table, output, inputs, sums);
    }
}

EQ_KERNEL void eq_conv_2d_winograd_avx2_s8(const eq_conv_2d_winograd_avx2_params *p,
                                           const int8_t *input, const int16_t *weights,
                                           const int32_t *table, int8_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t stage = 0; stage < 2; stage++) {
            eq_conv_2d_winograd_avx2_s8_share(p, eq_whole_share(stage), input, weights, table,
                                              output, scratch);
        }
        input += p->image_bytes;
        output += p->output_h * p->output_w * p->output_c;
    }
}

#endif
