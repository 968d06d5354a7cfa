/* GATHER, GATHER_ND and EMBEDDING_LOOKUP without arithmetic: slices by index, portable C. An index
 * outside the tensor is moved to its nearest end. */
#ifndef EQ_GATHER_H
#define EQ_GATHER_H

#include "eq_base.h"

typedef struct {
    int32_t batches, outer, indices; /* `indices` of every batch */
    int32_t axis_size;
    int32_t slice_bytes;
} eq_gather_params;

typedef struct {
    int32_t slices;
    int32_t rank; /* indices of a slice */
    int32_t axis_size[8], axis_bytes[8];
    int32_t slice_bytes;
} eq_gather_nd_params;

#define EQ_GATHER(suffix, type)                                                                    \
    EQ_KERNEL void eq_gather_##suffix(const eq_gather_params *p, const void *input,                \
                                      const type *indices, void *output)                           \
    {                                                                                              \
        const uint8_t *from = (const uint8_t *)input;                                              \
        uint8_t *to = (uint8_t *)output;                                                           \
        for (int32_t b = 0; b < p->batches; b++) {                                                 \
            for (int32_t o = 0; o < p->outer; o++) {                                               \
                for (int32_t i = 0; i < p->indices; i++) {                                         \
                    const int32_t index = eq_clamp((int32_t)indices[i], 0, p->axis_size - 1);      \
                    memcpy(to, from + index * p->slice_bytes, (size_t)p->slice_bytes);             \
                    to += p->slice_bytes;                                                          \
                }                                                                                  \
                from += p->axis_size * p->slice_bytes;                                             \
            }                                                                                      \
            indices += p->indices;                                                                 \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    EQ_KERNEL void eq_gather_nd_##suffix(const eq_gather_nd_params *p, const void *input,          \
                                         const type *indices, void *output)                        \
    {                                                                                              \
        uint8_t *to = (uint8_t *)output;                                                           \
        for (int32_t s = 0; s < p->slices; s++) {                                                  \
            int32_t from = 0;                                                                      \
            for (int32_t k = 0; k < p->rank; k++) {                                                \
                from += eq_clamp((int32_t)indices[k], 0, p->axis_size[k] - 1) * p->axis_bytes[k];  \
            }                                                                                      \
            memcpy(to, (const uint8_t *)input + from, (size_t)p->slice_bytes);                     \
            to += p->slice_bytes;                                                                  \
            indices += p->rank;                                                                    \
        }                                                                                          \
    }

EQ_GATHER(i16, int16_t)
EQ_GATHER(i32, int32_t)
EQ_GATHER(i64, int64_t)

#endif
