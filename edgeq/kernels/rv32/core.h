/* What the column kernels need of a processor, in plain C: widened inputs, inner products of
 * several pixels or outputs at a time, the high half of a product. */
#ifndef EQ_CORE_H
#define EQ_CORE_H

#include "eq_base.h"

/* A widened input value. */
typedef int32_t eq_lane;

#define EQ_DOT_PIXELS 4
#define EQ_DOT_SUMS 4 /* numbers: the sums, each of which begins with 0 */
#define EQ_ROW_OUTPUTS 4
#define EQ_ROW_UNROLL 1
/* Added to every weight by the host: of convolutions, and of the rows of dense layers. */
#define EQ_WEIGHT_OFFSET 0
#define EQ_ROW_OFFSET 0

/* round(acc * (2^32 + doubled) / 2^32), ties up. */
EQ_KERNEL int32_t eq_high_mul(int32_t acc, int32_t doubled)
{
    return acc + (int32_t)(((int64_t)acc * doubled + ((int64_t)1 << 31)) >> 32);
}

/* Taps of one turn of the loops. */
#ifdef __OPTIMIZE_SIZE__
#define EQ_TURN_TAPS 1
#else
#define EQ_TURN_TAPS 4
#endif

/* Between taps: compilers load the next ones ahead and then have no registers left for the sums. */
#if defined(__GNUC__)
#define EQ_NEXT_TAP __asm__ volatile("" : : : "memory")
#else
#define EQ_NEXT_TAP (void)0
#endif

/* sums[i] += the sum over `taps` taps of weight * column of pixel i. */
EQ_KERNEL void eq_dot_taps(const int8_t *weights, const eq_lane *columns, int32_t taps,
                           int32_t *sums)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < taps; i++) {
        const int32_t weight = weights[i];
        sums[0] += weight * columns[EQ_DOT_PIXELS * i];
        sums[1] += weight * columns[EQ_DOT_PIXELS * i + 1];
        sums[2] += weight * columns[EQ_DOT_PIXELS * i + 2];
        sums[3] += weight * columns[EQ_DOT_PIXELS * i + 3];
    }
}

/* sums[i] = the sum over all taps of weight * column of pixel i. As a layer, or gcc 12 may take
 * `sums` for unwritten after it. */
static EQ_LAYER EQ_UNUSED void eq_dot(const int8_t *weights, const eq_lane *columns, int32_t taps,
                                      int32_t *sums)
{
    int32_t found[EQ_DOT_PIXELS] = {0, 0, 0, 0};
    const int8_t *end = weights + taps;
    const int8_t *turns_end = end - taps % EQ_TURN_TAPS;
    while (weights != turns_end) {
        eq_dot_taps(weights, columns, EQ_TURN_TAPS, found);
        weights += EQ_TURN_TAPS;
        columns += EQ_TURN_TAPS * EQ_DOT_PIXELS;
    }
    while (weights != end) {
        eq_dot_taps(weights, columns, 1, found);
        weights++;
        columns += EQ_DOT_PIXELS;
    }
    memcpy(sums, found, sizeof(found));
}

/* One tap of two outputs and four pixels. */
#define EQ_TAP_TWO(i)                                                                              \
    do {                                                                                           \
        const int32_t weight = weights[i], other = others[i];                                      \
        const int32_t x = columns[EQ_DOT_PIXELS * (i)], y = columns[EQ_DOT_PIXELS * (i) + 1];      \
        const int32_t z = columns[EQ_DOT_PIXELS * (i) + 2], u = columns[EQ_DOT_PIXELS * (i) + 3];  \
        a += weight * x;                                                                           \
        b += weight * y;                                                                           \
        c += weight * z;                                                                           \
        d += weight * u;                                                                           \
        e += other * x;                                                                            \
        f += other * y;                                                                            \
        g += other * z;                                                                            \
        h += other * u;                                                                            \
        EQ_NEXT_TAP;                                                                               \
    } while (0)

/* The same of two outputs, whose weights follow each other: the inputs are loaded once. */
#define EQ_DOT_TWO
static EQ_NOINLINE EQ_UNUSED void eq_dot_two(const int8_t *weights, const eq_lane *columns,
                                             int32_t taps, int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    const int8_t *others = weights + taps;
    const int8_t *end = others;
    const int8_t *turns_end = end - taps % EQ_TURN_TAPS;
    while (weights != turns_end) {
        EQ_UNROLL(4)
        for (int32_t i = 0; i < EQ_TURN_TAPS; i++) {
            EQ_TAP_TWO(i);
        }
        weights += EQ_TURN_TAPS;
        others += EQ_TURN_TAPS;
        columns += EQ_TURN_TAPS * EQ_DOT_PIXELS;
    }
    while (weights != end) {
        EQ_TAP_TWO(0);
        weights++;
        others++;
        columns += EQ_DOT_PIXELS;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    sums[4] = e;
    sums[5] = f;
    sums[6] = g;
    sums[7] = h;
}

/* sums[i] += the sum over `taps` taps of weight i * input. */
EQ_KERNEL void eq_row_taps(const int8_t *weights, const int8_t *input, int32_t taps, int32_t *sums)
{
    EQ_UNROLL(4)
    for (int32_t i = 0; i < taps; i++) {
        const int32_t value = input[i];
        sums[0] += weights[EQ_ROW_OUTPUTS * i] * value;
        sums[1] += weights[EQ_ROW_OUTPUTS * i + 1] * value;
        sums[2] += weights[EQ_ROW_OUTPUTS * i + 2] * value;
        sums[3] += weights[EQ_ROW_OUTPUTS * i + 3] * value;
    }
}

/* sums[i] = begin + the sum over all taps of weight i * input; the weights of a tap follow each
 * other. */
static EQ_NOINLINE EQ_UNUSED void eq_row(const int8_t *weights, const int8_t *input, int32_t taps,
                                         int32_t begin, int32_t *sums)
{
    int32_t found[EQ_ROW_OUTPUTS] = {begin, begin, begin, begin};
    const int8_t *input_end = input + taps;
    const int8_t *turns_end = input_end - (input_end - input) % EQ_TURN_TAPS;
    while (input != turns_end) {
        eq_row_taps(weights, input, EQ_TURN_TAPS, found);
        input += EQ_TURN_TAPS;
        weights += EQ_TURN_TAPS * EQ_ROW_OUTPUTS;
    }
    while (input != input_end) {
        eq_row_taps(weights, input, 1, found);
        input++;
        weights += EQ_ROW_OUTPUTS;
    }
    memcpy(sums, found, sizeof(found));
}

#endif
