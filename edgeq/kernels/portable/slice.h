/* SLICE from a start that is computed at run time, portable C. */
#ifndef EQ_SLICE_H
#define EQ_SLICE_H

#include "eq_strided_copy.h"

typedef struct {
    int32_t size[6], input_step[6], output_step[6]; /* as in eq_strided_copy_params */
    int32_t input_start, run;
    int32_t rank;
    int32_t start_step[6]; /* bytes per step of `begin`, per axis */
    int32_t last_start[6]; /* the largest start that keeps the slice inside the input */
} eq_slice_params;

EQ_KERNEL void eq_slice_from(const eq_slice_params *p, const int32_t *start, const void *input,
                             void *output)
{
    eq_strided_copy_params box = {{0}, {0}, {0}, 0, 0};
    for (int32_t i = 0; i < 6; i++) {
        box.size[i] = p->size[i];
        box.input_step[i] = p->input_step[i];
        box.output_step[i] = p->output_step[i];
    }
    box.run = p->run;
    for (int32_t i = 0; i < p->rank; i++) {
        box.input_start += eq_clamp(start[i], 0, p->last_start[i]) * p->start_step[i];
    }
    eq_strided_copy(&box, input, output);
}

EQ_KERNEL void eq_slice_i32(const eq_slice_params *p, const void *input, const int32_t *begin,
                            void *output)
{
    eq_slice_from(p, begin, input, output);
}

EQ_KERNEL void eq_slice_i64(const eq_slice_params *p, const void *input, const int64_t *begin,
                            void *output)
{
    int32_t start[6] = {0};
    for (int32_t i = 0; i < p->rank; i++) {
        start[i] = (int32_t)begin[i];
    }
    eq_slice_from(p, start, input, output);
}

#endif
