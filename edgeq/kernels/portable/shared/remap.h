/* Copies of pixels from places that tables give: MIRROR_PAD and RESIZE_NEAREST_NEIGHBOR.
 * Portable C. */
#ifndef EQ_REMAP_H
#define EQ_REMAP_H

#include "eq_base.h"

typedef struct {
    int32_t size[4];   /* of the output, outermost first */
    int32_t run_bytes; /* what lies together on both sides */
} eq_remap_params;

/* `offsets` holds, one axis after the other, how many bytes of the input each index stands for.
 * The output is written from front to end. */
EQ_KERNEL void eq_remap(const eq_remap_params *p, const void *input, const int32_t *offsets,
                        void *output)
{
    const int32_t *const by_a = offsets;
    const int32_t *const by_b = by_a + p->size[0];
    const int32_t *const by_c = by_b + p->size[1];
    const int32_t *const by_d = by_c + p->size[2];
    uint8_t *to = (uint8_t *)output;
    for (int32_t a = 0; a < p->size[0]; a++) {
        for (int32_t b = 0; b < p->size[1]; b++) {
            for (int32_t c = 0; c < p->size[2]; c++) {
                for (int32_t d = 0; d < p->size[3]; d++) {
                    const int32_t from = by_a[a] + by_b[b] + by_c[c] + by_d[d];
                    memmove(to, (const uint8_t *)input + from, (size_t)p->run_bytes);
                    to += p->run_bytes;
                }
            }
        }
    }
}

#endif
