/* FULLY_CONNECTED, int8, several outputs at a time; their weights are interleaved by the host. */
#ifndef EQ_FULLY_CONNECTED_ROWS_H
#define EQ_FULLY_CONNECTED_ROWS_H

#include "eq_base.h"
#include "eq_columns.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t partial;     /* whether the first group has fewer outputs than the others */
    int32_t per_channel; /* 1: doubled multiplier and shift stand in the table, with the bias */
    int32_t doubled, shift_1; /* per-tensor: 2 * multiplier - 2^32, right shift less 1 */
    eq_scale scale;
} eq_fully_connected_rows_params;

/* `table` is the biases, or with per_channel rows of bias, doubled multiplier, shift less 1.
 * `scratch` holds the input filled up to a multiple of EQ_ROW_UNROLL; not used if it is one. */
EQ_KERNEL void eq_fully_connected_rows_s8(const eq_fully_connected_rows_params *p,
                                          const int8_t *input, const int8_t *weights,
                                          const int32_t *table, int8_t *output, void *scratch)
{
    const int32_t taps = (p->input_c + EQ_ROW_UNROLL - 1) / EQ_ROW_UNROLL * EQ_ROW_UNROLL;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *row = input;
        const int8_t *group = weights;
        int32_t begin = 0;
        if (taps != p->input_c) {
            memset(scratch, 0, (size_t)taps);
            memcpy(scratch, input, (size_t)p->input_c);
            row = scratch;
        }
        if (EQ_ROW_OFFSET != 0 && !p->partial) {
            EQ_UNROLL(4)
            for (int32_t i = 0; i < taps; i++) {
                begin += row[i];
            }
            begin *= -EQ_ROW_OFFSET;
        }
        for (int32_t oc = 0, count; oc < p->output_c; oc += count) {
            const int first = p->partial && oc == 0;
            int32_t added = 0;
            int32_t sums[EQ_ROW_OUTPUTS];
            count = first ? p->output_c % EQ_ROW_OUTPUTS : EQ_ROW_OUTPUTS;
            eq_row(group, row, taps, begin, sums);
            group += EQ_ROW_OUTPUTS * taps;
            if (EQ_ROW_OFFSET != 0 && first) {
                /* The outputs that are not there have weights of 0: the offset's share alone. */
                begin = -sums[EQ_ROW_OUTPUTS - 1];
                added = begin;
            }
            for (int32_t k = 0; k < count; k++) {
                const int32_t *entry = &table[p->per_channel ? 3 * (oc + k) : oc + k];
                eq_requant q;
                q.bias = entry[0];
                q.multiplier = p->per_channel ? entry[1] : p->doubled;
                q.shift = p->per_channel ? entry[2] : p->shift_1;
                const eq_channel channel = eq_channel_of(&p->scale, &q);
                *output++ =
                    (int8_t)eq_scale_output(&p->scale, &channel, channel.bias + added + sums[k]);
            }
        }
        input += p->input_c;
    }
}

#endif
