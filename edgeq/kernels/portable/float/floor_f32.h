/* FLOOR_DIV and FLOOR_MOD of float32, with broadcasting; portable C. */
#ifndef EQ_FLOOR_F32_H
#define EQ_FLOOR_F32_H

#include <math.h>

#include "eq_arithmetic.h"

/* The remainder has the sign of the divisor. */
EQ_KERNEL float eq_floor_mod_one_f32(float a, float b)
{
    const float rest = fmodf(a, b);
    return (rest < 0.0f || rest > 0.0f) && (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
}

/* The reference divides in double precision: 6.0f / 0.1f is less than 60 there. */
EQ_ARITHMETIC(floor_div_f32, eq_arithmetic_f32_params, float, (float)floor((double)a / (double)b))
EQ_ARITHMETIC(floor_mod_f32, eq_arithmetic_f32_params, float, eq_floor_mod_one_f32(a, b))

#endif
