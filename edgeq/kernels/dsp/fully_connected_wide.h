/* FULLY_CONNECTED, int8, for cores with the DSP extension, where an accumulator may pass the 24
 * bits that two channels in one word leave it (eq_matmul_dsp.h). Its inputs are taken in segments
 * so short that each one's sum keeps to them; the sums of the segments are added up in 32 bits.
 */
#ifndef EQ_FULLY_CONNECTED_WIDE_DSP_H
#define EQ_FULLY_CONNECTED_WIDE_DSP_H

#include "eq_base.h"
#include "eq_fully_connected_dsp.h"

typedef struct {
    eq_fully_connected_dsp_params layer;
    int32_t segment_steps; /* steps of four inputs; the last segment may be shorter */
} eq_fully_connected_wide_dsp_params;

/* Adds one group's four sums over all segments; returns what follows the group's weights. */
EQ_KERNEL const eq_word *eq_group_wide_dsp(const eq_fully_connected_wide_dsp_params *p,
                                           const int8_t *row, const eq_word *group, int32_t *sums)
{
    const int32_t steps = (p->layer.input_c + 3) / 4;
    memset(sums, 0, 4 * sizeof *sums);
    for (int32_t done = 0; done < steps; done += p->segment_steps) {
        const int32_t count = eq_min(p->segment_steps, steps - done);
        const int32_t skip =
            (EQ_ROW_UNROLL - count % EQ_ROW_UNROLL) % EQ_ROW_UNROLL * EQ_ROW_STEP_BYTES;
        int32_t part[4];
        eq_row_dsp(group, row, row + 4 * count, skip, part);
        for (int32_t k = 0; k < 4; k++) {
            sums[k] += part[k];
        }
        row += 4 * count;
        group += 4 + 4 * count;
    }
    return group;
}

/* `scratch` as for eq_fully_connected_dsp_s8. */
EQ_KERNEL void eq_fully_connected_wide_dsp_s8(const eq_fully_connected_wide_dsp_params *p,
                                              const int8_t *input, const uint32_t *weights,
                                              int8_t *output, void *scratch)
{
    const eq_fully_connected_dsp_params *layer = &p->layer;
    for (int32_t b = 0; b < layer->batches; b++) {
        const int8_t *row = input;
        const eq_word *group = weights;
        if (layer->input_c % 4 != 0) {
            memcpy(scratch, input, (size_t)layer->input_c);
            row = scratch;
        }
        for (int32_t oc = 0; oc < layer->output_c; oc += 4) {
            int32_t sums[4];
            group = eq_group_wide_dsp(p, row, group, sums);
            output =
                eq_group_outputs_dsp(layer, group, sums, eq_min(layer->output_c - oc, 4), output);
            group += layer->per_channel ? 8 : 0;
        }
        input += layer->input_c;
    }
}

#endif
