/* What the float32 kernels share. */
#ifndef EQ_FLOAT_H
#define EQ_FLOAT_H

#include "eq_base.h"

#define EQ_FLOAT_MAX 3.40282347e+38f

/* NaN stays NaN, as in the reference. */
EQ_KERNEL float eq_clamp_f32(float x, float low, float high)
{
    const float raised = x < low ? low : x;
    return high < raised ? high : raised;
}

#endif
