/* FULLY_CONNECTED, float32, for Arm cores with an FPU: eight outputs at a time. */
#ifndef EQ_FULLY_CONNECTED_F32_FPU_H
#define EQ_FULLY_CONNECTED_F32_FPU_H

#include "eq_fully_connected_f32.h"
#include "eq_rows_f32_fpu.h"

/* `weights`: the outputs by eights, see eq_rows_f32_fpu.h. */
EQ_KERNEL void eq_fully_connected_fpu_f32(const eq_fully_connected_f32_params *p,
                                          const float *input, const float *weights, float *output)
{
    const int32_t whole = p->output_c / EQ_ROWS_FPU * EQ_ROWS_FPU;
    const int32_t rest = p->output_c - whole;
    for (int32_t b = 0; b < p->batches; b++) {
        const float *last = weights;
        if (whole != 0) {
            last = eq_row_sums_fpu(weights, input, p->input_c, output, whole);
        }
        if (rest != 0) {
            float sums[EQ_ROWS_FPU];
            eq_row_sums_fpu(last, input, p->input_c, sums, rest);
            memcpy(output + whole, sums, (size_t)rest * sizeof(*sums));
        }
        for (int32_t i = 0; i < p->output_c; i++) {
            output[i] = eq_clamp_f32(output[i], p->activation_min, p->activation_max);
        }
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
