/* UNIDIRECTIONAL_SEQUENCE_LSTM, int8 and int16 activations, int8 weights, int16 cells; portable C.
 * Gates in the order input, forget, cell, output. */
#ifndef EQ_LSTM_H
#define EQ_LSTM_H

#include "eq_sigmoid_s16.h"
#include "eq_wide.h"

typedef struct {
    int32_t batches, steps, input_c, cells;
    int32_t batch_input, step_input; /* elements from batch to batch, from step to step */
    int32_t batch_output, step_output;
    int32_t input_multiplier[4],
        input_shift[4]; /* sums to Q3.12; shifts as the kernel takes them */
    int32_t recurrent_multiplier[4], recurrent_shift[4];
    int32_t forget_multiplier, forget_shift; /* products to the cell's scale */
    int32_t cell_multiplier, cell_shift;
    int32_t hidden_multiplier, hidden_shift, hidden_zero_point;
    int32_t hidden_min, hidden_max;
    int32_t tanh_multiplier, tanh_shift; /* the cell's scale to the table's */
    int32_t cell_clip;                   /* -1: none */
} eq_lstm_params;

EQ_KERNEL int32_t eq_saturate_s16(int32_t x)
{
    return eq_clamp(x, INT16_MIN, INT16_MAX);
}

EQ_WIDE int32_t eq_scale_wide(int64_t acc, int32_t multiplier, int32_t shift)
{
    return (int32_t)((acc * multiplier + ((int64_t)1 << (shift - 1))) >> shift);
}

EQ_KERNEL int32_t eq_lstm_cell(const eq_lstm_params *p, int32_t cell, const int32_t *gate)
{
    const int32_t kept = eq_saturate_s16(
        eq_multiply_by_quantized_multiplier(gate[1] * cell, p->forget_multiplier, p->forget_shift));
    const int32_t added = eq_saturate_s16(
        eq_multiply_by_quantized_multiplier(gate[0] * gate[2], p->cell_multiplier, p->cell_shift));
    const int32_t sum = eq_saturate_s16(kept + added);
    return p->cell_clip >= 0 ? eq_clamp(sum, -p->cell_clip, p->cell_clip) : sum;
}

EQ_KERNEL int32_t eq_lstm_hidden(const eq_lstm_params *p, const uint16_t *table, int32_t cell,
                                 int32_t output_gate)
{
    const int32_t squashed = eq_tanh_one_s16(table, cell, p->tanh_multiplier, p->tanh_shift);
    const int32_t scaled = eq_multiply_by_quantized_multiplier(
        squashed * output_gate, p->hidden_multiplier, p->hidden_shift);
    return eq_clamp(scaled + p->hidden_zero_point, p->hidden_min, p->hidden_max);
}

/* The biases hold the zero points of input and hidden state times the sums of the weights; `next`
 * has room for the hidden state of one batch. Accumulators are bounded by the host. */
#define EQ_LSTM(name, type, sum_type, scaled)                                                      \
    EQ_KERNEL int32_t name##_gate(const eq_lstm_params *p, int32_t k, int32_t cell,                \
                                  const type *input, const type *hidden, const int8_t *weights,    \
                                  const int8_t *recurrent, const sum_type *bias,                   \
                                  const sum_type *recurrent_bias, const uint16_t *table)           \
    {                                                                                              \
        const int32_t row = k * p->cells + cell;                                                   \
        const int8_t *w = weights + row * p->input_c;                                              \
        const int8_t *r = recurrent + row * p->cells;                                              \
        sum_type a = bias[row];                                                                    \
        sum_type b = recurrent_bias[row];                                                          \
        for (int32_t c = 0; c < p->input_c; c++) {                                                 \
            a += (int32_t)input[c] * w[c];                                                         \
        }                                                                                          \
        for (int32_t c = 0; c < p->cells; c++) {                                                   \
            b += (int32_t)hidden[c] * r[c];                                                        \
        }                                                                                          \
        const int32_t from_input =                                                                 \
            eq_saturate_s16(scaled(a, p->input_multiplier[k], p->input_shift[k]));                 \
        const int32_t from_hidden =                                                                \
            eq_saturate_s16(scaled(b, p->recurrent_multiplier[k], p->recurrent_shift[k]));         \
        const int32_t x = eq_saturate_s16(from_input + from_hidden);                               \
        return k == 2 ? eq_tanh_one_s16(table, x, 3, 0) : eq_logistic_one_s16(table, x, 3, 0);     \
    }                                                                                              \
                                                                                                   \
    EQ_KERNEL void name(const eq_lstm_params *p, const type *input, const int8_t *weights,         \
                        const int8_t *recurrent, const sum_type *bias,                             \
                        const sum_type *recurrent_bias, const uint16_t *table, type *hidden,       \
                        int16_t *cells, void *scratch, type *output)                               \
    {                                                                                              \
        type *next = scratch;                                                                      \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t t = 0; t < p->steps; t++) {                                               \
                const type *x = input + b * p->batch_input + t * p->step_input;                    \
                type *y = output + b * p->batch_output + t * p->step_output;                       \
                for (int32_t i = 0; i < p->cells; i++) {                                           \
                    int32_t gate[4];                                                               \
                    for (int32_t k = 0; k < 4; k++) {                                              \
                        gate[k] = name##_gate(p, k, i, x, hidden, weights, recurrent, bias,        \
                                              recurrent_bias, table);                              \
                    }                                                                              \
                    cells[i] = (int16_t)eq_lstm_cell(p, cells[i], gate);                           \
                    next[i] = (type)eq_lstm_hidden(p, table, cells[i], gate[3]);                   \
                }                                                                                  \
                memcpy(hidden, next, (size_t)p->cells * sizeof(*next));                            \
                memcpy(y, next, (size_t)p->cells * sizeof(*next));                                 \
            }                                                                                      \
            hidden += p->cells;                                                                    \
            cells += p->cells;                                                                     \
        }                                                                                          \
    }

EQ_LSTM(eq_lstm_s8, int8_t, int32_t, eq_multiply_by_quantized_multiplier)
EQ_LSTM(eq_lstm_s16, int16_t, int64_t, eq_scale_wide)

#endif
