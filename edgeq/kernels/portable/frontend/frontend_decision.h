/* From scores to events, portable C: a mean of the last answers, thresholds with hysteresis, how
 * often in a row, how long apart. Integers only; times are counted in answers.
 */
#ifndef EQ_FRONTEND_DECISION_H
#define EQ_FRONTEND_DECISION_H

#include <stddef.h>

#include "eq_base.h"

typedef struct {
    int32_t classes;
    int32_t average;     /* answers whose mean counts */
    int32_t min_count;   /* answers in a row that an event takes */
    int32_t refractory;  /* answers from one event of a class to its next */
    int32_t suppression; /* of events that are so close the strongest stays */
    int32_t top_k;       /* classes with the highest means that can make events */
    int32_t queue;       /* events that wait to be taken */
    int32_t first, step; /* samples until the first answer, and to the next */
    int32_t settling;    /* answers at the beginning whose scores are 0 */
} eq_frontend_decision_params;

/* What is remembered: these, the events that wait (label, score, sample), and four numbers a class:
 * the sum of its last scores, answers in a row above the threshold, answers until it may make an
 * event again, and whether it has made one and not fallen since. */
enum {
    EQ_DECISION_ANSWERS, /* so far */
    EQ_DECISION_AT,      /* place of the oldest scores */
    EQ_DECISION_OLDEST,  /* place of the oldest event */
    EQ_DECISION_WAITING, /* events */
    EQ_DECISION_BEST,    /* 1 + the label that may yet have a stronger neighbour; 0 for none */
    EQ_DECISION_SCORE,   /* of it */
    EQ_DECISION_SAMPLE,
    EQ_DECISION_AGE, /* answers since */
    EQ_DECISION_EVENTS
};

EQ_KERNEL void eq_frontend_emit(const eq_frontend_decision_params *p, int32_t *state, int32_t label,
                                int32_t score, int32_t sample)
{
    if (state[EQ_DECISION_WAITING] == p->queue) {
        state[EQ_DECISION_OLDEST] = (state[EQ_DECISION_OLDEST] + 1) % p->queue;
        state[EQ_DECISION_WAITING]--;
    }
    const int32_t place = (state[EQ_DECISION_OLDEST] + state[EQ_DECISION_WAITING]) % p->queue;
    int32_t *event = state + EQ_DECISION_EVENTS + 3 * place;
    event[0] = label;
    event[1] = score;
    event[2] = sample;
    state[EQ_DECISION_WAITING]++;
}

/* One answer: `scores` in 1/32768. `limits` holds thresholds and releases times `average`, of all
 * classes each; `history` the scores of the last answers. `ready`: events that wait. */
EQ_KERNEL void eq_frontend_decision(const eq_frontend_decision_params *p, const int16_t *scores,
                                    const int32_t *limits, int32_t *state, int16_t *history,
                                    int32_t *ready)
{
    const int32_t classes = p->classes;
    int32_t *sums = state + EQ_DECISION_EVENTS + 3 * p->queue;
    int32_t *above = sums + classes, *wait = above + classes, *held = wait + classes;
    int16_t *oldest = history + state[EQ_DECISION_AT] * classes;
    const uint32_t answer = (uint32_t)state[EQ_DECISION_ANSWERS];
    const int32_t sample = (int32_t)((uint32_t)p->first + answer * (uint32_t)p->step);
    state[EQ_DECISION_ANSWERS] = (int32_t)(answer + 1u);
    state[EQ_DECISION_AT] = (state[EQ_DECISION_AT] + 1) % p->average;
    for (int32_t c = 0; c < classes; c++) {
        const int16_t score = answer < (uint32_t)p->settling ? 0 : scores[c];
        sums[c] += (int32_t)score - oldest[c]; /* at most 2^15 times 1024 */
        oldest[c] = score;
    }
    for (int32_t c = 0; c < classes; c++) {
        int32_t higher = 0;
        if (sums[c] >= limits[c]) {
            for (int32_t k = 0; k < classes; k++) {
                higher += sums[k] > sums[c] || (sums[k] == sums[c] && k < c);
            }
        }
        wait[c] -= wait[c] > 0;
        held[c] = held[c] && sums[c] >= limits[classes + c];
        if (sums[c] < limits[c] || higher >= p->top_k) {
            above[c] = 0;
            continue;
        }
        above[c] += above[c] < p->min_count;
        if (held[c] || wait[c] > 0 || above[c] < p->min_count) {
            continue;
        }
        held[c] = 1;
        const int32_t score = sums[c] / p->average;
        if (p->suppression == 0) {
            eq_frontend_emit(p, state, c, score, sample);
            wait[c] = p->refractory;
        } else if (state[EQ_DECISION_BEST] == 0 || score > state[EQ_DECISION_SCORE]) {
            state[EQ_DECISION_BEST] = c + 1;
            state[EQ_DECISION_SCORE] = score;
            state[EQ_DECISION_SAMPLE] = sample;
            state[EQ_DECISION_AGE] = 0;
        }
    }
    if (state[EQ_DECISION_BEST] > 0) {
        if (state[EQ_DECISION_AGE] < p->suppression) {
            state[EQ_DECISION_AGE]++;
        } else {
            const int32_t c = state[EQ_DECISION_BEST] - 1;
            eq_frontend_emit(p, state, c, state[EQ_DECISION_SCORE], state[EQ_DECISION_SAMPLE]);
            wait[c] = p->refractory > p->suppression ? p->refractory - p->suppression : 0;
            state[EQ_DECISION_BEST] = 0;
        }
    }
    *ready = state[EQ_DECISION_WAITING];
}

/* The oldest event (label, score, sample), taken; NULL where there is none. */
EQ_KERNEL const int32_t *eq_frontend_take(int32_t *state, int32_t queue)
{
    if (state[EQ_DECISION_WAITING] == 0) {
        return NULL;
    }
    const int32_t *event = state + EQ_DECISION_EVENTS + 3 * state[EQ_DECISION_OLDEST];
    state[EQ_DECISION_OLDEST] = (state[EQ_DECISION_OLDEST] + 1) % queue;
    state[EQ_DECISION_WAITING]--;
    return event;
}

#endif
