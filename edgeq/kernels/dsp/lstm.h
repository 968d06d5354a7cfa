/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 and int16 activations, int8 weights, int16 cells, for cores
 * with the DSP extension. The four gates of a cell are one group of rows (eq_rows_dsp.h). A few
 * cells at a time: first all their sums, then gate by gate what follows, so that the constants of
 * one gate stay in registers.
 */
#ifndef EQ_LSTM_DSP_H
#define EQ_LSTM_DSP_H

#include "eq_curves_dsp.h"
#include "eq_rows_dsp.h"

#define EQ_LSTM_CELLS 16 /* at a time */

/* Where a scaling is asked for, `doubled` is 2 * multiplier - 2^32 and a positive shift is left.
 * Sums of int16 activations are scaled by a 16-bit multiplier in 64 bits; with the multiplier
 * shifted up so that the right shift is 32 that is one SMMULR, and `doubled` is this multiplier. */
typedef struct {
    int32_t wide; /* 1: int16 activations */
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

/* A sum to Q3.12. */
EQ_KERNEL int32_t eq_lstm_scale_dsp(const eq_lstm_dsp_params *p, int32_t sum, int32_t doubled,
                                    int32_t shift)
{
    int32_t high;
    if (!p->wide) {
        return eq_scale_to_s16_dsp(sum, doubled, shift);
    }
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(sum * (1 << shift)), "r"(doubled));
    return eq_saturate_16(high);
}

/* What a gate lets through, in Q0.15, from its two sums. */
EQ_KERNEL int32_t eq_lstm_gate_dsp(const eq_lstm_dsp_params *p, int32_t k, int32_t from_input,
                                   int32_t from_hidden, const int16_t *middle, int32_t rounding)
{
    const int32_t a = eq_lstm_scale_dsp(p, from_input, p->input_doubled[k], p->input_shift[k]);
    const int32_t b =
        eq_lstm_scale_dsp(p, from_hidden, p->recurrent_doubled[k], p->recurrent_shift[k]);
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
    return p->wide ? scaled : eq_saturate_8(scaled + p->hidden_zero_point);
}

/* `count` cells, at most EQ_LSTM_CELLS, from the sums of their gates. */
EQ_KERNEL void eq_lstm_cells_dsp(const eq_lstm_dsp_params *p, int32_t *input_sums,
                                 const int32_t *hidden_sums, int32_t count, const int16_t *middle,
                                 int16_t *cells, int16_t *next)
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
        cells[i] = (int16_t)cell;
        next[i] = (int16_t)eq_lstm_hidden_dsp(p, cell, gate[3], middle);
    }
}

/* The sums of `count` cells; returns the weights of the next ones. */
EQ_KERNEL const eq_word *eq_lstm_sums_dsp(const eq_lstm_dsp_params *p, const eq_word *weights,
                                          const int16_t *vector, int32_t values, int32_t *sums,
                                          int32_t count)
{
    const eq_word *start = (const eq_word *)(const void *)vector;
    const eq_word *end = start + (values + 3) / 4 * 2;
    int32_t *sums_end = sums + 4 * count;
    return p->wide
               ? eq_rows_dsp_s16(weights, start, end, eq_rows_skip_dsp_s16(values), sums, sums_end)
               : eq_rows_dsp(weights, start, end, eq_rows_skip_dsp(values), sums, sums_end);
}

/* One time step: the next hidden state from input and hidden state, all in 16 bits. */
EQ_KERNEL void eq_lstm_step_dsp(const eq_lstm_dsp_params *p, const int16_t *input,
                                const int16_t *hidden, const uint32_t *weights,
                                const uint32_t *recurrent, const int16_t *middle, int32_t *sums,
                                int16_t *cells, int16_t *next)
{
    const eq_word *from_input = weights;
    const eq_word *from_hidden = recurrent;
    int32_t *hidden_sums = sums + 4 * EQ_LSTM_CELLS;
    for (int32_t done = 0; done < p->cells; done += EQ_LSTM_CELLS) {
        const int32_t count = eq_min(EQ_LSTM_CELLS, p->cells - done);
        from_input = eq_lstm_sums_dsp(p, from_input, input, p->input_c, sums, count);
        from_hidden = eq_lstm_sums_dsp(p, from_hidden, hidden, p->cells, hidden_sums, count);
        eq_lstm_cells_dsp(p, sums, hidden_sums, count, middle, cells + done, next + done);
    }
}

/* `count` values, int8 or int16, as int16. */
EQ_KERNEL void eq_lstm_read_dsp(const eq_lstm_dsp_params *p, const void *values, int32_t count,
                                int16_t *vector)
{
    if (p->wide) {
        memcpy(vector, values, (size_t)count * 2);
    } else {
        eq_widen_vector_dsp(values, count, vector);
    }
}

/* Back to their own type. */
EQ_KERNEL void eq_lstm_write_dsp(const eq_lstm_dsp_params *p, const int16_t *vector, int32_t count,
                                 void *values)
{
    int8_t *bytes = values;
    if (p->wide) {
        memcpy(values, vector, (size_t)count * 2);
        return;
    }
    EQ_UNROLL(4)
    for (int32_t i = 0; i < count; i++) {
        bytes[i] = (int8_t)vector[i];
    }
}

/* `input`, `hidden` and `output` are int8 or int16. `scratch`: the sums of EQ_LSTM_CELLS cells, 8
 * words each; then the hidden state twice and the input, as int16, each filled up to whole double
 * words. */
EQ_KERNEL void eq_lstm_dsp(const eq_lstm_dsp_params *p, const void *input, const uint32_t *weights,
                           const uint32_t *recurrent, const int16_t *curve, void *hidden,
                           int16_t *cells, void *scratch, void *output)
{
    const int16_t *middle = curve + EQ_CURVE_MIDDLE;
    const int32_t bytes = p->wide ? 2 : 1;
    const int32_t room = (p->cells + 3) / 4 * 4;
    int32_t *sums = scratch;
    int16_t *now = (int16_t *)(void *)(sums + 8 * EQ_LSTM_CELLS);
    int16_t *next = now + room;
    int16_t *vector = next + room;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *x = (const int8_t *)input + b * p->batch_input * bytes;
        int8_t *y = (int8_t *)output + b * p->batch_output * bytes;
        int8_t *state = (int8_t *)hidden + b * p->cells * bytes;
        eq_lstm_read_dsp(p, state, p->cells, now);
        for (int32_t t = 0; t < p->steps; t++) {
            int16_t *before = now;
            eq_lstm_read_dsp(p, x, p->input_c, vector);
            eq_lstm_step_dsp(p, vector, now, weights, recurrent, middle, sums, cells, next);
            eq_lstm_write_dsp(p, next, p->cells, y);
            now = next;
            next = before;
            x += p->step_input * bytes;
            y += p->step_output * bytes;
        }
        eq_lstm_write_dsp(p, now, p->cells, state);
        cells += p->cells;
    }
}

EQ_KERNEL void eq_lstm_dsp_s8(const eq_lstm_dsp_params *p, const int8_t *input,
                              const uint32_t *weights, const uint32_t *recurrent,
                              const int16_t *curve, int8_t *hidden, int16_t *cells, void *scratch,
                              int8_t *output)
{
    eq_lstm_dsp(p, input, weights, recurrent, curve, hidden, cells, scratch, output);
}

EQ_KERNEL void eq_lstm_dsp_s16(const eq_lstm_dsp_params *p, const int16_t *input,
                               const uint32_t *weights, const uint32_t *recurrent,
                               const int16_t *curve, int16_t *hidden, int16_t *cells, void *scratch,
                               int16_t *output)
{
    eq_lstm_dsp(p, input, weights, recurrent, curve, hidden, cells, scratch, output);
}

#endif
