/* SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, portable C: pixels change place between image and
 * batch. The batch of the deep side counts places in a block first, then batches. */
#ifndef EQ_SPACE_BATCH_H
#define EQ_SPACE_BATCH_H

#include "eq_base.h"

typedef struct {
    int32_t batches; /* of the wide side */
    int32_t wide_h, wide_w;
    int32_t deep_h, deep_w;
    int32_t block_h, block_w;
    int32_t top, left; /* padding or crop of the wide side */
    int32_t pixel_bytes;
    int32_t fill; /* the byte that padding is made of */
} eq_space_batch_params;

/* The output is written from front to end. */
EQ_KERNEL void eq_space_to_batch(const eq_space_batch_params *p, const void *input, void *output)
{
    uint8_t *to = (uint8_t *)output;
    for (int32_t place = 0; place < p->block_h * p->block_w; place++) {
        for (int32_t b = 0; b < p->batches; b++) {
            for (int32_t dy = 0; dy < p->deep_h; dy++) {
                const int32_t y = dy * p->block_h + place / p->block_w - p->top;
                for (int32_t dx = 0; dx < p->deep_w; dx++) {
                    const int32_t x = dx * p->block_w + place % p->block_w - p->left;
                    if (y < 0 || y >= p->wide_h || x < 0 || x >= p->wide_w) {
                        memset(to, (int)p->fill, (size_t)p->pixel_bytes);
                    } else {
                        const int32_t pixel = (b * p->wide_h + y) * p->wide_w + x;
                        memmove(to, (const uint8_t *)input + pixel * p->pixel_bytes,
                                (size_t)p->pixel_bytes);
                    }
                    to += p->pixel_bytes;
                }
            }
        }
    }
}

/* The output is written from front to end. */
EQ_KERNEL void eq_batch_to_space(const eq_space_batch_params *p, const void *input, void *output)
{
    uint8_t *to = (uint8_t *)output;
    for (int32_t b = 0; b < p->batches; b++) {
        for (int32_t y = p->top; y < p->top + p->wide_h; y++) {
            for (int32_t x = p->left; x < p->left + p->wide_w; x++) {
                const int32_t place = y % p->block_h * p->block_w + x % p->block_w;
                const int32_t row = (place * p->batches + b) * p->deep_h + y / p->block_h;
                const int32_t pixel = row * p->deep_w + x / p->block_w;
                memmove(to, (const uint8_t *)input + pixel * p->pixel_bytes,
                        (size_t)p->pixel_bytes);
                to += p->pixel_bytes;
            }
        }
    }
}

#endif
