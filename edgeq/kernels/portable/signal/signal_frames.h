/* SignalFramer, SignalStacker, SignalDelay and SignalOverlapAdd, portable C: signals that are cut
 * up, put together or held back, with what is left over kept for the next call.
 */
#ifndef EQ_SIGNAL_FRAMES_H
#define EQ_SIGNAL_FRAMES_H

#include "eq_base.h"

typedef struct {
    int32_t rows, frames;
    int32_t frame_size, frame_step;
    int32_t kept;   /* samples of each row that stay for the next frame */
    int32_t needed; /* steps until the first frame is full */
} eq_signal_framer_params;

/* `state` is the samples kept of each row and, behind them, the steps seen so far. Frames before
 * the first full one are zeros. */
EQ_KERNEL void eq_signal_framer(const eq_signal_framer_params *p, const int16_t *input,
                                int16_t *state, int16_t *output, uint8_t *valid)
{
    int16_t *steps = state + p->rows * p->kept;
    const int32_t before = *steps;
    for (int32_t row = 0; row < p->rows; row++, state += p->kept) {
        for (int32_t frame = 0; frame < p->frames; frame++) {
            const int32_t full = before + frame + 1 >= p->needed;
            for (int32_t i = 0; i < p->frame_size; i++) {
                const int16_t sample = i < p->kept ? state[i] : input[i - p->kept];
                *output++ = (int16_t)(full ? sample : 0);
            }
            for (int32_t i = 0; i < p->kept; i++) {
                const int32_t from = i + p->frame_step;
                state[i] = from < p->kept ? state[from] : input[from - p->kept];
            }
            input += p->frame_step;
        }
    }
    *valid = (uint8_t)(before + 1 >= p->needed);
    *steps = (int16_t)eq_min(before + p->frames, p->needed);
}

typedef struct {
    int32_t channels;
    int32_t slots;  /* frames in an output */
    int32_t copies; /* of the first frame, to pad */
    int32_t step;   /* frames that leave after an output */
} eq_signal_stacker_params;

/* `state` is the frames that wait and, behind them, how many they are and whether the stream has
 * started. An output before enough frames are there is zeros. */
EQ_KERNEL void eq_signal_stacker(const eq_signal_stacker_params *p, const int16_t *input,
                                 int16_t *state, int16_t *output, uint8_t *valid)
{
    const int32_t size = p->slots * p->channels;
    int16_t *count = state + size, *started = state + size + 1;
    const int32_t copies = *started ? 1 : 1 + p->copies;
    for (int32_t i = 0; i < copies; i++) {
        memcpy(state + *count * p->channels, input, (size_t)p->channels * sizeof(*state));
        *count = (int16_t)(*count + 1);
    }
    *started = 1;
    *valid = (uint8_t)(*count == p->slots);
    if (!*valid) {
        memset(output, 0, (size_t)size * sizeof(*output));
        return;
    }
    memcpy(output, state, (size_t)size * sizeof(*output));
    *count = (int16_t)(*count - p->step);
    memmove(state, state + p->step * p->channels, (size_t)(*count * p->channels) * sizeof(*state));
}

typedef struct {
    int32_t rows, length, delay;
} eq_signal_delay_params;

/* `state` is the last `delay` samples of each row. */
EQ_KERNEL void eq_signal_delay(const eq_signal_delay_params *p, const int16_t *input,
                               int16_t *state, int16_t *output)
{
    for (int32_t row = 0; row < p->rows; row++) {
        for (int32_t i = 0; i < p->length; i++) {
            output[i] = i < p->delay ? state[i] : input[i - p->delay];
        }
        for (int32_t i = 0; i < p->delay; i++) {
            const int32_t from = i + p->length;
            state[i] = from < p->delay ? state[from] : input[from - p->delay];
        }
        input += p->length;
        output += p->length;
        state += p->delay;
    }
}

typedef struct {
    int32_t rows, frames;
    int32_t frame_size, frame_step;
} eq_signal_overlap_add_params;

EQ_KERNEL int16_t eq_overlap_sum_s16(int16_t a, int16_t b)
{
    return (int16_t)eq_clamp((int32_t)a + b, INT16_MIN, INT16_MAX);
}

EQ_KERNEL float eq_overlap_sum_f32(float a, float b)
{
    return a + b;
}

/* `state` is, for each row, the sums that are not complete. */
#define EQ_SIGNAL_OVERLAP_ADD(t, type)                                                             \
    EQ_KERNEL void eq_signal_overlap_add_##t(const eq_signal_overlap_add_params *p,                \
                                             const type *input, type *state, type *output)         \
    {                                                                                              \
        const int32_t rest = p->frame_size - p->frame_step;                                        \
        for (int32_t row = 0; row < p->rows; row++, state += p->frame_size) {                      \
            for (int32_t frame = 0; frame < p->frames; frame++) {                                  \
                for (int32_t i = 0; i < p->frame_size; i++) {                                      \
                    state[i] = eq_overlap_sum_##t(*input++, state[i]);                             \
                }                                                                                  \
                memcpy(output, state, (size_t)p->frame_step * sizeof(*output));                    \
                memmove(state, state + p->frame_step, (size_t)rest * sizeof(*state));              \
                memset(state + rest, 0, (size_t)p->frame_step * sizeof(*state));                   \
                output += p->frame_step;                                                           \
            }                                                                                      \
        }                                                                                          \
    }

EQ_SIGNAL_OVERLAP_ADD(s16, int16_t)
EQ_SIGNAL_OVERLAP_ADD(f32, float)

#endif
