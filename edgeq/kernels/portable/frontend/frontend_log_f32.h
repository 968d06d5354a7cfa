/* Logarithms of a front end's sums in float32, portable C: the same bytes from every compiler and
 * C library, which logf does not promise.
 */
#ifndef EQ_FRONTEND_LOG_F32_H
#define EQ_FRONTEND_LOG_F32_H

#include "eq_base.h"

typedef struct {
    int32_t size;
    float floor, offset; /* log(max(x + offset, floor)) */
    float factor;        /* from the natural logarithm to the one wanted */
} eq_frontend_log_f32_params;

/* The natural logarithm of a normal number, off by less than 2 units in the last place.
 *
 * Source: Cephes, logf.c (S. L. Moshier): x = 2^e * (1 + f), f in sqrt(1/2) - 1 .. sqrt(2) - 1. */
EQ_KERNEL float eq_frontend_ln(float x)
{
    static const float terms[9] = {7.0376836292E-2f,  -1.1514610310E-1f, 1.1676998740E-1f,
                                   -1.2420140846E-1f, 1.4249322787E-1f,  -1.6668057665E-1f,
                                   2.0000714765E-1f,  -2.4999993993E-1f, 3.3333331174E-1f};
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int32_t exponent = (int32_t)(bits >> 23) - 126;
    bits = (bits & 0x007FFFFFu) | 0x3F000000u;
    float f;
    memcpy(&f, &bits, sizeof(f));
    if (f < 0.707106781f) {
        exponent--;
        f = f + f - 1.0f;
    } else {
        f = f - 1.0f;
    }
    const float square = f * f;
    float y = terms[0];
    for (int32_t i = 1; i < 9; i++) {
        y = y * f + terms[i];
    }
    const float e = (float)exponent;
    y = y * f * square;
    y += -2.12194440e-4f * e;
    y += -0.5f * square;
    return f + y + 0.693359375f * e;
}

EQ_KERNEL void eq_frontend_log_f32(const eq_frontend_log_f32_params *p, const float *input,
                                   float *output)
{
    for (int32_t i = 0; i < p->size; i++) {
        const float x = input[i] + p->offset;
        output[i] = p->factor * eq_frontend_ln(x > p->floor ? x : p->floor);
    }
}

#endif
