/* Products of two computed int8 matrices with MVE: BATCH_MATMUL, and FULLY_CONNECTED whose weights
 * are computed.
 *
 * Sixteen columns of the second matrix at a time are laid out in scratch as a convolution's weights
 * (see eq_matmul_mve.h), pairs of columns with the words that make outputs of their sums; then four
 * rows of the first matrix after the other meet them, read where they lie: 14 instructions do 128
 * multiply-accumulates. With offsets o1 and o2 of the matrices the products are
 *     sum((a + o1) * (b + o2)) = sum(a * b) + o2 * sum(a) + o1 * sum(b) + depth * o1 * o2;
 * what depends on the row is one vector for the four rows, the rest stands with the columns.
 */
#ifndef EQ_PRODUCT_MVE_H
#define EQ_PRODUCT_MVE_H

#include "eq_base.h"
#include "eq_broadcast.h"
#include "eq_matmul_mve.h"
#include "eq_requantize_mve.h"

#define EQ_PRODUCT_BLOCK 16 /* columns */
#define EQ_PRODUCT_UNROLL_MVE 4

typedef struct {
    eq_broadcast batches; /* positions of the matrices, in elements */
    int32_t rows, columns, depth;
    int32_t depth_step2, column_step2;
    int32_t input1_offset, input2_offset;
    int32_t multiplier, shift; /* negative for right, at least one */
    int32_t output_offset;
} eq_product_mve_params;

/* A tile of four rows. The assembly reads it by position. */
typedef struct {
    eq_tile_mve tile;
    int32_t added[EQ_TILE_PIXELS]; /* 56: to the sums of each row */
} eq_product_tile_mve;

/* clang-format off */
static EQ_NAKED void eq_product_tile_rows_mve(const eq_product_tile_mve *tile __attribute__((unused)))
{
    EQ_TILE_OF(EQ_STRING(EQ_PRODUCT_UNROLL_MVE),
               "vldrw.u32 q7, [r0, #56]\n\t",
               "vadd.i32 q0, q0, q7\n\t"
               "vadd.i32 q1, q1, q7\n\t",
               EQ_TILE_SIGNED);
}
/* clang-format on */

/* The sum of so many values. */
EQ_KERNEL int32_t eq_sum_mve(const int8_t *values, int32_t count)
{
    int32_t sum = 0;
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1:\n\t"
                     "vldrb.u8 q0, [%[values]], #16\n\t"
                     "vaddva.s8 %[sum], q0\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : [values] "+r"(values), [sum] "+Te"(sum)
                     : [count] "r"(count)
                     : "lr", "q0", "memory");
    return sum;
}

/* A column of the second matrix into every second vector of `to`, zeros behind its end; returns its
 * sum. */
EQ_KERNEL int32_t eq_product_column_mve(const eq_product_mve_params *p, const int8_t *at,
                                        int8_t *to)
{
    int32_t sum = 0;
    if (p->depth_step2 == 1) {
        for (int32_t k = 0; k < p->depth; k += 16) {
            const int8x16_t x = vldrbq_z_s8(at + k, vctp8q((uint32_t)(p->depth - k)));
            sum = vaddvaq_s8(sum, x);
            vstrbq_s8(to, x);
            to += 32;
        }
        return sum;
    }
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)p->depth_step2);
    for (int32_t k = 0; k < p->depth; k += 16) {
        for (int32_t half = 0; half < 16; half += 8) {
            const mve_pred16_t some = vctp16q((uint32_t)eq_max(p->depth - k - half, 0));
            int16x8_t x;
            __asm__ volatile("vmsr p0, %2\n\t"
                             "vpst\n\t"
                             "vldrbt.s16 %q0, [%1, %q3]"
                             : "=&w"(x)
                             : "r"(at), "r"((uint32_t)some), "w"(places)
                             : "memory");
            sum = vaddvaq_s16(sum, x);
            vstrbq_s16(to + half, x);
            at += 8 * p->depth_step2;
        }
        to += 32;
    }
    return sum;
}

/* The block of columns from `at` on, an even number of them. */
EQ_KERNEL int8_t *eq_product_block_mve(const eq_product_mve_params *p, const int8_t *at,
                                       const int32_t *bias, int32_t columns, int8_t *stream)
{
    const int32_t steps = (p->depth + 15) / 16;
    const int32_t both = p->depth * p->input1_offset * p->input2_offset;
    for (int32_t c = 0; c < columns; c += 2) {
        int32_t *words = (int32_t *)(void *)(stream + 32 * steps);
        for (int32_t i = 0; i < 2; i++) {
            /* A single column is a pair with itself. */
            const int32_t column = p->columns == 1 ? 0 : c + i;
            const int32_t sum =
                eq_product_column_mve(p, at + column * p->column_step2, stream + 16 * i);
            words[i] = p->input1_offset * sum + both + (bias != NULL ? bias[column] : 0);
            words[2 + i] = p->multiplier;
            words[4 + i] = p->shift;
        }
        stream += 32 * steps + 24;
    }
    return stream;
}

/* Four rows from `first` on, which must all be there but at the end: what is missing does the last
 * one's work again. Rows whose vectors reach over the matrix' end are copied to `aside`. */
EQ_KERNEL void eq_product_rows_of_mve(const eq_product_mve_params *p, const int8_t *a,
                                      int32_t first, int8_t *aside, eq_product_tile_mve *rows)
{
    const int32_t steps = (p->depth + 15) / 16;
    for (int32_t i = 0; i < EQ_TILE_PIXELS; i++) {
        const int32_t row = eq_min(first + i, p->rows - 1);
        const int8_t *at = a + row * p->depth;
        const uint16_t place = (uint16_t)((row - first) * p->columns);
        rows->tile.at[2 * i] = place;
        rows->tile.at[2 * i + 1] = (uint16_t)(place + (p->columns == 1 ? 0 : 1));
        rows->added[i] = p->input2_offset != 0 ? p->input2_offset * eq_sum_mve(at, p->depth) : 0;
        if (row * p->depth + 16 * steps > p->rows * p->depth) {
            eq_copy_mve(at, aside + 16 * steps * i, p->depth);
            at = aside + 16 * steps * i;
        }
        rows->tile.pixels[i] = at;
    }
    rows->tile.first_end = rows->tile.pixels[0] + 16 * steps;
}

/* One product. */
EQ_KERNEL void eq_product_one_mve(const eq_product_mve_params *p, const int8_t *a, const int8_t *b,
                                  const int32_t *bias, int8_t *output, void *scratch)
{
    const int32_t steps = (p->depth + 15) / 16;
    int8_t *aside = scratch;
    int8_t *stream = aside + EQ_TILE_PIXELS * 16 * steps;
    eq_product_tile_mve rows;
    rows.tile.skip = eq_tile_skip_mve(steps, EQ_PRODUCT_UNROLL_MVE);
    rows.tile.output_offset = p->output_offset;
    rows.tile.weights = stream;
    int32_t count;
    for (int32_t c = 0; c < p->columns; c += count) {
        count = eq_min(p->columns - c, EQ_PRODUCT_BLOCK);
        if (count > 1) {
            count -= count % 2;
        } else {
            /* A last one is computed with the one before it, again. */
            c = eq_max(p->columns - 2, 0);
            count = 2;
        }
        rows.tile.weights_end = eq_product_block_mve(p, b + c * p->column_step2,
                                                     bias != NULL ? bias + c : NULL, count, stream);
        for (int32_t row = 0; row < p->rows; row += EQ_TILE_PIXELS) {
            eq_product_rows_of_mve(p, a, row, aside, &rows);
            rows.tile.output = output + row * p->columns + c;
            eq_product_tile_rows_mve(&rows);
        }
    }
}

/* `scratch` holds four rows, 64 bytes for every sixteen values, and the block of columns: for each
 * pair 24 bytes and 32 for every sixteen values. */
EQ_KERNEL void eq_product_mve_s8(const eq_product_mve_params *p, const int8_t *input1,
                                 const int8_t *input2, int8_t *output, void *scratch)
{
    EQ_FOR_PAIRS(&p->batches, i, j)
    {
        eq_product_one_mve(p, input1 + i, input2 + j, NULL, output, scratch);
        output += p->rows * p->columns;
    }
}

EQ_KERNEL void eq_product_bias_mve_s8(const eq_product_mve_params *p, const int8_t *input1,
                                      const int8_t *input2, const int32_t *bias, int8_t *output,
                                      void *scratch)
{
    eq_product_one_mve(p, input1, input2, bias, output, scratch);
}

#endif
