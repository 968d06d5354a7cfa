/* FULLY_CONNECTED, int8, without the blocks of four inputs by four outputs whose weights are all
 * zero; those of a block follow each other, input by input. */
#ifndef EQ_FULLY_CONNECTED_BLOCKS_H
#define EQ_FULLY_CONNECTED_BLOCKS_H

#include "eq_base.h"
#include "eq_block_row.h"
#include "eq_columns.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t per_channel; /* 1: doubled multiplier and shift stand in the table, with the bias */
    int32_t doubled, shift_1; /* per-tensor: 2 * multiplier - 2^32, right shift less 1 */
    eq_scale scale;
} eq_fully_connected_blocks_params;

/* `blocks` holds for each group of four outputs the number of its blocks (two bytes, low first,
 * at least 1), and for each of them how many zero blocks are left out before it. `table` is the
 * biases, or with per_channel rows of bias, doubled multiplier, shift less 1. `scratch` holds the
 * input filled up to a multiple of four; it is not used if input_c is one. */
EQ_KERNEL void eq_fully_connected_blocks_s8(const eq_fully_connected_blocks_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            const uint8_t *blocks, const int32_t *table,
                                            int8_t *output, void *scratch)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        const int8_t *group = weights;
        const uint8_t *entry = blocks;
        if (p->input_c % 4 != 0) {
            memset(scratch, 0, (size_t)(p->input_c + 3) / 4 * 4);
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        for (int32_t oc = 0; oc < p->output_c; oc += 4) {
            const int32_t count = entry[0] | (int32_t)entry[1] << 8;
            const int8_t *end = group + 16 * count;
            int32_t sums[4];
            eq_block_row(group, row, entry + 2, end, sums);
            group = end;
            entry += 2 + count;
            for (int32_t k = 0; k < 4 && oc + k < p->output_c; k++) {
                const int32_t *values = &table[p->per_channel ? 3 * (oc + k) : oc + k];
                eq_requant q;
                q.bias = values[0];
                q.multiplier = p->per_channel ? values[1] : p->doubled;
                q.shift = p->per_channel ? values[2] : p->shift_1;
                const eq_channel channel = eq_channel_of(&p->scale, &q);
                *output++ = (int8_t)eq_scale_output(&p->scale, &channel, channel.bias + sums[k]);
            }
        }
        input += p->input_c;
    }
}

#endif
