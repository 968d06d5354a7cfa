/* SignalRfft and SignalIrfft, portable C: an FFT of half the length on pairs of real samples, and
 * the step that parts (or joins) the two halves of its spectrum.
 *
 * The arithmetic is that of kissfft 130, as TensorFlow Lite Micro builds it: every stage of radix r
 * first scales by floor(max / r), every product is rounded to nearest. Sums wrap.
 */
#ifndef EQ_SIGNAL_FFT_H
#define EQ_SIGNAL_FFT_H

#include "eq_base.h"

typedef struct {
    int32_t rows;
    int32_t input_length;
    int32_t points; /* complex: half the FFT's length, a power of two */
    int32_t odd;    /* whether `points` is no power of four: then the first stage has radix 2 */
    int32_t inverse;
} eq_signal_fft_params;

#define EQ_FFT_FIXED(t, type, wide, bits)                                                          \
    EQ_KERNEL type eq_fft_round_##t(wide x)                                                        \
    {                                                                                              \
        return (type)((x + ((wide)1 << (bits - 1))) >> bits);                                      \
    }                                                                                              \
    EQ_KERNEL type eq_fft_scale_##t(type x, int32_t divisor)                                       \
    {                                                                                              \
        return eq_fft_round_##t((wide)x * (wide)((((int64_t)1 << bits) - 1) / divisor));           \
    }                                                                                              \
    /* a * b - c * d; twiddles have magnitude 1, so the sum stays in range. */                     \
    EQ_KERNEL type eq_fft_cross_##t(type a, type b, type c, type d)                                \
    {                                                                                              \
        return eq_fft_round_##t((wide)a * b - (wide)c * d);                                        \
    }                                                                                              \
    EQ_KERNEL type eq_fft_dot_##t(type a, type b, type c, type d)                                  \
    {                                                                                              \
        return eq_fft_round_##t((wide)a * b + (wide)c * d);                                        \
    }

EQ_FFT_FIXED(s16, int16_t, int32_t, 15)
EQ_FFT_FIXED(s32, int32_t, int64_t, 31)

EQ_KERNEL int16_t eq_fft_add_s16(int16_t a, int16_t b)
{
    return (int16_t)(a + b);
}

EQ_KERNEL int16_t eq_fft_sub_s16(int16_t a, int16_t b)
{
    return (int16_t)(a - b);
}

EQ_KERNEL int16_t eq_fft_negative_s16(int16_t x)
{
    return (int16_t)-x;
}

EQ_KERNEL int16_t eq_fft_half_sum_s16(int16_t a, int16_t b)
{
    return (int16_t)((a + b) >> 1);
}

EQ_KERNEL int16_t eq_fft_half_difference_s16(int16_t a, int16_t b)
{
    return (int16_t)((a - b) >> 1);
}

EQ_KERNEL int32_t eq_fft_add_s32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

EQ_KERNEL int32_t eq_fft_sub_s32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

EQ_KERNEL int32_t eq_fft_negative_s32(int32_t x)
{
    return (int32_t)(0u - (uint32_t)x);
}

EQ_KERNEL int32_t eq_fft_half_sum_s32(int32_t a, int32_t b)
{
    return eq_fft_add_s32(a, b) >> 1;
}

EQ_KERNEL int32_t eq_fft_half_difference_s32(int32_t a, int32_t b)
{
    return eq_fft_sub_s32(a, b) >> 1;
}

EQ_KERNEL float eq_fft_add_f32(float a, float b)
{
    return a + b;
}

EQ_KERNEL float eq_fft_sub_f32(float a, float b)
{
    return a - b;
}

EQ_KERNEL float eq_fft_negative_f32(float x)
{
    return -x;
}

EQ_KERNEL float eq_fft_half_sum_f32(float a, float b)
{
    return (a + b) * 0.5f;
}

EQ_KERNEL float eq_fft_half_difference_f32(float a, float b)
{
    return (a - b) * 0.5f;
}

EQ_KERNEL float eq_fft_scale_f32(float x, int32_t divisor)
{
    (void)divisor;
    return x;
}

EQ_KERNEL float eq_fft_cross_f32(float a, float b, float c, float d)
{
    return a * b - c * d;
}

EQ_KERNEL float eq_fft_dot_f32(float a, float b, float c, float d)
{
    return a * b + c * d;
}

/* Fixed point has been scaled stage by stage. */
EQ_KERNEL void eq_fft_share_s16(const int16_t *x, int32_t size)
{
    (void)x;
    (void)size;
}

EQ_KERNEL void eq_fft_share_s32(const int32_t *x, int32_t size)
{
    (void)x;
    (void)size;
}

EQ_KERNEL void eq_fft_share_f32(float *x, int32_t size)
{
    for (int32_t i = 0; i < size; i++) {
        x[i] /= (float)size;
    }
}

/* Values are pairs (real, imaginary); `twiddles` are those of all points, `super` those that part
 * the spectrum, `order` says which pair of samples a point of the first stage takes. */
#define EQ_FFT(t, type)                                                                            \
    EQ_KERNEL void eq_fft_two_##t(type *x, int32_t span, int32_t stride, const type *twiddles)     \
    {                                                                                              \
        for (int32_t k = 0; k < span; k++, x += 2) {                                               \
            type *y = x + 2 * span;                                                                \
            const type *w = twiddles + 2 * k * stride;                                             \
            const type re = eq_fft_scale_##t(x[0], 2), im = eq_fft_scale_##t(x[1], 2);             \
            const type c = eq_fft_scale_##t(y[0], 2), d = eq_fft_scale_##t(y[1], 2);               \
            const type u = eq_fft_cross_##t(c, w[0], d, w[1]);                                     \
            const type v = eq_fft_dot_##t(c, w[1], d, w[0]);                                       \
            y[0] = eq_fft_sub_##t(re, u);                                                          \
            y[1] = eq_fft_sub_##t(im, v);                                                          \
            x[0] = eq_fft_add_##t(re, u);                                                          \
            x[1] = eq_fft_add_##t(im, v);                                                          \
        }                                                                                          \
    }                                                                                              \
    EQ_KERNEL void eq_fft_four_##t(type *x, int32_t span, int32_t stride, const type *twiddles,    \
                                   int32_t inverse)                                                \
    {                                                                                              \
        for (int32_t k = 0; k < span; k++, x += 2) {                                               \
            type re[4], im[4];                                                                     \
            re[0] = eq_fft_scale_##t(x[0], 4);                                                     \
            im[0] = eq_fft_scale_##t(x[1], 4);                                                     \
            for (int32_t leg = 1; leg < 4; leg++) {                                                \
                const type *w = twiddles + 2 * leg * k * stride;                                   \
                const type c = eq_fft_scale_##t(x[2 * leg * span], 4);                             \
                const type d = eq_fft_scale_##t(x[2 * leg * span + 1], 4);                         \
                re[leg] = eq_fft_cross_##t(c, w[0], d, w[1]);                                      \
                im[leg] = eq_fft_dot_##t(c, w[1], d, w[0]);                                        \
            }                                                                                      \
            const type even_re = eq_fft_add_##t(re[0], re[2]);                                     \
            const type even_im = eq_fft_add_##t(im[0], im[2]);                                     \
            const type odd_re = eq_fft_sub_##t(re[0], re[2]);                                      \
            const type odd_im = eq_fft_sub_##t(im[0], im[2]);                                      \
            const type sum_re = eq_fft_add_##t(re[1], re[3]);                                      \
            const type sum_im = eq_fft_add_##t(im[1], im[3]);                                      \
            const type turn_re = eq_fft_sub_##t(re[1], re[3]);                                     \
            const type turn_im = eq_fft_sub_##t(im[1], im[3]);                                     \
            type *second = x + 2 * (inverse ? 3 * span : span);                                    \
            type *fourth = x + 2 * (inverse ? span : 3 * span);                                    \
            x[4 * span] = eq_fft_sub_##t(even_re, sum_re);                                         \
            x[4 * span + 1] = eq_fft_sub_##t(even_im, sum_im);                                     \
            x[0] = eq_fft_add_##t(even_re, sum_re);                                                \
            x[1] = eq_fft_add_##t(even_im, sum_im);                                                \
            second[0] = eq_fft_add_##t(odd_re, turn_im);                                           \
            second[1] = eq_fft_sub_##t(odd_im, turn_re);                                           \
            fourth[0] = eq_fft_sub_##t(odd_re, turn_im);                                           \
            fourth[1] = eq_fft_add_##t(odd_im, turn_re);                                           \
        }                                                                                          \
    }                                                                                              \
    /* All stages, in place; the points are already in order. */                                   \
    EQ_KERNEL void eq_fft_stages_##t(const eq_signal_fft_params *p, type *x, const type *twiddles) \
    {                                                                                              \
        int32_t span = 1;                                                                          \
        for (int32_t i = 0; p->odd && i < p->points; i += 2) {                                     \
            eq_fft_two_##t(x + 2 * i, 1, p->points / 2, twiddles);                                 \
            span = 2;                                                                              \
        }                                                                                          \
        for (; span < p->points; span *= 4) {                                                      \
            for (int32_t i = 0; i < p->points; i += 4 * span) {                                    \
                eq_fft_four_##t(x + 2 * i, span, p->points / (4 * span), twiddles, p->inverse);    \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    /* Samples behind the input's length are zeros. */                                             \
    EQ_KERNEL void eq_signal_rfft_##t(const eq_signal_fft_params *p, const type *input,            \
                                      const type *twiddles, const type *super,                     \
                                      const uint16_t *order, type *x, type *output)                \
    {                                                                                              \
        const int32_t n = p->points;                                                               \
        for (int32_t row = 0; row < p->rows; row++) {                                              \
            for (int32_t i = 0; i < n; i++) {                                                      \
                const int32_t at = 2 * (int32_t)order[i];                                          \
                x[2 * i] = (type)(at < p->input_length ? input[at] : 0);                           \
                x[2 * i + 1] = (type)(at + 1 < p->input_length ? input[at + 1] : 0);               \
            }                                                                                      \
            eq_fft_stages_##t(p, x, twiddles);                                                     \
            const type re = eq_fft_scale_##t(x[0], 2), im = eq_fft_scale_##t(x[1], 2);             \
            output[0] = eq_fft_add_##t(re, im);                                                    \
            output[1] = 0;                                                                         \
            output[2 * n] = eq_fft_sub_##t(re, im);                                                \
            output[2 * n + 1] = 0;                                                                 \
            for (int32_t k = 1; k <= n / 2; k++) {                                                 \
                const type *w = super + 2 * (k - 1);                                               \
                const type a = eq_fft_scale_##t(x[2 * k], 2);                                      \
                const type b = eq_fft_scale_##t(x[2 * k + 1], 2);                                  \
                const type c = eq_fft_scale_##t(x[2 * (n - k)], 2);                                \
                const type d = eq_fft_scale_##t(eq_fft_negative_##t(x[2 * (n - k) + 1]), 2);       \
                const type sum_re = eq_fft_add_##t(a, c), sum_im = eq_fft_add_##t(b, d);           \
                const type dif_re = eq_fft_sub_##t(a, c), dif_im = eq_fft_sub_##t(b, d);           \
                const type u = eq_fft_cross_##t(dif_re, w[0], dif_im, w[1]);                       \
                const type v = eq_fft_dot_##t(dif_re, w[1], dif_im, w[0]);                         \
                output[2 * k] = eq_fft_half_sum_##t(sum_re, u);                                    \
                output[2 * k + 1] = eq_fft_half_sum_##t(sum_im, v);                                \
                output[2 * (n - k)] = eq_fft_half_difference_##t(sum_re, u);                       \
                output[2 * (n - k) + 1] = eq_fft_half_difference_##t(v, sum_im);                   \
            }                                                                                      \
            input += p->input_length;                                                              \
            output += 2 * n + 2;                                                                   \
        }                                                                                          \
    }                                                                                              \
    EQ_KERNEL void eq_signal_irfft_##t(const eq_signal_fft_params *p, const type *input,           \
                                       const type *twiddles, const type *super,                    \
                                       const uint16_t *order, type *x, type *output)               \
    {                                                                                              \
        const int32_t n = p->points;                                                               \
        for (int32_t row = 0; row < p->rows; row++) {                                              \
            x[0] = eq_fft_scale_##t(eq_fft_add_##t(input[0], input[2 * n]), 2);                    \
            x[1] = eq_fft_scale_##t(eq_fft_sub_##t(input[0], input[2 * n]), 2);                    \
            for (int32_t k = 1; k <= n / 2; k++) {                                                 \
                const type *w = super + 2 * (k - 1);                                               \
                const type a = eq_fft_scale_##t(input[2 * k], 2);                                  \
                const type b = eq_fft_scale_##t(input[2 * k + 1], 2);                              \
                const type c = eq_fft_scale_##t(input[2 * (n - k)], 2);                            \
                const type d = eq_fft_scale_##t(eq_fft_negative_##t(input[2 * (n - k) + 1]), 2);   \
                const type sum_re = eq_fft_add_##t(a, c), sum_im = eq_fft_add_##t(b, d);           \
                const type dif_re = eq_fft_sub_##t(a, c), dif_im = eq_fft_sub_##t(b, d);           \
                const type u = eq_fft_cross_##t(dif_re, w[0], dif_im, w[1]);                       \
                const type v = eq_fft_dot_##t(dif_re, w[1], dif_im, w[0]);                         \
                x[2 * k] = eq_fft_add_##t(sum_re, u);                                              \
                x[2 * k + 1] = eq_fft_add_##t(sum_im, v);                                          \
                x[2 * (n - k)] = eq_fft_sub_##t(sum_re, u);                                        \
                x[2 * (n - k) + 1] = eq_fft_negative_##t(eq_fft_sub_##t(sum_im, v));               \
            }                                                                                      \
            for (int32_t i = 0; i < n; i++) {                                                      \
                output[2 * i] = x[2 * (int32_t)order[i]];                                          \
                output[2 * i + 1] = x[2 * (int32_t)order[i] + 1];                                  \
            }                                                                                      \
            eq_fft_stages_##t(p, output, twiddles);                                                \
            eq_fft_share_##t(output, 2 * n);                                                       \
            input += 2 * n + 2;                                                                    \
            output += 2 * n;                                                                       \
        }                                                                                          \
    }

EQ_FFT(s16, int16_t)
EQ_FFT(s32, int32_t)
EQ_FFT(f32, float)

#endif
