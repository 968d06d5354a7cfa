/* TFLite_Detection_PostProcess, portable C: boxes out of encodings, then the best ones that do not
 * overlap too much.
 *
 * The reference stops with an error at a box of no area; here such a box overlaps nothing.
 */
#ifndef EQ_DETECTION_POSTPROCESS_H
#define EQ_DETECTION_POSTPROCESS_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t boxes;
    int32_t encoding; /* values of a box, of which four are read */
    int32_t classes;
    int32_t background; /* scores before those of the classes, 0 or 1 */
    int32_t detections, detections_per_class;
    float score_threshold, iou_threshold;
    float y_scale, x_scale, h_scale, w_scale;
} eq_detection_params;

/* A box is ymin, xmin, ymax, xmax. */
EQ_KERNEL void eq_decode_boxes(const eq_detection_params *p, const float *encodings,
                               const float *anchors, float *boxes)
{
    for (int32_t i = 0; i < p->boxes; i++, encodings += p->encoding, anchors += 4, boxes += 4) {
        const double height = anchors[2], width = anchors[3];
        const float y = (float)((double)encodings[0] / (double)p->y_scale * height + anchors[0]);
        const float x = (float)((double)encodings[1] / (double)p->x_scale * width + anchors[1]);
        const float half_h = (float)(0.5 * exp((double)encodings[2] / (double)p->h_scale) * height);
        const float half_w = (float)(0.5 * exp((double)encodings[3] / (double)p->w_scale) * width);
        boxes[0] = y - half_h;
        boxes[1] = x - half_w;
        boxes[2] = y + half_h;
        boxes[3] = x + half_w;
    }
}

EQ_KERNEL float eq_intersection_over_union(const float *a, const float *b)
{
    const float area_a = (a[2] - a[0]) * (a[3] - a[1]);
    const float area_b = (b[2] - b[0]) * (b[3] - b[1]);
    if (area_a <= 0.0f || area_b <= 0.0f) {
        return 0.0f;
    }
    const float height = (a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    const float width = (a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    const float common = (height > 0.0f ? height : 0.0f) * (width > 0.0f ? width : 0.0f);
    return common / (area_a + area_b - common);
}

/* Marks the boxes whose score is high enough. */
EQ_KERNEL void eq_candidates(const eq_detection_params *p, const float *scores, int32_t stride,
                             uint8_t *active)
{
    for (int32_t i = 0; i < p->boxes; i++) {
        active[i] = scores[i * stride] >= p->score_threshold;
    }
}

/* Takes the best active box, the first of equal ones, and deactivates it and all that overlap it
 * too much; -1 if none is left. */
EQ_KERNEL int32_t eq_take_best(const eq_detection_params *p, const float *boxes,
                               const float *scores, int32_t stride, uint8_t *active)
{
    int32_t best = -1;
    for (int32_t i = 0; i < p->boxes; i++) {
        if (active[i] && (best < 0 || scores[i * stride] > scores[best * stride])) {
            best = i;
        }
    }
    for (int32_t i = 0; best >= 0 && i < p->boxes; i++) {
        if (active[i]) {
            const float overlap = eq_intersection_over_union(boxes + 4 * best, boxes + 4 * i);
            active[i] = i != best && !(overlap > p->iou_threshold);
        }
    }
    return best;
}

EQ_KERNEL void eq_no_detections(const eq_detection_params *p, float *boxes, float *classes,
                                float *scores)
{
    memset(boxes, 0, (size_t)p->detections * 4 * sizeof(*boxes));
    memset(classes, 0, (size_t)p->detections * sizeof(*classes));
    memset(scores, 0, (size_t)p->detections * sizeof(*scores));
}

/* Every box stands for its best class only. `work` holds 5 floats and a byte for each box. */
EQ_KERNEL void eq_detection_fast(const eq_detection_params *p, const float *encodings,
                                 const float *scores, const float *anchors, float *work,
                                 float *out_boxes, float *out_classes, float *out_scores,
                                 float *count)
{
    float *boxes = work, *best = work + 4 * p->boxes;
    uint8_t *active = (uint8_t *)(best + p->boxes);
    const int32_t columns = p->classes + p->background;
    int32_t found = 0;
    eq_decode_boxes(p, encodings, anchors, boxes);
    for (int32_t i = 0; i < p->boxes; i++) {
        const float *row = scores + i * columns + p->background;
        best[i] = row[0];
        for (int32_t c = 1; c < p->classes; c++) {
            best[i] = row[c] > best[i] ? row[c] : best[i];
        }
    }
    eq_no_detections(p, out_boxes, out_classes, out_scores);
    eq_candidates(p, best, 1, active);
    for (; found < p->detections; found++) {
        const int32_t box = eq_take_best(p, boxes, best, 1, active);
        if (box < 0) {
            break;
        }
        const float *row = scores + box * columns + p->background;
        int32_t c = 0;
        while (c < p->classes - 1 && row[c] < best[box]) {
            c++;
        }
        memcpy(out_boxes + 4 * found, boxes + 4 * box, 4 * sizeof(*boxes));
        out_classes[found] = (float)c;
        out_scores[found] = best[box];
    }
    *count = (float)found;
}

/* Every class for itself, then the best of all, sorted; earlier classes come first among equals.
 * `work` holds 4 floats and a byte for each box. */
EQ_KERNEL void eq_detection_regular(const eq_detection_params *p, const float *encodings,
                                    const float *scores, const float *anchors, float *work,
                                    float *out_boxes, float *out_classes, float *out_scores,
                                    float *count)
{
    float *boxes = work;
    uint8_t *active = (uint8_t *)(work + 4 * p->boxes);
    const int32_t columns = p->classes + p->background;
    int32_t found = 0;
    eq_decode_boxes(p, encodings, anchors, boxes);
    eq_no_detections(p, out_boxes, out_classes, out_scores);
    for (int32_t c = 0; c < p->classes; c++) {
        const float *column = scores + c + p->background;
        eq_candidates(p, column, columns, active);
        for (int32_t taken = 0; taken < p->detections_per_class; taken++) {
            const int32_t box = eq_take_best(p, boxes, column, columns, active);
            if (box < 0) {
                break;
            }
            const float score = column[box * columns];
            int32_t place = found;
            while (place > 0 && out_scores[place - 1] < score) {
                place--;
            }
            if (place == p->detections) {
                break;
            }
            found += found < p->detections ? 1 : 0;
            const size_t behind = (size_t)(found - 1 - place);
            memmove(out_scores + place + 1, out_scores + place, behind * sizeof(*out_scores));
            memmove(out_classes + place + 1, out_classes + place, behind * sizeof(*out_classes));
            memmove(out_boxes + 4 * place + 4, out_boxes + 4 * place, behind * 4 * sizeof(*boxes));
            out_scores[place] = score;
            out_classes[place] = (float)c;
            memcpy(out_boxes + 4 * place, boxes + 4 * box, 4 * sizeof(*boxes));
        }
    }
    *count = (float)found;
}

#endif
