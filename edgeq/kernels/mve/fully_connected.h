/* FULLY_CONNECTED, int8, with MVE: four outputs at a time share each vector of inputs. */
#ifndef EQ_FULLY_CONNECTED_MVE_H
#define EQ_FULLY_CONNECTED_MVE_H

#include "eq_base.h"
#include "eq_requantize_mve.h"

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t per_channel;       /* 1: multiplier and shift follow each group's biases */
    int32_t multiplier, shift; /* per-tensor; the shift is negative for right */
    eq_scale_mve scale;
} eq_fully_connected_mve_params;

/* Adds to four dot products 16 * steps inputs times their weights: for every sixteen inputs sixteen
 * weights of each. Returns where the weights end. */
EQ_KERNEL const int8_t *eq_row_mve(const int8_t *input, const int8_t *weights, int32_t steps,
                                   int32_t acc[4])
{
    if (steps != 0) {
        __asm__ volatile("dls lr, %[steps]\n"
                         "1:\n\t"
                         "vldrb.u8 q0, [%[input]], #16\n\t"
                         "vldrb.u8 q1, [%[weights]], #16\n\t"
                         "vmladava.s8 %[a], q0, q1\n\t"
                         "vldrb.u8 q2, [%[weights]], #16\n\t"
                         "vmladava.s8 %[b], q0, q2\n\t"
                         "vldrb.u8 q1, [%[weights]], #16\n\t"
                         "vmladava.s8 %[c], q0, q1\n\t"
                         "vldrb.u8 q2, [%[weights]], #16\n\t"
                         "vmladava.s8 %[d], q0, q2\n\t"
                         "le lr, 1b"
                         : [a] "+Te"(acc[0]), [b] "+Te"(acc[1]), [c] "+Te"(acc[2]),
                           [d] "+Te"(acc[3]), [input] "+r"(input), [weights] "+r"(weights)
                         : [steps] "r"(steps)
                         : "lr", "q0", "q1", "q2", "memory");
    }
    return weights;
}

/* `weights` holds for each group of four outputs, in words: bias, and with per_channel multiplier
 * and negative right shift; then for every sixteen inputs sixteen weights of each output, filled up
 * with zeros. */
EQ_KERNEL void eq_fully_connected_mve_s8(const eq_fully_connected_mve_params *p,
                                         const int8_t *input, const int8_t *weights, int8_t *output)
{
    const int32_t steps = p->input_c / 16;
    const int32_t whole = 16 * steps;
    const mve_pred16_t rest = vctp8q((uint32_t)(p->input_c - whole));
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *w = weights;
        for (int32_t oc = 0; oc < p->output_c; oc += 4) {
            const int32_t *head = (const int32_t *)(const void *)w;
            const int32x4_t bias = vldrwq_s32(head);
            int32x4_t multiplier, shift;
            if (p->per_channel) {
                multiplier = vldrwq_s32(head + 4);
                shift = vldrwq_s32(head + 8);
            } else {
                multiplier = vdupq_n_s32(p->multiplier);
                shift = vdupq_n_s32(p->shift);
            }
            w += p->per_channel ? 48 : 16;
            int32_t acc[4] = {0, 0, 0, 0};
            w = eq_row_mve(input, w, steps, acc);
            if (whole != p->input_c) {
                const int8x16_t x = vldrbq_z_s8(input + whole, rest);
                acc[0] = vmladavaq_s8(acc[0], x, vldrbq_s8(w));
                acc[1] = vmladavaq_s8(acc[1], x, vldrbq_s8(w + 16));
                acc[2] = vmladavaq_s8(acc[2], x, vldrbq_s8(w + 32));
                acc[3] = vmladavaq_s8(acc[3], x, vldrbq_s8(w + 48));
                w += 64;
            }
            const int32x4_t sums = vaddq_s32(eq_lanes_mve(acc[0], acc[1], acc[2], acc[3]), bias);
            const int32x4_t y = eq_requantize_mve(&p->scale, sums, multiplier, shift);
            if (p->output_c % 4 == 0) {
                vstrbq_s32(output + oc, y);
            } else {
                vstrbq_p_s32(output + oc, y, vctp32q((uint32_t)(p->output_c - oc)));
            }
        }
        eq_clamp_mve(&p->scale, output, p->output_c);
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
