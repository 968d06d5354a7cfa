/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 activations and weights, int16 cells, for cores with the DSP
 * extension. The four gates of a cell are one group of rows (eq_rows_dsp.h). A few cells at a time:
 * first all their sums, then gate by gate what follows, so that the constants of one gate stay in
 * registers.
 */
#ifndef EQ_LSTM_DSP_H
#define EQ_LSTM_DSP_H

#include "eq_curves_dsp.h"
#include "eq_rows_dsp.h"

#define EQ_LSTM_CELLS 16 /* at a time */

/* Where a scaling is asked for, `doubled` is 2 * multiplier - 2^32 and a positive shift is left. */
typedef struct {
    int32_t batches, steps, input_c, cells;
    int32_t batch_input, step_input; /* elements from batch to batch, from step to step */
    int32_t batch_output, step_output;
    int32_t input_doubled[4], input_shift[4]; /* sums to Q3.12 */
    int32_t recurrent_doubled[4], recurrent_shift[4];
    int32_t forget_doubled, forget_shift; /* products to the cell's scale */
    int32_t cell_doubled, cell_shift;
    int32_t hidden_doubled, hidden_shift, hidden_zero_point;
    int32_t tanh_multiplier, tanh_shift; /* the cell's scale to the table's */
    int32_t cell_clip;                   /* -1: none */
} eq_lstm_dsp_params;

/* What a gate lets through, in Q0.15, from its two sums. */
EQ_KERNEL int32_t eq_lstm_gate_dsp(const eq_lstm_dsp_params *p, int32_t k, int32_t from_input,
                                   int32_t from_hidden, const int16_t *middle, int32_t rounding)
{
    const int32_t a = eq_scale_to_s16_dsp(from_input, p->input_doubled[k], p->input_shift[k]);
    const int32_t b =
        eq_scale_to_s16_dsp(from_hidden, p->recurrent_doubled[k], p->recurrent_shift[k]);
    int32_t x;
    __asm__("qadd16 %0, %1, %2" : "=r"(x) : "r"(a), "r"(b));
    const int32_t position = eq_multiply_low(x, 3);
    return k == 2 ? eq_tanh_dsp(middle, position) : eq_logistic_dsp(middle, position, rounding);
}

/* Gate k of `count` cells, an even number, in place of the sums from the input. */
EQ_KERNEL void eq_lstm_gates_dsp(const eq_lstm_dsp_params *p, int32_t k, int32_t *input_sums,
                                 const int32_t *hidden_sums, int32_t count, const int16_t *middle)
{
    const int32_t rounding = eq_logistic_rounding_dsp();
    const int32_t *end = hidden_sums + 4 * count;
    int32_t *a = input_sums + k;
    for (const int32_t *b = hidden_sums; b != end; b += 8) {
        a[0] = eq_lstm_gate_dsp(p, k, a[0], b[k], middle, rounding);
        a[4] = eq_lstm_gate_dsp(p, k, a[4], b[4 + k], middle, rounding);
        a += 8;
    }
}

EQ_KERNEL int32_t eq_lstm_cell_dsp(const eq_lstm_dsp_params *p, int32_t cell, const int32_t *gate)
{
    const int32_t kept =
        eq_scale_to_s16_dsp(eq_multiply_low(gate[1], cell), p->forget_doubled, p->forget_shift);
    const int32_t added =
        eq_scale_to_s16_dsp(eq_multiply_low(gate[0], gate[2]), p->cell_doubled, p->cell_shift);
    const int32_t sum = eq_saturate_16(kept + added);
    return p->cell_clip >= 0 ? eq_clamp(sum, -p->cell_clip, p->cell_clip) : sum;
}

EQ_KERNEL int32_t eq_lstm_hidden_dsp(const eq_lstm_dsp_params *p, int32_t cell, int32_t gate,
                                     const int16_t *middle)
{
    const int32_t round = p->tanh_shift > 0 ? 1 << (p->tanh_shift - 1) : 0;
    const int32_t position = (cell * p->tanh_multiplier + round) >> p->tanh_shift;
    const int32_t product = eq_multiply_low(eq_tanh_dsp(middle, position), gate);
    const int32_t scaled = eq_scale_to_s16_dsp(product, p->hidden_doubled, p->hidden_shift);
    return eq_saturate_8(scaled + p->hidden_zero_point);
}

/* `count` cells, at most EQ_LSTM_CELLS, from the sums of their gates. */
EQ_KERNEL void eq_lstm_cells_dsp(const eq_lstm_dsp_params *p, int32_t *input_sums,
                                 const int32_t *hidden_sums, int32_t count, const int16_t *middle,
                                 int16_t *cells, int16_t *next, int8_t *output)
{
    /* One too many is computed of an odd count; there is room, and nobody reads it. */
    const int32_t even = (count + 1) & ~1;
    eq_lstm_gates_dsp(p, 0, input_sums, hidden_sums, even, middle);
    eq_lstm_gates_dsp(p, 1, input_sums, hidden_sums, even, middle);
    eq_lstm_gates_dsp(p, 2, input_sums, hidden_sums, even, middle);
    eq_lstm_gates_dsp(p, 3, input_sums, hidden_sums, even, middle);
    for (int32_t i = 0; i < count; i++) {
        const int32_t *gate = input_sums + 4 * i;
        const int32_t cell = eq_lstm_cell_dsp(p, cells[i], gate);
        const int32_t hidden = eq_lstm_hidden_dsp(p, cell, gate[3], middle);
        cells[i] = (int16_t)cell;
        next[i] = (int16_t)hidden;
        output[i] = (int8_t)hidden;
    }
}

/* One time step: the next hidden state from input and hidden state, both widened. */
EQ_KERNEL void eq_lstm_step_dsp(const eq_lstm_dsp_params *p, const int16_t *input,
                                const int16_t *hidden, const uint32_t *weights,
                                const uint32_t *recurrent, const int16_t *middle, int32_t *sums,
                                int16_t *cells, int16_t *next, int8_t *output)
{
    const eq_word *x = (const eq_word *)(const void *)input;
    const eq_word *h = (const eq_word *)(const void *)hidden;
    const eq_word *x_end = x + (p->input_c + 3) / 4 * 2;
    const eq_word *h_end = h + (p->cells + 3) / 4 * 2;
    const eq_word *x_weights = weights;
    const eq_word *h_weights = recurrent;
    int32_t *hidden_sums = sums + 4 * EQ_LSTM_CELLS;
    for (int32_t done = 0; done < p->cells; done += EQ_LSTM_CELLS) {
        const int32_t count = eq_min(EQ_LSTM_CELLS, p->cells - done);
        x_weights =
            eq_rows_dsp(x_weights, x, x_end, eq_rows_skip_dsp(p->input_c), sums, sums + 4 * count);
        h_weights = eq_rows_dsp(h_weights, h, h_end, eq_rows_skip_dsp(p->cells), hidden_sums,
                                hidden_sums + 4 * count);
        eq_lstm_cells_dsp(p, sums, hidden_sums, count, middle, cells + done, next + done,
                          output + done);
    }
}

/* `scratch`: the sums of EQ_LSTM_CELLS cells, 8 words each; then the hidden state twice and the
 * input, as int16, each filled up to whole double words. */
EQ_KERNEL void eq_lstm_dsp_s8(const eq_lstm_dsp_params *p, const int8_t *input,
                              const uint32_t *weights, const uint32_t *recurrent,
                              const int16_t *curve, int8_t *hidden, int16_t *cells, void *scratch,
                              int8_t *output)
{
    const int16_t *middle = curve + EQ_CURVE_MIDDLE;
    const int32_t room = (p->cells + 3) / 4 * 4;
    int32_t *sums = scratch;
    int16_t *now = (int16_t *)(void *)(sums + 8 * EQ_LSTM_CELLS);
    int16_t *next = now + room;
    int16_t *wide = next + room;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *x = input + b * p->batch_input;
        int8_t *y = output + b * p->batch_output;
        eq_widen_vector_dsp(hidden, p->cells, now);
        for (int32_t t = 0; t < p->steps; t++) {
            int16_t *before = now;
            eq_widen_vector_dsp(x, p->input_c, wide);
            eq_lstm_step_dsp(p, wide, now, weights, recurrent, middle, sums, cells, next, y);
            now = next;
            next = before;
            x += p->step_input;
            y += p->step_output;
        }
        memcpy(hidden, y - p->step_output, (size_t)p->cells);
        hidden += p->cells;
        cells += p->cells;
    }
}

#endif
