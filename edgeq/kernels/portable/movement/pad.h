/* PAD and PADV2, portable C. */
#ifndef EQ_PAD_H
#define EQ_PAD_H

#include "eq_fill.h"

/* Axes without padding are merged by the host; those in front have one element. The last axis
 * counts in elements. */
typedef struct {
    int32_t size[5]; /* of the input */
    int32_t before[5], after[5];
    int32_t element_bytes;
    int32_t output_step[5]; /* elements of the output per step along the axis */
} eq_pad_params;

EQ_KERNEL uint8_t *eq_pad_border(const eq_pad_params *p, int32_t axis, int32_t count,
                                 const void *value, uint8_t *to)
{
    return eq_fill_run(to, value, count * p->output_step[axis], p->element_bytes);
}

/* The output is written from front to end. */
EQ_KERNEL void eq_pad(const eq_pad_params *p, const void *input, const void *value, void *output)
{
    const uint8_t *from = (const uint8_t *)input;
    uint8_t *to = eq_pad_border(p, 0, p->before[0], value, (uint8_t *)output);
    const int32_t run = p->size[4] * p->element_bytes;
    for (int32_t a = 0; a < p->size[0]; a++) {
        to = eq_pad_border(p, 1, p->before[1], value, to);
        for (int32_t b = 0; b < p->size[1]; b++) {
            to = eq_pad_border(p, 2, p->before[2], value, to);
            for (int32_t c = 0; c < p->size[2]; c++) {
                to = eq_pad_border(p, 3, p->before[3], value, to);
                for (int32_t d = 0; d < p->size[3]; d++) {
                    to = eq_pad_border(p, 4, p->before[4], value, to);
                    memmove(to, from, (size_t)run);
                    from += run;
                    to = eq_pad_border(p, 4, p->after[4], value, to + run);
                }
                to = eq_pad_border(p, 3, p->after[3], value, to);
            }
            to = eq_pad_border(p, 2, p->after[2], value, to);
        }
        to = eq_pad_border(p, 1, p->after[1], value, to);
    }
    (void)eq_pad_border(p, 0, p->after[0], value, to);
}

#endif
