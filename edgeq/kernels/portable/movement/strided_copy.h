/* Copies of a box of bytes from one strided layout to another: slices, transpositions, reversals,
 * repetitions. Portable C. */
#ifndef EQ_STRIDED_COPY_H
#define EQ_STRIDED_COPY_H

#include "eq_base.h"

typedef struct {
    int32_t size[6];       /* turns of each loop, outermost first */
    int32_t input_step[6]; /* bytes; 0 and negative steps are fine */
    int32_t output_step[6];
    int32_t input_start;
    int32_t run; /* bytes that lie together on both sides */
} eq_strided_copy_params;

/* Where input and output may overlap depends on the steps; the host works it out. */
EQ_KERNEL void eq_strided_copy(const eq_strided_copy_params *p, const void *input, void *output)
{
    const uint8_t *from = (const uint8_t *)input + p->input_start;
    uint8_t *to = (uint8_t *)output;
    for (int32_t a = 0; a < p->size[0]; a++) {
        const int32_t in_a = a * p->input_step[0];
        const int32_t out_a = a * p->output_step[0];
        for (int32_t b = 0; b < p->size[1]; b++) {
            const int32_t in_b = in_a + b * p->input_step[1];
            const int32_t out_b = out_a + b * p->output_step[1];
            for (int32_t c = 0; c < p->size[2]; c++) {
                const int32_t in_c = in_b + c * p->input_step[2];
                const int32_t out_c = out_b + c * p->output_step[2];
                for (int32_t d = 0; d < p->size[3]; d++) {
                    const int32_t in_d = in_c + d * p->input_step[3];
                    const int32_t out_d = out_c + d * p->output_step[3];
                    for (int32_t e = 0; e < p->size[4]; e++) {
                        const int32_t in_e = in_d + e * p->input_step[4];
                        const int32_t out_e = out_d + e * p->output_step[4];
                        for (int32_t f = 0; f < p->size[5]; f++) {
                            memmove(to + out_e + f * p->output_step[5],
                                    from + in_e + f * p->input_step[5], (size_t)p->run);
                        }
                    }
                }
            }
        }
    }
}

#endif
