/* UNIDIRECTIONAL_SEQUENCE_LSTM, float32, portable C with the C library's functions.
 * Gates in the order input, forget, cell, output. */
#ifndef EQ_LSTM_F32_H
#define EQ_LSTM_F32_H

#include "eq_float.h"
#include "eq_float_unary.h"

typedef struct {
    int32_t batches, steps, input_c, cells;
    int32_t batch_input, step_input; /* elements from batch to batch, from step to step */
    int32_t batch_output, step_output;
    float cell_clip; /* 0: none */
} eq_lstm_f32_params;

EQ_KERNEL float eq_lstm_gate_f32(const eq_lstm_f32_params *p, int32_t k, int32_t cell,
                                 const float *input, const float *hidden, const float *weights,
                                 const float *recurrent, const float *bias)
{
    const int32_t row = k * p->cells + cell;
    const float *w = weights + row * p->input_c;
    const float *r = recurrent + row * p->cells;
    float a = 0.0f;
    float b = 0.0f;
    for (int32_t c = 0; c < p->input_c; c++) {
        a += input[c] * w[c];
    }
    for (int32_t c = 0; c < p->cells; c++) {
        b += hidden[c] * r[c];
    }
    const float x = (a + bias[row]) + b;
    return k == 2 ? tanhf(x) : eq_logistic_one_f32(x);
}

/* `scratch` has room for the hidden state of one batch. */
EQ_KERNEL void eq_lstm_f32(const eq_lstm_f32_params *p, const float *input, const float *weights,
                           const float *recurrent, const float *bias, float *hidden, float *cells,
                           void *scratch, float *output)
{
    float *next = scratch;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t t = 0; t < p->steps; t++) {
            const float *x = input + b * p->batch_input + t * p->step_input;
            float *y = output + b * p->batch_output + t * p->step_output;
            for (int32_t i = 0; i < p->cells; i++) {
                float gate[4];
                for (int32_t k = 0; k < 4; k++) {
                    gate[k] = eq_lstm_gate_f32(p, k, i, x, hidden, weights, recurrent, bias);
                }
                const float kept = gate[1] * cells[i];
                const float added = gate[0] * gate[2];
                cells[i] = kept + added;
                if (p->cell_clip > 0.0f) {
                    cells[i] = eq_clamp_f32(cells[i], -p->cell_clip, p->cell_clip);
                }
                next[i] = tanhf(cells[i]) * gate[3];
            }
            memcpy(hidden, next, (size_t)p->cells * sizeof(*next));
            memcpy(y, next, (size_t)p->cells * sizeof(*next));
        }
        hidden += p->cells;
        cells += p->cells;
    }
}

#endif
