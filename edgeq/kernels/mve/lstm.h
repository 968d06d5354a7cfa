/* UNIDIRECTIONAL_SEQUENCE_LSTM with MVE, int8 and int16 activations: the sums of a cell's four
 * gates are one group of rows (eq_rows_mve.h), read from input and hidden state as they are; what
 * follows the sums is done for four cells at a time.
 */
#ifndef EQ_LSTM_MVE_H
#define EQ_LSTM_MVE_H

#include <arm_mve.h>

#include "eq_base.h"
#include "eq_lstm_dsp.h"
#include "eq_requantize_mve.h"
#include "eq_rows_mve.h"

/* The sums of `count` cells; returns the weights of the next ones. */
EQ_KERNEL const int8_t *eq_lstm_sums_mve(const eq_lstm_dsp_params *p, const int8_t *weights,
                                         const void *vector, int32_t values, int32_t *sums,
                                         int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t gates[EQ_ROWS_MVE_GROUP];
        weights = p->wide ? eq_four_rows_mve_s16(weights, vector, values, gates)
                          : eq_four_rows_mve_s8(weights, vector, values, gates);
        memcpy(sums, gates, sizeof gates);
        sums += EQ_ROWS_MVE_GROUP;
    }
    return weights;
}

/* Four values saturated to 16 bits, each in the lower half of its word; the upper one is anything.
 */
EQ_KERNEL int16x8_t eq_halves_mve(int32x4_t x)
{
    return vqmovnbq_s32(vreinterpretq_s16_s32(x), x);
}

/* As eq_scale_to_s16_dsp, before it saturates. */
EQ_KERNEL int32x4_t eq_scaled_mve(int32x4_t x, int32_t doubled, int32_t shift)
{
    const int32_t multiplier = (int32_t)((uint32_t)doubled >> 1);
    if (shift >= 0) {
        return vqrdmulhq_n_s32(vshlq_r_s32(x, shift), multiplier);
    }
    return vrshlq_n_s32(eq_ties_away_mve(vqrdmulhq_n_s32(x, multiplier)), shift);
}

/* Sums to Q3.12. */
EQ_KERNEL int16x8_t eq_lstm_scale_mve(const eq_lstm_dsp_params *p, int32x4_t sums, int32_t doubled,
                                      int32_t shift)
{
    if (p->wide) {
        return eq_halves_mve(vrmulhq_s32(vshlq_r_s32(sums, shift), vdupq_n_s32(doubled)));
    }
    return eq_halves_mve(eq_scaled_mve(sums, doubled, shift));
}

/* Four int16 values at `base` + `at`, and those behind them. */
EQ_KERNEL int32x4_t eq_nodes_mve(const int16_t *base, int32x4_t at, int32x4_t *behind)
{
    int32x4_t x, y;
    __asm__ volatile("vldrh.s32 %q0, [%2, %q4, uxtw #1]\n\t"
                     "vldrh.s32 %q1, [%3, %q4, uxtw #1]"
                     : "=&w"(x), "=&w"(y)
                     : "r"(base), "r"(base + 1), "w"(at)
                     : "memory");
    *behind = y;
    return x;
}

/* Nodes `piece` of eq_curves_dsp.h and the next, weighed by 2^`bits` - `rest` and `rest`. */
EQ_KERNEL int32x4_t eq_curve_mve(const int16_t *middle, int32x4_t piece, int32x4_t rest, int bits)
{
    int32x4_t behind;
    const int32x4_t node = eq_nodes_mve(middle, piece, &behind);
    return vaddq_s32(vshlq_r_s32(node, bits), vmulq_s32(vsubq_s32(behind, node), rest));
}

/* eq_logistic_dsp of four positions. */
EQ_KERNEL int32x4_t eq_logistic_mve(const int16_t *middle, int32x4_t position)
{
    const int32x4_t rest = vandq_s32(position, vdupq_n_s32(0x1FF));
    const int32x4_t x = eq_curve_mve(middle, vshrq_n_s32(position, 9), rest, 9);
    const int32x4_t side = vaddq_n_s32(vshrq_n_s32(position, 31), (1 << 24) + (1 << 9));
    return vshrq_n_s32(vaddq_s32(x, side), 10);
}

/* eq_tanh_dsp of four positions. */
EQ_KERNEL int32x4_t eq_tanh_mve(const int16_t *middle, int32x4_t position)
{
    const int32x4_t near =
        vminq_s32(vmaxq_s32(position, vdupq_n_s32(-(1 << 16))), vdupq_n_s32((1 << 16) - 1));
    const int32x4_t rest = vandq_s32(near, vdupq_n_s32(0xFF));
    const int32x4_t x = eq_curve_mve(middle, vshrq_n_s32(near, 8), rest, 8);
    const int32x4_t side = vaddq_n_s32(vshrq_n_s32(position, 31), 1 << 7);
    return vshrq_n_s32(vaddq_s32(x, side), 8);
}

/* What gate k of four cells lets through, in Q0.15. */
EQ_KERNEL int32x4_t eq_lstm_gate_mve(const eq_lstm_dsp_params *p, int32_t k, const int32_t *sums,
                                     const int16_t *middle)
{
    const uint32x4_t at = vidupq_n_u32(0, 8);
    const int8_t *input = (const int8_t *)(sums + k);
    const int8_t *hidden = (const int8_t *)(sums + 4 * EQ_LSTM_CELLS + k);
    const uint32x4_t offsets = vaddq_u32(at, at);
    const int32x4_t from_input = vreinterpretq_s32_s8(eq_gather_words_mve(input, offsets));
    const int32x4_t from_hidden = vreinterpretq_s32_s8(eq_gather_words_mve(hidden, offsets));
    const int16x8_t a = eq_lstm_scale_mve(p, from_input, p->input_doubled[k], p->input_shift[k]);
    const int16x8_t b =
        eq_lstm_scale_mve(p, from_hidden, p->recurrent_doubled[k], p->recurrent_shift[k]);
    const int32x4_t position = vmulq_n_s32(vmovlbq_s16(vqaddq_s16(a, b)), 3);
    return k == 2 ? eq_tanh_mve(middle, position) : eq_logistic_mve(middle, position);
}

/* Four cells from what the first three gates let through. */
EQ_KERNEL int32x4_t eq_lstm_cell_mve(const eq_lstm_dsp_params *p, int32x4_t cell, int32x4_t in,
                                     int32x4_t kept, int32x4_t added)
{
    const int32x4_t old = eq_scaled_mve(vmulq_s32(kept, cell), p->forget_doubled, p->forget_shift);
    const int32x4_t new = eq_scaled_mve(vmulq_s32(in, added), p->cell_doubled, p->cell_shift);
    const int32x4_t sum = vmovlbq_s16(vqaddq_s16(eq_halves_mve(old), eq_halves_mve(new)));
    if (p->cell_clip < 0) {
        return sum;
    }
    return vminq_s32(vmaxq_s32(sum, vdupq_n_s32(-p->cell_clip)), vdupq_n_s32(p->cell_clip));
}

/* The hidden state of four cells, in the type of the activations. */
EQ_KERNEL int32x4_t eq_lstm_hidden_mve(const eq_lstm_dsp_params *p, int32x4_t cell, int32x4_t gate,
                                       const int16_t *middle)
{
    int32x4_t position = vmulq_n_s32(cell, p->tanh_multiplier);
    if (p->tanh_shift > 0) {
        position = vrshlq_n_s32(position, -p->tanh_shift);
    }
    const int32x4_t product = vmulq_s32(eq_tanh_mve(middle, position), gate);
    const int32x4_t x =
        vmovlbq_s16(eq_halves_mve(eq_scaled_mve(product, p->hidden_doubled, p->hidden_shift)));
    if (p->wide) {
        return x;
    }
    return vminq_s32(vmaxq_s32(vaddq_n_s32(x, p->hidden_zero_point), vdupq_n_s32(INT8_MIN)),
                     vdupq_n_s32(INT8_MAX));
}

/* `count` cells, at most EQ_LSTM_CELLS, from the sums of their gates. */
EQ_KERNEL void eq_lstm_cells_mve(const eq_lstm_dsp_params *p, const int32_t *sums, int32_t count,
                                 const int16_t *middle, int16_t *cells, int8_t *next)
{
    for (int32_t i = 0; i < count; i += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)(count - i));
        const int32x4_t in = eq_lstm_gate_mve(p, 0, sums + 4 * i, middle);
        const int32x4_t kept = eq_lstm_gate_mve(p, 1, sums + 4 * i, middle);
        const int32x4_t added = eq_lstm_gate_mve(p, 2, sums + 4 * i, middle);
        const int32x4_t before = vldrhq_z_s32(cells + i, some);
        const int32x4_t cell = eq_lstm_cell_mve(p, before, in, kept, added);
        vstrhq_p_s32(cells + i, cell, some);
        const int32x4_t shown = eq_lstm_gate_mve(p, 3, sums + 4 * i, middle);
        const int32x4_t hidden = eq_lstm_hidden_mve(p, cell, shown, middle);
        if (p->wide) {
            vstrhq_p_s32((int16_t *)(void *)next + i, hidden, some);
        } else {
            vstrbq_p_s32(next + i, hidden, some);
        }
    }
}

/* One time step: the next hidden state. */
EQ_KERNEL void eq_lstm_step_mve(const eq_lstm_dsp_params *p, const void *input, const void *hidden,
                                const int8_t *weights, const int8_t *recurrent,
                                const int16_t *middle, int32_t *sums, int16_t *cells, int8_t *next)
{
    for (int32_t done = 0; done < p->cells; done += EQ_LSTM_CELLS) {
        const int32_t count = eq_min(EQ_LSTM_CELLS, p->cells - done);
        weights = eq_lstm_sums_mve(p, weights, input, p->input_c, sums, count);
        recurrent =
            eq_lstm_sums_mve(p, recurrent, hidden, p->cells, sums + 4 * EQ_LSTM_CELLS, count);
        eq_lstm_cells_mve(p, sums, count, middle, cells + done, next + done * (p->wide ? 2 : 1));
    }
}

/* `input`, `hidden` and `output` are int8 or int16. The hidden state of a step is the output of the
 * one before. `scratch`: the sums of EQ_LSTM_CELLS cells, 8 words each. */
EQ_KERNEL void eq_lstm_mve(const eq_lstm_dsp_params *p, const void *input, const int8_t *weights,
                           const int8_t *recurrent, const int16_t *curve, void *hidden,
                           int16_t *cells, void *scratch, void *output)
{
    const int16_t *middle = curve + EQ_CURVE_MIDDLE;
    const int32_t bytes = p->wide ? 2 : 1;
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *x = (const int8_t *)input + b * p->batch_input * bytes;
        int8_t *y = (int8_t *)output + b * p->batch_output * bytes;
        int8_t *state = (int8_t *)hidden + b * p->cells * bytes;
        const int8_t *now = state;
        for (int32_t t = 0; t < p->steps; t++) {
            eq_lstm_step_mve(p, x, now, weights, recurrent, middle, scratch, cells, y);
            now = y;
            x += p->step_input * bytes;
            y += p->step_output * bytes;
        }
        memmove(state, now, (size_t)(p->cells * bytes));
        cells += p->cells;
    }
}

EQ_KERNEL void eq_lstm_mve_s8(const eq_lstm_dsp_params *p, const int8_t *input,
                              const int8_t *weights, const int8_t *recurrent, const int16_t *curve,
                              int8_t *hidden, int16_t *cells, void *scratch, int8_t *output)
{
    eq_lstm_mve(p, input, weights, recurrent, curve, hidden, cells, scratch, output);
}

EQ_KERNEL void eq_lstm_mve_s16(const eq_lstm_dsp_params *p, const int16_t *input,
                               const int8_t *weights, const int8_t *recurrent, const int16_t *curve,
                               int16_t *hidden, int16_t *cells, void *scratch, int16_t *output)
{
    eq_lstm_mve(p, input, weights, recurrent, curve, hidden, cells, scratch, output);
}

#endif
