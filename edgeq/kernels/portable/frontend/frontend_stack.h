/* The frames that a model sees at once, portable C: the newest is put behind the others, and when
 * there are enough the model runs.
 */
#ifndef EQ_FRONTEND_STACK_H
#define EQ_FRONTEND_STACK_H

#include "eq_base.h"

typedef struct {
    int32_t bytes; /* of a frame */
    int32_t slots; /* frames that the model sees */
    int32_t step;  /* frames from one answer to the next */
} eq_frontend_stack_params;

/* `count[0]` is whether the model runs now, `count[1]` how many frames there are; less than none
 * where some are left out. */
EQ_KERNEL void eq_frontend_stack(const eq_frontend_stack_params *p, const void *frame,
                                 int32_t *count, void *frames)
{
    uint8_t *first = frames;
    if (count[0]) {
        count[1] = p->slots - p->step;
        if (count[1] > 0) {
            memmove(first, first + p->step * p->bytes, (size_t)(count[1] * p->bytes));
        }
    }
    if (count[1] >= 0) {
        memcpy(first + count[1] * p->bytes, frame, (size_t)p->bytes);
    }
    count[1]++;
    count[0] = count[1] == p->slots;
}

/* What the FFT of microfrontend scales by: as far left as 15 bits allow, -32768 left out. */
typedef struct {
    int32_t size;
} eq_frontend_auto_scale_params;

EQ_KERNEL void eq_frontend_auto_scale(const eq_frontend_auto_scale_params *p, const int16_t *input,
                                      int16_t *output, int32_t *bits)
{
    int32_t max = 0;
    for (int32_t i = 0; i < p->size; i++) {
        const int32_t value = input[i] < 0 ? (int16_t)-input[i] : input[i];
        max = value > max ? value : max;
    }
    int32_t left = 15;
    for (; max != 0; max >>= 1) {
        left--;
    }
    for (int32_t i = 0; i < p->size; i++) {
        output[i] = (int16_t)((uint32_t)(int32_t)input[i] << left);
    }
    *bits = left;
}

#endif
