/* CONV_2D, int8 (NHWC), filters of 3x3 with stride 1, for AVX2: after Winograd, in integers and
 * therefore exactly. Squares of four outputs take 16 products a channel instead of 36 (`side` is
 * 2), squares of 16 take 36 instead of 144 (`side` is 4).
 *
 * Of a tile of inputs, B'xB are sums that 16 bits hold: of four inputs, or of a hundred. Of a
 * filter, GwG' is computed ahead, where G is scaled by row so that all of it is integers. Products
 * are summed over the channels modulo 2^32, and A'mA of those sums, with A scaled likewise, is a
 * multiple of the convolution's: by a power of two, and by 9 for squares of 16, whose inverse
 * modulo 2^32 there is. The layer's bounds leave room for the power of two.
 */
#ifndef EQ_CONV_2D_WINOGRAD_AVX2_H
#define EQ_CONV_2D_WINOGRAD_AVX2_H

#include "eq_simd.h"
#include "eq_padded_host.h"

enum { EQ_WINOGRAD_REACH = 6, EQ_WINOGRAD_SIDE = 4, EQ_WINOGRAD_TILES = 4 };

typedef struct {
    int32_t batches, image_bytes;
    eq_padding padding; /* of the copy */
    int32_t output_h, output_w, output_c, input_c;
    int32_t side;        /* of a tile's outputs; its inputs have two more */
    int32_t tiles;       /* that are computed together */
    int32_t copy_bytes;  /* of scratch memory, in front of transformed inputs */
    int32_t input_bytes; /* of those, in front of sums */
    eq_limits limits;
} eq_conv_2d_winograd_avx2_params;

EQ_KERNEL int32_t eq_winograd_places(const eq_conv_2d_winograd_avx2_params *p)
{
    return (p->side + 2) * (p->side + 2);
}

/* B'x of a row or a column. */
EQ_KERNEL void eq_winograd_inputs_of(const __m256i *x, const int32_t side, __m256i *turned)
{
    if (side == 2) {
        turned[0] = _mm256_sub_epi16(x[0], x[2]);
        turned[1] = _mm256_add_epi16(x[1], x[2]);
        turned[2] = _mm256_sub_epi16(x[2], x[1]);
        turned[3] = _mm256_sub_epi16(x[1], x[3]);
        return;
    }
    const __m256i two = _mm256_sub_epi16(x[4], x[2]);
    const __m256i one = _mm256_slli_epi16(_mm256_sub_epi16(x[3], x[1]), 1);
    const __m256i even = _mm256_sub_epi16(x[4], _mm256_slli_epi16(x[2], 2));
    const __m256i odd = _mm256_sub_epi16(x[3], _mm256_slli_epi16(x[1], 2));
    turned[0] = _mm256_add_epi16(_mm256_slli_epi16(_mm256_sub_epi16(x[0], x[2]), 2), two);
    turned[1] = _mm256_add_epi16(even, odd);
    turned[2] = _mm256_sub_epi16(even, odd);
    turned[3] = _mm256_add_epi16(two, one);
    turned[4] = _mm256_sub_epi16(two, one);
    turned[5] = _mm256_sub_epi16(_mm256_sub_epi16(x[5], x[3]), _mm256_slli_epi16(one, 1));
}

/* The inputs of one tile, all channels; `place_step` elements lie from place to place. */
EQ_KERNEL void eq_winograd_inputs(const eq_conv_2d_winograd_avx2_params *p, const int8_t *input,
                                  int16_t *inputs, int32_t place_step)
{
    const int32_t reach = p->side + 2;
    for (int32_t c = 0; c < p->input_c; c += EQ_LANES) {
        __m256i turned[EQ_WINOGRAD_REACH][EQ_WINOGRAD_REACH]; /* by row */
        for (int32_t column = 0; column < reach; column++) {
            __m256i x[EQ_WINOGRAD_REACH], rows[EQ_WINOGRAD_REACH];
            const int8_t *from = input + column * p->input_c + c;
            EQ_UNROLL(6)
            for (int32_t row = 0; row < reach; row++) {
                x[row] = _mm256_cvtepi8_epi16(eq_load_16(from + row * p->padding.padded_row_bytes));
            }
            eq_winograd_inputs_of(x, p->side, rows);
            EQ_UNROLL(6)
            for (int32_t row = 0; row < reach; row++) {
                turned[row][column] = rows[row];
            }
        }
        for (int32_t row = 0; row < reach; row++) {
            __m256i places[EQ_WINOGRAD_REACH];
            eq_winograd_inputs_of(turned[row], p->side, places);
            EQ_UNROLL(6)
            for (int32_t column = 0; column < reach; column++) {
                int16_t *to = inputs + (reach * row + column) * place_step + c;
                _mm256_storeu_si256((__m256i *)(void *)to, places[column]);
            }
        }
    }
}

/* Two inputs in all channels. */
EQ_KERNEL __m256i eq_winograd_two(const int16_t *inputs)
{
    int32_t two;
    memcpy(&two, inputs, sizeof(two));
    return _mm256_set1_epi32(two);
}

/* Sums over the channels at one place, 16 output channels of `tiles` tiles. */
EQ_KERNEL void eq_winograd_sums(const int16_t *inputs, int32_t channels, const int16_t *weights,
                                int32_t *sums, const int32_t tiles)
{
    __m256i low[EQ_WINOGRAD_TILES], high[EQ_WINOGRAD_TILES];
    const __m256i first_low = eq_load_32(weights), first_high = eq_load_32(weights + EQ_LANES);
    EQ_UNROLL(4)
    for (int32_t i = 0; i < tiles; i++) {
        const __m256i same = eq_winograd_two(inputs + i * channels);
        low[i] = _mm256_madd_epi16(same, first_low);
        high[i] = _mm256_madd_epi16(same, first_high);
    }
    for (int32_t c = 2; c < channels; c += 2) {
        const int16_t *w = weights + c * EQ_LANES;
        __m256i w_low = eq_load_32(w), w_high = eq_load_32(w + EQ_LANES);
        EQ_IN_REGISTER(w_low);
        EQ_IN_REGISTER(w_high);
        EQ_UNROLL(4)
        for (int32_t i = 0; i < tiles; i++) {
            const __m256i same = eq_winograd_two(inputs + i * channels + c);
            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(same, w_low));
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(same, w_high));
        }
        /* Tied all together: one by one gcc moves them about. */
        EQ_UNROLL(4)
        for (int32_t i = 0; i < tiles; i++) {
            EQ_IN_REGISTER(low[i]);
            EQ_IN_REGISTER(high[i]);
        }
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < tiles; i++) {
        const eq_sums whole = {low[i], high[i]};
        eq_keep_sums(sums + i * EQ_LANES, whole);
    }
}

/* A'm of a row or a column: of the second to fourth outputs of a `side` of 4 it is a half, a
 * quarter and a quarter. */
EQ_KERNEL void eq_winograd_outputs_of(const __m256i *m, const int32_t side, __m256i *turned)
{
    const __m256i sum = _mm256_add_epi32(m[1], m[2]), difference = _mm256_sub_epi32(m[1], m[2]);
    if (side == 2) {
        turned[0] = _mm256_add_epi32(m[0], sum);
        turned[1] = _mm256_sub_epi32(difference, m[3]);
        return;
    }
    const __m256i two = _mm256_add_epi32(m[3], m[4]), one = _mm256_sub_epi32(m[3], m[4]);
    const __m256i first = _mm256_add_epi32(m[0], two), last = _mm256_add_epi32(difference, m[5]);
    turned[0] = _mm256_add_epi32(first, _mm256_slli_epi32(sum, 2));
    turned[1] = _mm256_add_epi32(_mm256_slli_epi32(difference, 1), one);
    turned[2] = _mm256_add_epi32(sum, two);
    turned[3] = _mm256_add_epi32(last, _mm256_slli_epi32(one, 1));
}

/* A'm of each column of a tile, eight channels; `step` elements lie from place to place. The second
 * place of the second row is in all outputs alike, so the bias is added there. */
EQ_KERNEL void eq_winograd_columns(const int32_t *sums, const int32_t step, const int32_t side,
                                   __m256i bias, __m256i (*turned)[EQ_WINOGRAD_REACH])
{
    const int32_t reach = side + 2;
    for (int32_t column = 0; column < reach; column++) {
        __m256i m[EQ_WINOGRAD_REACH], rows[EQ_WINOGRAD_SIDE];
        EQ_UNROLL(6)
        for (int32_t row = 0; row < reach; row++) {
            m[row] = eq_load_32(sums + (reach * row + column) * step);
        }
        m[1] = column == 1 ? _mm256_add_epi32(m[1], bias) : m[1];
        eq_winograd_outputs_of(m, side, rows);
        EQ_UNROLL(4)
        for (int32_t row = 0; row < side; row++) {
            turned[row][column] = rows[row];
        }
    }
}

/* The sums of one row of a tile's outputs. */
EQ_KERNEL void eq_winograd_row(const __m256i *turned, const int32_t side, const int32_t row,
                               __m256i *outputs)
{
    const __m256i ninth = _mm256_set1_epi32(954437177); /* times 9 is 1 */
    eq_winograd_outputs_of(turned, side, outputs);
    EQ_UNROLL(4)
    for (int32_t column = 0; column < side; column++) {
        const int32_t less = eq_min(row, 2) + eq_min(column, 2);
        outputs[column] =
            side == 2 ? _mm256_srai_epi32(outputs[column], 2)
                      : _mm256_srai_epi32(_mm256_mullo_epi32(outputs[column], ninth), 6 - less);
    }
}

/* How many tiles there are beside each other. */
EQ_KERNEL int32_t eq_winograd_across(const eq_conv_2d_winograd_avx2_params *p)
{
    return (p->output_w + p->side - 1) / p->side;
}

/* Where a tile's outputs begin, and its inputs in the copy. Where no whole tile is left in a row or
 * column, the last one begins early. */
EQ_KERNEL int32_t eq_winograd_y(const eq_conv_2d_winograd_avx2_params *p, int32_t tile)
{
    return eq_min(tile / eq_winograd_across(p) * p->side, p->output_h - p->side);
}

EQ_KERNEL int32_t eq_winograd_x(const eq_conv_2d_winograd_avx2_params *p, int32_t tile)
{
    return eq_min(tile % eq_winograd_across(p) * p->side, p->output_w - p->side);
}

/* One block of output channels of one tile, whose sums lie as eq_winograd_columns takes them. */
EQ_KERNEL void eq_winograd_tile(const eq_conv_2d_winograd_avx2_params *p, const int32_t *sums,
                                const eq_sums bias, const eq_scales *scales, int8_t *output,
                                int32_t count)
{
    const int32_t step = p->tiles * EQ_LANES;
    __m256i low[EQ_WINOGRAD_SIDE][EQ_WINOGRAD_REACH], high[EQ_WINOGRAD_SIDE][EQ_WINOGRAD_REACH];
    eq_winograd_columns(sums, step, p->side, bias.low, low);
    eq_winograd_columns(sums + EQ_LANES / 2, step, p->side, bias.high, high);
    EQ_UNROLL(4)
    for (int32_t row = 0; row < p->side; row++) {
        __m256i of_low[EQ_WINOGRAD_SIDE], of_high[EQ_WINOGRAD_SIDE];
        eq_winograd_row(low[row], p->side, row, of_low);
        eq_winograd_row(high[row], p->side, row, of_high);
        EQ_UNROLL(4)
        for (int32_t column = 0; column < p->side; column++) {
            const eq_sums outputs = {of_low[column], of_high[column]};
            eq_store_outputs(output + (row * p->output_w + column) * p->output_c, outputs, scales,
                             &p->limits, count);
        }
    }
}

/* One block of output channels of p->tiles tiles, from `tile` on. */
EQ_KERNEL void eq_winograd_block(const eq_conv_2d_winograd_avx2_params *p, const int16_t *inputs,
                                 const int16_t *weights, const int32_t *table, int32_t *sums,
                                 int8_t *output, int32_t tile, int32_t count)
{
    const int32_t place = p->tiles * p->input_c, rest = p->tiles % EQ_WINOGRAD_TILES;
    for (int32_t k = 0; k < eq_winograd_places(p); k++) {
        const int16_t *from = inputs + k * place, *w = weights + k * p->input_c * EQ_LANES;
        int32_t *to = sums + k * p->tiles * EQ_LANES;
        for (int32_t t = 0; t < p->tiles - rest; t += EQ_WINOGRAD_TILES) {
            eq_winograd_sums(from + t * p->input_c, p->input_c, w, to + t * EQ_LANES,
                             EQ_WINOGRAD_TILES);
        }
        if (rest) {
            const int32_t t = p->tiles - rest;
            eq_winograd_sums(from + t * p->input_c, p->input_c, w, to + t * EQ_LANES, rest);
        }
    }
    const eq_sums times = eq_same_sums(p->side == 2 ? 4 : 36);
    const eq_sums bias = eq_multiply_sums(eq_load_row(table), times);
    const eq_scales scales = eq_load_scales(table);
    for (int32_t t = 0; t < p->tiles; t++) {
        const int32_t y = eq_winograd_y(p, tile + t), x = eq_winograd_x(p, tile + t);
        eq_winograd_tile(p, sums + t * EQ_LANES, bias, &scales,
                         output + (y * p->output_w + x) * p->output_c, count);
    }
}

/* A share of the tiles of one image, of which `copy` is a padded copy. */
EQ_KERNEL void eq_winograd_image(const eq_conv_2d_winograd_avx2_params *p, const eq_share share,
                                 const int8_t *copy, const int16_t *weights, const int32_t *table,
                                 int8_t *output, int16_t *inputs, int32_t *sums)
{
    const int32_t tiles = (p->output_h + p->side - 1) / p->side * eq_winograd_across(p);
    const int32_t whole = p->output_c / EQ_LANES, partial = p->output_c % EQ_LANES;
    const int32_t block_size = eq_winograd_places(p) * p->input_c * EQ_LANES;
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

/* `weights` hold, for each block of 16 channels and each place, pairs of input channels;
 * `table` is that of eq_lanes_host.h. Behind the copy in `scratch` each thread has its own memory.
 */
EQ_KERNEL void eq_conv_2d_winograd_avx2_s8_share(const eq_conv_2d_winograd_avx2_params *p,
                                                 const eq_share share, const int8_t *input,
                                                 const int16_t *weights, const int32_t *table,
                                                 int8_t *output, void *scratch)
{
    int8_t *copy = scratch;
    const int32_t sums_bytes = eq_winograd_places(p) * p->tiles * EQ_LANES * 4;
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
