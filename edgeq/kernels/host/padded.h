/* A copy of images with their padding around them, so that windows have no special places. */
#ifndef EQ_PADDED_HOST_H
#define EQ_PADDED_HOST_H

#include "eq_base.h"

/* Extents in bytes of a row, and in rows. Behind the image the copy goes on for `slack` bytes that
 * kernels may read: they meet weights of zero. */
typedef struct {
    int32_t rows, row_bytes;
    int32_t above, left; /* rows, bytes */
    int32_t padded_rows, padded_row_bytes;
    int32_t slack;
    int32_t zero_point;
} eq_padding;

EQ_KERNEL void eq_pad_image(const eq_padding *p, const int8_t *image, int8_t *copy)
{
    const int32_t right = p->padded_row_bytes - p->left - p->row_bytes;
    const int32_t below = p->padded_rows - p->above - p->rows;
    const size_t row = (size_t)p->padded_row_bytes;
    memset(copy, (int)p->zero_point, (size_t)p->above * row);
    copy += (size_t)p->above * row;
    for (int32_t y = 0; y < p->rows; y++) {
        memset(copy, (int)p->zero_point, (size_t)p->left);
        memcpy(copy + p->left, image, (size_t)p->row_bytes);
        memset(copy + p->left + p->row_bytes, (int)p->zero_point, (size_t)right);
        image += p->row_bytes;
        copy += row;
    }
    memset(copy, (int)p->zero_point, (size_t)below * row + (size_t)p->slack);
}

#endif
