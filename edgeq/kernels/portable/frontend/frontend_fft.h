/* A real FFT of int32, in place, portable C: half as many complex points, radix 4, then the step
 * that parts the two halves of the spectrum.
 *
 * Every stage scales by its radix, so nothing overflows whatever the samples are; with 31 bits the
 * scaling costs nothing that 16-bit samples hold. A product keeps its high half, which is one
 * instruction where there is a SMMUL or a MULH.
 */
#ifndef EQ_FRONTEND_FFT_H
#define EQ_FRONTEND_FFT_H

#include "eq_base.h"

typedef struct {
    int32_t points; /* complex: half the FFT's length, a power of two */
    int32_t odd;    /* whether `points` is no power of four: then the first stage has radix 2 */
} eq_frontend_fft_params;

EQ_KERNEL int32_t eq_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b) >> 32);
}

/* Four points of a stage, whose legs are already turned and scaled by 1/4. */
EQ_KERNEL void eq_frontend_four(int32_t *x, int32_t span, const int32_t *re, const int32_t *im)
{
    const int32_t even_re = re[0] + re[2], even_im = im[0] + im[2];
    const int32_t odd_re = re[0] - re[2], odd_im = im[0] - im[2];
    const int32_t sum_re = re[1] + re[3], sum_im = im[1] + im[3];
    const int32_t turn_re = re[1] - re[3], turn_im = im[1] - im[3];
    x[0] = even_re + sum_re;
    x[1] = even_im + sum_im;
    x[2 * span] = odd_re + turn_im;
    x[2 * span + 1] = odd_im - turn_re;
    x[4 * span] = even_re - sum_re;
    x[4 * span + 1] = even_im - sum_im;
    x[6 * span] = odd_re - turn_im;
    x[6 * span + 1] = odd_im + turn_re;
}

/* The first stage, without twiddles. */
EQ_KERNEL void eq_frontend_first(const eq_frontend_fft_params *p, int32_t *x)
{
    if (p->odd) {
        for (int32_t i = 0; i < 2 * p->points; i += 4) {
            for (int32_t part = 0; part < 2; part++) {
                const int32_t a = x[i + part] >> 1, b = x[i + part + 2] >> 1;
                x[i + part] = a + b;
                x[i + part + 2] = a - b;
            }
        }
        return;
    }
    for (int32_t i = 0; i < 2 * p->points; i += 8) {
        int32_t re[4], im[4];
        for (int32_t leg = 0; leg < 4; leg++) {
            re[leg] = x[i + 2 * leg] >> 2;
            im[leg] = x[i + 2 * leg + 1] >> 2;
        }
        eq_frontend_four(x + i, 1, re, im);
    }
}

/* The point k of every group of a stage; the twiddles of its legs are Q30, which scales by 1/4. */
EQ_KERNEL void eq_frontend_column(const eq_frontend_fft_params *p, int32_t *x, int32_t span,
                                  const int32_t *w)
{
    const int32_t c1 = w[0], s1 = w[1], c2 = w[2], s2 = w[3], c3 = w[4], s3 = w[5];
    for (int32_t i = 0; i < p->points; i += 4 * span, x += 8 * span) {
        const int32_t *leg = x + 2 * span;
        int32_t re[4], im[4];
        re[0] = x[0] >> 2;
        im[0] = x[1] >> 2;
        re[1] = eq_high(leg[0], c1) - eq_high(leg[1], s1);
        im[1] = eq_high(leg[0], s1) + eq_high(leg[1], c1);
        leg += 2 * span;
        re[2] = eq_high(leg[0], c2) - eq_high(leg[1], s2);
        im[2] = eq_high(leg[0], s2) + eq_high(leg[1], c2);
        leg += 2 * span;
        re[3] = eq_high(leg[0], c3) - eq_high(leg[1], s3);
        im[3] = eq_high(leg[0], s3) + eq_high(leg[1], c3);
        eq_frontend_four(x, span, re, im);
    }
}

/* Spectrum of the real signal out of that of the pairs: [0] is the constant part, [1] that at half
 * the sample rate, then pairs (real, imaginary); `super` is Q31. All is scaled by 1 / length. */
EQ_KERNEL void eq_frontend_part(const eq_frontend_fft_params *p, int32_t *x, const int32_t *super)
{
    const int32_t n = p->points;
    const int32_t first_re = x[0] >> 1, first_im = x[1] >> 1;
    x[0] = first_re + first_im;
    x[1] = first_re - first_im;
    for (int32_t k = 1; k <= n / 2; k++) {
        int32_t *a = x + 2 * k, *b = x + 2 * (n - k);
        const int32_t w = super[2 * (k - 1)], v = super[2 * (k - 1) + 1];
        const int32_t sum_re = (a[0] >> 1) + (b[0] >> 1), sum_im = (a[1] >> 1) - (b[1] >> 1);
        const int32_t dif_re = (a[0] >> 1) - (b[0] >> 1), dif_im = (a[1] >> 1) + (b[1] >> 1);
        const int32_t re = eq_high(dif_re, w) - eq_high(dif_im, v);
        const int32_t im = eq_high(dif_re, v) + eq_high(dif_im, w);
        a[0] = (sum_re >> 1) + re;
        a[1] = (sum_im >> 1) + im;
        b[0] = (sum_re >> 1) - re;
        b[1] = im - (sum_im >> 1);
    }
}

/* The points are in the order of the first stage; the output is written over the input. `twiddles`
 * hold six numbers for each point of a stage, stage after stage. */
EQ_KERNEL void eq_frontend_fft(const eq_frontend_fft_params *p, const int32_t *input,
                               const int32_t *twiddles, const int32_t *super, int32_t *x)
{
    if (input != x) {
        memcpy(x, input, (size_t)p->points * 2 * sizeof(*x));
    }
    eq_frontend_first(p, x);
    for (int32_t span = p->odd ? 2 : 4; span < p->points; span *= 4) {
        for (int32_t k = 0; k < span; k++, twiddles += 6) {
            eq_frontend_column(p, x + 2 * k, span, twiddles);
        }
    }
    eq_frontend_part(p, x, super);
}

#endif
