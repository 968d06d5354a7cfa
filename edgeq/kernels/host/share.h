/* A share of a kernel's work, for programs on several threads. Whoever computes an output computes
 * all of it, so that the bytes are the same in however many parts.
 */
#ifndef EQ_SHARE_HOST_H
#define EQ_SHARE_HOST_H

#include "eq_base.h"

/* Kernels that copy their input first do so in stage 0; all of it is there before stage 1. */
typedef struct {
    int32_t stage;
    int32_t part, parts;
    int32_t thread; /* whose working memory it is */
} eq_share;

/* Does one part of the work that `argument` says. */
typedef void eq_task(const void *argument, int32_t part, int32_t thread);

/* From `begin` on, before `end`. */
typedef struct {
    int32_t begin, end;
} eq_range;

EQ_KERNEL eq_share eq_whole_share(const int32_t stage)
{
    const eq_share share = {stage, 0, 1, 0};
    return share;
}

/* The share of `count` things, from a multiple of `step` on: nothing, or `step` of them at least
 * where there are as many. */
EQ_KERNEL eq_range eq_share_of(const int32_t count, const int32_t step, const eq_share share)
{
    const int32_t steps = count / step > 1 ? count / step : 1;
    eq_range range;
    range.begin = steps * share.part / share.parts * step;
    range.end = steps * (share.part + 1) / share.parts * step;
    range.end = share.part + 1 == share.parts ? count : range.end;
    return range;
}

/* All of them. */
EQ_KERNEL eq_range eq_all_of(const int32_t count)
{
    const eq_range range = {0, count};
    return range;
}

/* A share of a layer's output: all of it in two of three directions. */
typedef struct {
    eq_range rows, columns, tiles;
} eq_cut;

/* Rows of an image, or tiles of `pixels` of one long row, where there are enough of them, since
 * other layers are shared so too; else tiles of channels. */
EQ_KERNEL eq_cut eq_cut_of(const int32_t rows, const int32_t columns, const int32_t pixels,
                           const int32_t tiles, const eq_share share)
{
    eq_cut cut = {eq_all_of(rows), eq_all_of(columns), eq_all_of(tiles)};
    if (rows >= share.parts / 2) {
        cut.rows = eq_share_of(rows, 1, share);
    } else if (rows == 1 && columns / pixels >= share.parts / 2) {
        cut.columns = eq_share_of(columns, pixels, share);
    } else {
        cut.tiles = eq_share_of(tiles, 1, share);
    }
    return cut;
}

#endif
