/* From a detector's answer to events with boxes, portable C: anchors, thresholds, the strongest of
 * those that overlap. Integers only. Lengths are in 1/32768 of the picture.
 */
#ifndef EQ_FRONTEND_DETECTION_H
#define EQ_FRONTEND_DETECTION_H

#include <stddef.h>

#include "eq_base.h"

typedef struct {
    int32_t count;                  /* boxes that the model gives */
    int32_t classes;                /* of them */
    int32_t box_step, box_part;     /* number n of box b lies at b * step + n * part */
    int32_t y, x, h, w;             /* numbers of a box: its centre and size, or its corners */
    int32_t score_step, score_part; /* as those of boxes */
    int32_t score;                  /* number of the first class */
    int32_t objectness;             /* number of the score for any object at all; -1 for none */
    int32_t box_wide, score_wide;   /* whether numbers are int16 */
    int32_t boxed;                  /* whether there are numbers of boxes */
    int32_t corners;                /* whether they are corners */
    int32_t anchored;               /* whether they are measured from anchors */
    int32_t levels;                 /* grids of anchors; 0 where there is one for each box */
    int32_t step_y, step_x;         /* what a centre is moved by; 0 for the anchor's size */
    int32_t per_class;              /* whether only boxes of the same class are compared */
    int32_t top_k;                  /* so many highest scores become boxes */
    int32_t most, most_of_class;    /* boxes that stay */
    int32_t overlap;                /* of the union, in 1/32768, beyond which the weaker goes */
    int32_t queue;                  /* events that wait to be taken */
    int32_t first, step;            /* samples until the first answer, and to the next */
} eq_frontend_detection_params;

/* Tables, in flash. Those of values have a place for each value of an int8 number; of an int16 one
 * 513, and what lies between two of them is on a line. */
typedef struct {
    const int32_t *limits;   /* thresholds of the classes, in 1/32768 */
    const int32_t *scores;   /* in 1/32768, by value */
    const int32_t *centers;  /* in 1/65536 of what a centre is moved by, by value */
    const int32_t *sizes;    /* in 1/65536 of the anchor, by value */
    const uint16_t *anchors; /* y, x, h, w of each box, or h, w of the anchors of cells */
    const int32_t *levels;   /* rows, columns, anchors of a cell, the first of them */
} eq_detection_tables;

/* What is remembered: these, and the events that wait: label, score, sample, xmin and ymin, xmax
 * and ymax. */
enum {
    EQ_DETECTION_ANSWERS, /* so far */
    EQ_DETECTION_OLDEST,  /* place of the oldest event */
    EQ_DETECTION_WAITING, /* events */
    EQ_DETECTION_EVENTS
};
#define EQ_DETECTION_WORDS 5

typedef struct {
    int32_t ymin, xmin, ymax, xmax;
} eq_detection_box;

EQ_KERNEL int32_t eq_detection_value(const int32_t *table, const void *numbers, int32_t at,
                                     int32_t wide)
{
    if (!wide) {
        return table[((const int8_t *)numbers)[at] + 128];
    }
    const int32_t place = ((const int16_t *)numbers)[at] + 32768;
    const int32_t low = table[place >> 7], high = table[(place >> 7) + 1];
    /* Neighbours are at most 2^22 apart. */
    return low + (((high - low) * (place & 127) + 64) >> 7);
}

EQ_KERNEL int32_t eq_detection_score(const eq_frontend_detection_params *p,
                                     const eq_detection_tables *t, const void *scores, int32_t box,
                                     int32_t class, int32_t object)
{
    const int32_t at = box * p->score_step + (p->score + class) * p->score_part;
    const int32_t score = eq_detection_value(t->scores, scores, at, p->score_wide);
    return p->objectness < 0 ? score : (score * object + 16384) >> 15;
}

/* The highest scores, pairs of score and number, in order; the earlier of two equal ones first. */
EQ_KERNEL int32_t eq_detection_insert(int32_t *list, int32_t count, int32_t most, int32_t score,
                                      int32_t number)
{
    if (count == most && score <= list[2 * most - 2]) {
        return count;
    }
    int32_t at = count < most ? count : most - 1;
    for (; at > 0 && list[2 * at - 2] < score; at--) {
        list[2 * at] = list[2 * at - 2];
        list[2 * at + 1] = list[2 * at - 1];
    }
    list[2 * at] = score;
    list[2 * at + 1] = number;
    return count < most ? count + 1 : count;
}

EQ_KERNEL int32_t eq_detection_collect(const eq_frontend_detection_params *p,
                                       const eq_detection_tables *t, const void *scores,
                                       int32_t *list)
{
    int32_t count = 0;
    for (int32_t b = 0; b < p->count; b++) {
        int32_t object = 0, best = -1, highest = -1;
        if (p->objectness >= 0) {
            const int32_t at = b * p->score_step + p->objectness * p->score_part;
            object = eq_detection_value(t->scores, scores, at, p->score_wide);
        }
        for (int32_t c = 0; c < p->classes; c++) {
            if (t->limits[c] > 32767) {
                continue;
            }
            const int32_t score = eq_detection_score(p, t, scores, b, c, object);
            if (!p->per_class) {
                best = score > highest ? c : best;
                highest = score > highest ? score : highest;
            } else if (score >= t->limits[c]) {
                count = eq_detection_insert(list, count, p->top_k, score, b * p->classes + c);
            }
        }
        if (best >= 0 && highest >= t->limits[best]) {
            count = eq_detection_insert(list, count, p->top_k, highest, b * p->classes + best);
        }
    }
    return count;
}

/* The anchor of a box: centre and size; the picture itself where there are none. */
EQ_KERNEL void eq_detection_anchor(const eq_frontend_detection_params *p,
                                   const eq_detection_tables *t, int32_t box, int32_t *anchor)
{
    if (p->levels == 0) {
        for (int32_t k = 0; k < 4; k++) {
            anchor[k] = p->anchored ? t->anchors[4 * box + k] : k < 2 ? 0 : 32768;
        }
        return;
    }
    const int32_t *level = t->levels;
    for (int32_t k = 1; k < p->levels && box >= level[0] * level[1] * level[2]; k++) {
        box -= level[0] * level[1] * level[2];
        level += 4;
    }
    const int32_t cell = box / level[2], size = level[3] + box % level[2];
    const int32_t row = cell / level[1], column = cell % level[1];
    anchor[0] = ((2 * row + 1) * 32768 + level[0]) / (2 * level[0]);
    anchor[1] = ((2 * column + 1) * 32768 + level[1]) / (2 * level[1]);
    anchor[2] = t->anchors[2 * size];
    anchor[3] = t->anchors[2 * size + 1];
}

/* a * b / 65536, rounded. */
EQ_KERNEL int32_t eq_detection_times(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + 32768) >> 16);
}

EQ_KERNEL int32_t eq_detection_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* Lengths of at most four pictures, so that areas have 34 bits. */
EQ_KERNEL eq_detection_box eq_detection_decode(const eq_frontend_detection_params *p,
                                               const eq_detection_tables *t, const void *boxes,
                                               int32_t box)
{
    int32_t anchor[4], moved[4] = {0, 0, 65536, 65536};
    eq_detection_anchor(p, t, box, anchor);
    const int32_t at[4] = {p->y, p->x, p->h, p->w};
    for (int32_t k = 0; k < 4 && p->boxed; k++) {
        const int32_t *table = k < 2 ? t->centers : t->sizes;
        const int32_t place = box * p->box_step + at[k] * p->box_part;
        moved[k] = eq_detection_value(table, boxes, place, p->box_wide);
    }
    if (p->corners) {
        const eq_detection_box found = {(moved[0] + 1) >> 1, (moved[1] + 1) >> 1,
                                        (moved[2] + 1) >> 1, (moved[3] + 1) >> 1};
        return found;
    }
    const int32_t y = anchor[0] + eq_detection_times(p->step_y ? p->step_y : anchor[2], moved[0]);
    const int32_t x = anchor[1] + eq_detection_times(p->step_x ? p->step_x : anchor[3], moved[1]);
    const int32_t h = eq_detection_clamp(eq_detection_times(anchor[2], moved[2]), 0, 131072);
    const int32_t w = eq_detection_clamp(eq_detection_times(anchor[3], moved[3]), 0, 131072);
    const eq_detection_box found = {y - (h >> 1), x - (w >> 1), y - (h >> 1) + h, x - (w >> 1) + w};
    return found;
}

EQ_KERNEL uint64_t eq_detection_area(const eq_detection_box *a)
{
    const int32_t h = a->ymax - a->ymin, w = a->xmax - a->xmin;
    return h > 0 && w > 0 ? (uint64_t)h * (uint64_t)w : 0u;
}

/* Whether the intersection is more than so much of the union. */
EQ_KERNEL int eq_detection_overlaps(const eq_detection_box *a, const eq_detection_box *b,
                                    int32_t overlap)
{
    const eq_detection_box shared = {
        a->ymin > b->ymin ? a->ymin : b->ymin, a->xmin > b->xmin ? a->xmin : b->xmin,
        a->ymax < b->ymax ? a->ymax : b->ymax, a->xmax < b->xmax ? a->xmax : b->xmax};
    const uint64_t both = eq_detection_area(&shared);
    const uint64_t all = eq_detection_area(a) + eq_detection_area(b) - both;
    return both * 32768u > all * (uint64_t)overlap;
}

EQ_KERNEL void eq_detection_emit(const eq_frontend_detection_params *p, int32_t *state,
                                 int32_t label, int32_t score, int32_t sample,
                                 const eq_detection_box *box)
{
    if (state[EQ_DETECTION_WAITING] == p->queue) {
        state[EQ_DETECTION_OLDEST] = (state[EQ_DETECTION_OLDEST] + 1) % p->queue;
        state[EQ_DETECTION_WAITING]--;
    }
    const int32_t place = (state[EQ_DETECTION_OLDEST] + state[EQ_DETECTION_WAITING]) % p->queue;
    int32_t *event = state + EQ_DETECTION_EVENTS + EQ_DETECTION_WORDS * place;
    event[0] = label;
    event[1] = score;
    event[2] = sample;
    event[3] =
        eq_detection_clamp(box->xmin, 0, 32767) + 65536 * eq_detection_clamp(box->ymin, 0, 32767);
    event[4] =
        eq_detection_clamp(box->xmax, 0, 32767) + 65536 * eq_detection_clamp(box->ymax, 0, 32767);
    state[EQ_DETECTION_WAITING]++;
}

/* One answer. `list`: scratch of two numbers for each of top_k, and of a box and a label for each
 * that stays. `ready`: events that wait. */
EQ_KERNEL void eq_frontend_detection(const eq_frontend_detection_params *p, const void *scores,
                                     const void *boxes, const int32_t *limits,
                                     const int32_t *score_table, const int32_t *centers,
                                     const int32_t *sizes, const uint16_t *anchors,
                                     const int32_t *levels, int32_t *state, int32_t *list,
                                     int32_t *ready)
{
    const eq_detection_tables t = {limits, score_table, centers, sizes, anchors, levels};
    eq_detection_box *stays = (eq_detection_box *)(void *)(list + 2 * p->top_k);
    int32_t *label = (int32_t *)(void *)(stays + p->most);
    const uint32_t answer = (uint32_t)state[EQ_DETECTION_ANSWERS];
    const int32_t sample = (int32_t)((uint32_t)p->first + answer * (uint32_t)p->step);
    state[EQ_DETECTION_ANSWERS] = (int32_t)(answer + 1u);
    const int32_t count = eq_detection_collect(p, &t, scores, list);
    int32_t kept = 0;
    for (int32_t k = 0; k < count && kept < p->most; k++) {
        const int32_t class = list[2 * k + 1] % p->classes;
        const eq_detection_box box =
            eq_detection_decode(p, &t, boxes, list[2 * k + 1] / p->classes);
        int32_t same = 0, n = 0;
        for (; n < kept; n++) {
            const int alike = label[n] == class;
            same += alike;
            if ((alike || !p->per_class) && eq_detection_overlaps(stays + n, &box, p->overlap)) {
                break;
            }
        }
        if (n == kept && same < p->most_of_class) {
            stays[kept] = box;
            label[kept++] = class;
            eq_detection_emit(p, state, class, list[2 * k], sample, &box);
        }
    }
    *ready = state[EQ_DETECTION_WAITING];
}

/* The oldest event (label, score, sample, xmin and ymin, xmax and ymax), taken; NULL where there
 * is none. */
EQ_KERNEL const int32_t *eq_detection_take(int32_t *state, int32_t queue)
{
    if (state[EQ_DETECTION_WAITING] == 0) {
        return NULL;
    }
    const int32_t *event =
        state + EQ_DETECTION_EVENTS + EQ_DETECTION_WORDS * state[EQ_DETECTION_OLDEST];
    state[EQ_DETECTION_OLDEST] = (state[EQ_DETECTION_OLDEST] + 1) % queue;
    state[EQ_DETECTION_WAITING]--;
    return event;
}

#endif
