/* Float32 ops of one value, portable C with the C library's functions. */
#ifndef EQ_FLOAT_UNARY_H
#define EQ_FLOAT_UNARY_H

#include <math.h>

#include "eq_base.h"

typedef struct {
    int32_t size;
    float alpha; /* LEAKY_RELU's slope */
} eq_float_unary_params;

/* The output may be written over the input. */
#define EQ_FLOAT_UNARY(name, expression)                                                           \
    EQ_KERNEL void eq_##name##_f32(const eq_float_unary_params *p, const float *input,             \
                                   float *output)                                                  \
    {                                                                                              \
        for (int32_t i = 0; i < p->size; i++) {                                                    \
            const float x = input[i];                                                              \
            output[i] = (expression);                                                              \
        }                                                                                          \
    }

/* To nearest, ties to the even neighbour. */
EQ_KERNEL float eq_round_one_f32(float x)
{
    const float low = floorf(x);
    const float rest = x - low;
    if (rest < 0.5f) {
        return low;
    }
    if (rest > 0.5f) {
        return low + 1.0f;
    }
    return 2.0f * floorf(low * 0.5f) < low ? low + 1.0f : low;
}

/* The cuts are the reference's. */
EQ_KERNEL float eq_logistic_one_f32(float x)
{
    if (x > 16.619047164916992188f) {
        return 1.0f;
    }
    return x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x));
}

EQ_FLOAT_UNARY(abs, fabsf(x))
EQ_FLOAT_UNARY(ceil, ceilf(x))
EQ_FLOAT_UNARY(cos, cosf(x))
EQ_FLOAT_UNARY(exp, expf(x))
EQ_FLOAT_UNARY(floor, floorf(x))
EQ_FLOAT_UNARY(gelu_tanh, 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x))))
EQ_FLOAT_UNARY(hard_swish, x *(x < -3.0f ? 0.0f : (x > 3.0f ? 6.0f : x + 3.0f)) / 6.0f)
EQ_FLOAT_UNARY(leaky_relu, x > 0.0f ? x : x * p->alpha)
EQ_FLOAT_UNARY(log, logf(x))
EQ_FLOAT_UNARY(logistic, eq_logistic_one_f32(x))
EQ_FLOAT_UNARY(neg, -x)
EQ_FLOAT_UNARY(relu, x < 0.0f ? 0.0f : x)
EQ_FLOAT_UNARY(relu6, x < 0.0f ? 0.0f : (x > 6.0f ? 6.0f : x))
EQ_FLOAT_UNARY(relu_n1_to_1, x < -1.0f ? -1.0f : (x > 1.0f ? 1.0f : x))
EQ_FLOAT_UNARY(round, eq_round_one_f32(x))
EQ_FLOAT_UNARY(rsqrt, 1.0f / sqrtf(x))
EQ_FLOAT_UNARY(sign, x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x + 0.0f)) /* NaN stays, -0 is 0 */
EQ_FLOAT_UNARY(sin, sinf(x))
EQ_FLOAT_UNARY(sqrt, sqrtf(x))
EQ_FLOAT_UNARY(square, x *x)
EQ_FLOAT_UNARY(tanh, tanhf(x))
#ifndef __AVR__ /* its C library has neither function before 2.2 */
EQ_FLOAT_UNARY(elu, x < 0.0f ? expm1f(x) : x)
EQ_FLOAT_UNARY(gelu, 0.5f * x * erfcf(x * -0.70710678f))
#endif

#endif
