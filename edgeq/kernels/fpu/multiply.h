/* Multiply-accumulates of float32 values on Arm cores with an FPU, for assembly.
 *
 * Each product is rounded and then added, in the order of the reference, so that all bytes are its
 * own; a VFMA would round once. On Cortex-M4 it would not be faster: it takes three cycles, a VMUL
 * and a VADD one each. Four products are under way before the first of them is needed.
 */
#ifndef EQ_MULTIPLY_FPU_H
#define EQ_MULTIPLY_FPU_H

#include "eq_float.h"

/* Adds w0 * x0 ... w3 * x3 to a0 ... a3; and how many bytes of code that is. */
#define EQ_MACS_BYTES_FPU 32
#define EQ_MACS_FPU(a0, a1, a2, a3, w0, w1, w2, w3, x0, x1, x2, x3)                                \
    "vmul.f32 s28, " w0 ", " x0 "\n\t"                                                             \
    "vmul.f32 s29, " w1 ", " x1 "\n\t"                                                             \
    "vmul.f32 s30, " w2 ", " x2 "\n\t"                                                             \
    "vmul.f32 s31, " w3 ", " x3 "\n\t"                                                             \
    "vadd.f32 " a0 ", " a0 ", s28\n\t"                                                             \
    "vadd.f32 " a1 ", " a1 ", s29\n\t"                                                             \
    "vadd.f32 " a2 ", " a2 ", s30\n\t"                                                             \
    "vadd.f32 " a3 ", " a3 ", s31\n\t"

/* Eight sums of 0, and biases b0 ... b3 added to sums a0 ... a3. */
#define EQ_ZEROS_FPU(d0, d1, d2, d3, zero)                                                         \
    "vmov " d0 ", " zero ", " zero "\n\t"                                                          \
    "vmov " d1 ", " zero ", " zero "\n\t"                                                          \
    "vmov " d2 ", " zero ", " zero "\n\t"                                                          \
    "vmov " d3 ", " zero ", " zero "\n\t"
#define EQ_BIASES_FPU(a0, a1, a2, a3, b0, b1, b2, b3)                                              \
    "vadd.f32 " a0 ", " a0 ", " b0 "\n\t"                                                          \
    "vadd.f32 " a1 ", " a1 ", " b1 "\n\t"                                                          \
    "vadd.f32 " a2 ", " a2 ", " b2 "\n\t"                                                          \
    "vadd.f32 " a3 ", " a3 ", " b3 "\n\t"

/* A RELU of what is kept in a register; NaN stays NaN. `zero` holds 0. */
#define EQ_RELU_FPU(x, zero)                                                                       \
    "vcmp.f32 " x ", #0.0\n\t"                                                                     \
    "vmrs APSR_nzcv, fpscr\n\t"                                                                    \
    "it mi\n\t"                                                                                    \
    "vmovmi.f32 " x ", " zero "\n\t"

/* Limits that are not those of a RELU, which the assembly knows. An infinite sum stays infinite
 * where there is no limit; the reference makes the largest number of it. */
EQ_KERNEL void eq_clamp_all_fpu(float low, float high, float *output, int32_t count)
{
    if (high < EQ_FLOAT_MAX || (low > -EQ_FLOAT_MAX && (low < 0.0f || low > 0.0f))) {
        for (int32_t i = 0; i < count; i++) {
            output[i] = eq_clamp_f32(output[i], low, high);
        }
    }
}

#endif
