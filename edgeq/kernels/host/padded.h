/* A copy of images with their padding around them, so that windows have no special places. */
#ifndef EQ_PADDED_HOST_H
#define EQ_PADDED_HOST_H

#include "eq_share_host.h"

/* Extents in bytes of a row, and in rows. Behind the image the copy goes on for `slack` bytes that
 * kernels may read: they meet weights of zero. */
typedef struct {
    int32_t rows, row_bytes;
    int32_t above, left; /* rows, bytes */
    int32_t padded_rows, padded_row_bytes;
    int32_t slack;
    int32_t zero_point;
} eq_padding;

/* memcpy of a row: the loop that gcc puts in its place takes longer to begin than to copy. */
EQ_KERNEL void eq_copy_row(int8_t *to, const int8_t *from, const int32_t size)
{
    const int32_t whole = size / 64 * 64;
    for (int32_t i = 0; i < whole; i += 64) {
        memcpy(to + i, from + i, 64);
    }
    if (size > whole) {
        memcpy(to + whole, from + whole, (size_t)(size - whole));
    }
}

/* A share of the rows of the copy. */
EQ_KERNEL void eq_pad_share(const eq_padding *p, const eq_share share, const int8_t *image,
                            int8_t *copy)
{
    const int32_t right = p->padded_row_bytes - p->left - p->row_bytes;
    const int32_t size = p->padded_row_bytes, below = p->above + p->rows;
    const eq_range rows = eq_share_of(p->padded_rows, 1, share);
    const int32_t first = eq_min(eq_max(rows.begin, p->above), rows.end);
    const int32_t last = eq_max(eq_min(rows.end, below), first);
    memset(copy + rows.begin * size, (int)p->zero_point, (size_t)((first - rows.begin) * size));
    for (int32_t y = first; y < last; y++) {
        int8_t *to = copy + y * size;
        memset(to, (int)p->zero_point, (size_t)p->left);
        eq_copy_row(to + p->left, image + (y - p->above) * p->row_bytes, p->row_bytes);
        memset(to + p->left + p->row_bytes, (int)p->zero_point, (size_t)right);
    }
    const int32_t slack = rows.end == p->padded_rows ? p->slack : 0;
    memset(copy + last * size, (int)p->zero_point, (size_t)((rows.end - last) * size + slack));
}

EQ_KERNEL void eq_pad_image(const eq_padding *p, const int8_t *image, int8_t *copy)
{
    eq_pad_share(p, eq_whole_share(0), image, copy);
}

#endif
