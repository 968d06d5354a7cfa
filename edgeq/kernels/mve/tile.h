/* What the passes of a convolution with MVE work on: the tile of four pixels. */
#ifndef EQ_TILE_MVE_H
#define EQ_TILE_MVE_H

#include "eq_base.h"

#define EQ_TILE_PIXELS 4

/* The assembly reads it by position. */
typedef struct {
    const int8_t *pixels[EQ_TILE_PIXELS]; /* 16 * steps input values of each; of a pass over a
                                             window its begin and end */
    const int8_t *first_end;              /* of pixel 0 */
    int32_t skip;                         /* bytes of the unrolled loop to jump over on entry */
    int8_t *output;
    const int8_t *weights_end;
    const int8_t *weights;
    int32_t output_offset;
    uint16_t at[2 * EQ_TILE_PIXELS]; /* of the two channels of each pixel, in bytes from output */
} eq_tile_mve;

#endif
