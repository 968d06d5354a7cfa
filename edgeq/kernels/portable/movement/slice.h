/* SLICE and DYNAMIC_UPDATE_SLICE at a place that is computed at run time, portable C. A start that
 * would leave the tensor is moved to its nearest end. */
#ifndef EQ_SLICE_H
#define EQ_SLICE_H

#include "eq_strided_copy.h"

typedef struct {
    eq_strided_copy_params box;
    int32_t rank;
    int32_t start_step[6]; /* bytes per step of the start, per axis */
    int32_t last_start[6]; /* the largest start that keeps the slice inside the tensor */
    int32_t operand_bytes; /* of DYNAMIC_UPDATE_SLICE */
} eq_slice_params;

#define EQ_SLICE(suffix, type)                                                                     \
    EQ_KERNEL int32_t eq_slice_start_##suffix(const eq_slice_params *p, const type *start)         \
    {                                                                                              \
        int32_t bytes = 0;                                                                         \
        for (int32_t i = 0; i < p->rank; i++) {                                                    \
            const type last = p->last_start[i];                                                    \
            const type at = start[i] < 0 ? 0 : (start[i] > last ? last : start[i]);                \
            bytes += (int32_t)at * p->start_step[i];                                               \
        }                                                                                          \
        return bytes;                                                                              \
    }                                                                                              \
                                                                                                   \
    EQ_KERNEL void eq_slice_##suffix(const eq_slice_params *p, const void *input,                  \
                                     const type *begin, void *output)                              \
    {                                                                                              \
        const uint8_t *from = (const uint8_t *)input + eq_slice_start_##suffix(p, begin);          \
        eq_strided_copy(&p->box, from, output);                                                    \
    }                                                                                              \
                                                                                                   \
    /* The output may be the operand's memory. */                                                  \
    EQ_KERNEL void eq_update_slice_##suffix(const eq_slice_params *p, const void *operand,         \
                                            const void *update, const type *start, void *output)   \
    {                                                                                              \
        if (operand != output) {                                                                   \
            memmove(output, operand, (size_t)p->operand_bytes);                                    \
        }                                                                                          \
        eq_strided_copy(&p->box, update, (uint8_t *)output + eq_slice_start_##suffix(p, start));   \
    }

EQ_SLICE(i32, int32_t)
EQ_SLICE(i64, int64_t)

#endif
