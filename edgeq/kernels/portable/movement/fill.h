/* FILL, ZEROS_LIKE and the borders of PAD: one value again and again, portable C. */
#ifndef EQ_FILL_H
#define EQ_FILL_H

#include "eq_base.h"

typedef struct {
    int32_t count;
    int32_t element_bytes;
} eq_fill_params;

/* `count` copies of a value of `element_bytes`; returns where they end. */
EQ_KERNEL uint8_t *eq_fill_run(uint8_t *to, const void *value, int32_t count, int32_t element_bytes)
{
    if (element_bytes == 1) {
        memset(to, *(const uint8_t *)value, (size_t)count);
        return to + count;
    }
    for (int32_t i = 0; i < count; i++) {
        memcpy(to, value, (size_t)element_bytes);
        to += element_bytes;
    }
    return to;
}

EQ_KERNEL void eq_fill(const eq_fill_params *p, const void *value, void *output)
{
    (void)eq_fill_run((uint8_t *)output, value, p->count, p->element_bytes);
}

#endif
