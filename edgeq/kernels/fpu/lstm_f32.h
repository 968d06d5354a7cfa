/* UNIDIRECTIONAL_SEQUENCE_LSTM, float32, for Arm cores with an FPU: the gates of eight cells at a
 * time are 32 rows of eq_rows_f32_fpu.h, in the order cell, gate. */
#ifndef EQ_LSTM_F32_FPU_H
#define EQ_LSTM_F32_FPU_H

#include "eq_float_unary.h"
#include "eq_lstm_f32.h"
#include "eq_rows_f32_fpu.h"

#define EQ_LSTM_CELLS_FPU 8 /* at a time */

/* `count` cells from the sums of their gates, biases among them. */
EQ_KERNEL void eq_lstm_cells_fpu(const eq_lstm_f32_params *p, const float *from_input,
                                 const float *from_hidden, int32_t count, float *cells, float *next)
{
    for (int32_t i = 0; i < count; i++) {
        float x[4];
        for (int32_t k = 0; k < 4; k++) {
            x[k] = from_input[4 * i + k] + from_hidden[4 * i + k];
        }
        const float kept = eq_logistic_one_f32(x[1]) * cells[i];
        float cell = kept + eq_logistic_one_f32(x[0]) * tanhf(x[2]);
        if (p->cell_clip > 0.0f) {
            cell = eq_clamp_f32(cell, -p->cell_clip, p->cell_clip);
        }
        cells[i] = cell;
        next[i] = tanhf(cell) * eq_logistic_one_f32(x[3]);
    }
}

/* `scratch` has room for the hidden state of one batch. */
EQ_KERNEL void eq_lstm_fpu_f32(const eq_lstm_f32_params *p, const float *input,
                               const float *weights, const float *recurrent, float *hidden,
                               float *cells, void *scratch, float *output)
{
    float *next = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t t = 0; t < p->steps; t++) {
            const float *x = input + b * p->batch_input + t * p->step_input;
            float *y = output + b * p->batch_output + t * p->step_output;
            const float *w = weights;
            const float *r = recurrent;
            for (int32_t i = 0; i < p->cells; i += EQ_LSTM_CELLS_FPU) {
                float sums[2][4 * EQ_LSTM_CELLS_FPU];
                const int32_t count = eq_min(EQ_LSTM_CELLS_FPU, p->cells - i);
                w = eq_row_sums_fpu(w, x, p->input_c, sums[0], 4 * count);
                r = eq_row_sums_fpu(r, hidden, p->cells, sums[1], 4 * count);
                eq_lstm_cells_fpu(p, sums[0], sums[1], count, cells + i, next + i);
            }
            memcpy(hidden, next, (size_t)p->cells * sizeof(*next));
            memcpy(y, next, (size_t)p->cells * sizeof(*next));
        }
        hidden += p->cells;
        cells += p->cells;
    }
}

#endif
