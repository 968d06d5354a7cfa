/* FULLY_CONNECTED, int8, with MVE: eight outputs at a time share each vector of inputs, four where
 * there are few or few are left.
 *
 * VMLADAVA.S8 adds sixteen products to a general-purpose register of even number, of which there
 * are eight: 17 instructions do 128 multiply-accumulates, sixteen of them load a vector of weights
 * or multiply it. As that takes all registers, the pass over all outputs is in assembly.
 */
#ifndef EQ_FULLY_CONNECTED_MVE_H
#define EQ_FULLY_CONNECTED_MVE_H

#include "eq_base.h"
#include "eq_requantize_mve.h"

#define EQ_EIGHT_UNROLL 4
#define EQ_EIGHT_STEP_BYTES 68 /* of code */

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t eights;            /* outputs made by groups of eight, the others by groups of four */
    int32_t per_channel;       /* 1: each group of outputs has multipliers and shifts of its own */
    int32_t multiplier, shift; /* per-tensor; the shift is negative for right */
    eq_scale_mve scale;
} eq_fully_connected_mve_params;

/* What a pass over groups of eight outputs works on. The assembly reads it by position. */
typedef struct {
    const int8_t *weights;
    const int8_t *input_end; /* of the inputs that fill vectors */
    int8_t *output;
    const int8_t *input;
    int32_t skip; /* bytes of the unrolled loop to jump over on entry */
    int32_t multiplier, shift, output_offset;
    const int8_t *weights_end;
    int32_t rest; /* inputs behind input_end */
} eq_eight_mve;

/* clang-format off */
#define EQ_EIGHT_WEIGHTS \
    "vldrb.u8 q1, [r3], #16\n\t" \
    "vldrb.u8 q2, [r3], #16\n\t" \
    "vmladava.s8 r0, q0, q1\n\t" \
    "vldrb.u8 q1, [r3], #16\n\t" \
    "vmladava.s8 r2, q0, q2\n\t" \
    "vldrb.u8 q2, [r3], #16\n\t" \
    "vmladava.s8 r4, q0, q1\n\t" \
    "vldrb.u8 q1, [r3], #16\n\t" \
    "vmladava.s8 r6, q0, q2\n\t" \
    "vldrb.u8 q2, [r3], #16\n\t" \
    "vmladava.s8 r8, q0, q1\n\t" \
    "vldrb.u8 q1, [r3], #16\n\t" \
    "vmladava.s8 r10, q0, q2\n\t" \
    "vldrb.u8 q2, [r3], #16\n\t" \
    "vmladava.s8 r12, q0, q1\n\t" \
    "vmladava.s8 lr, q0, q2\n\t"
#define EQ_EIGHT_WHOLE
#define EQ_EIGHT_REST \
    "ldr r1, [sp, #16]\n\t" \
    "vctp.8 r1\n\t" \
    "vpst\n\t" \
    "vldrbt.u8 q0, [r5]\n\t" \
    EQ_EIGHT_WEIGHTS

/* The high multiplications of q0 and q1 by a layer's multiplier or by each output's, with negative
 * values one less where outputs are of either sign (see eq_ties_away_mve); the right shifts; all
 * eight side by side, saturated.
 * VQRDMLAH adds the high half to the sign of the sum, which is that of the product or, where the
 * product rounds to zero, loses one that the shift rounds away. */
#define EQ_EIGHT_RECTIFIED \
    "vqrdmulh.s32 q0, q0, r0\n\t" \
    "vqrdmulh.s32 q1, q1, r0\n\t" \
    "vrshl.s32 q0, r2\n\t" \
    "vrshl.s32 q1, r2\n\t" \
    "vqmovnb.s32 q0, q0\n\t" \
    "vqmovnt.s32 q0, q1\n\t"
#define EQ_EIGHT_SIGNED \
    "vshr.s32 q2, q0, #31\n\t" \
    "vshr.s32 q3, q1, #31\n\t" \
    "vqrdmlah.s32 q2, q0, r0\n\t" \
    "vqrdmlah.s32 q3, q1, r0\n\t" \
    "vrshl.s32 q2, r2\n\t" \
    "vrshl.s32 q3, r2\n\t" \
    "vqmovnb.s32 q0, q2\n\t" \
    "vqmovnt.s32 q0, q3\n\t"
#define EQ_EIGHT_CHANNELS(sign) \
    "vldrw.u32 q2, [r3], #16\n\t" \
    "vldrw.u32 q3, [r3], #16\n\t" \
    "vqrdmulh.s32 q0, q0, q2\n\t" \
    "vqrdmulh.s32 q1, q1, q3\n\t" \
    sign \
    "vldrw.u32 q2, [r3], #16\n\t" \
    "vldrw.u32 q3, [r3], #16\n\t" \
    "vrshl.s32 q0, q0, q2\n\t" \
    "vrshl.s32 q1, q1, q3\n\t" \
    "vqmovnb.s32 q0, q0\n\t" \
    "vqmovnt.s32 q0, q1\n\t"
#define EQ_EIGHT_CHANNELS_RECTIFIED EQ_EIGHT_CHANNELS("")
#define EQ_EIGHT_CHANNELS_SIGNED EQ_EIGHT_CHANNELS( \
    "vshr.s32 q2, q0, #31\n\t" \
    "vshr.s32 q3, q1, #31\n\t" \
    "vadd.i32 q0, q0, q2\n\t" \
    "vadd.i32 q1, q1, q3\n\t")

/* r3: weights; r5: input_end; r7: output; r9: input; r11: where to enter the loop. On the stack:
 * multiplier 0, shift 4, output_offset 8, weights_end 12, rest 16. */
#define EQ_EIGHT(rest, scale) \
    __asm__ volatile( \
        "push {r4-r11, lr}\n\t" \
        "ldmia r0!, {r3, r5, r7, r9, r11}\n\t" \
        "ldmia r0, {r0, r1, r2, r4, r6}\n\t" \
        "push {r0, r1, r2, r4, r6}\n\t" \
        "adr r0, 2f\n\t" \
        "add r11, r0\n\t" \
        "orr r11, #1\n\t" \
        "1:\n\t" \
        "ldmia.w r3!, {r0, r2, r4, r6, r8, r10, r12, lr}\n\t" \
        "mov r1, r9\n\t" \
        "bx r11\n\t" \
        ".p2align 2\n\t" \
        "2:\n\t" \
        ".rept 4\n\t" \
        "vldrb.u8 q0, [r1], #16\n\t" \
        EQ_EIGHT_WEIGHTS \
        ".endr\n\t" \
        "cmp r1, r5\n\t" \
        "bne 2b\n\t" \
        rest \
        "vmov q0[2], q0[0], r0, r8\n\t" \
        "vmov q0[3], q0[1], r4, r12\n\t" \
        "vmov q1[2], q1[0], r2, r10\n\t" \
        "vmov q1[3], q1[1], r6, lr\n\t" \
        "ldm.w sp, {r0, r2, r4, r6}\n\t" \
        scale \
        "vqadd.s16 q0, q0, r4\n\t" \
        "vqmovnb.s16 q0, q0\n\t" \
        "vstrb.16 q0, [r7], #8\n\t" \
        "cmp r3, r6\n\t" \
        "bne 1b\n\t" \
        "add sp, #20\n\t" \
        "pop {r4-r11, pc}")

/* All groups of eight from weights to weights_end: eight biases; for every sixteen inputs sixteen
 * weights of each output; where outputs have their own scales the multipliers, then the negative
 * right shifts, of outputs 0, 2, 4, 6, 1, 3, 5, 7. */
#define EQ_EIGHT_FUNCTION(name, rest, scale) \
    static EQ_NAKED void name(const eq_eight_mve *eight __attribute__((unused))) \
    { \
        EQ_EIGHT(rest, scale); \
    }
EQ_EIGHT_FUNCTION(eq_eight_rectified_mve, EQ_EIGHT_WHOLE, EQ_EIGHT_RECTIFIED)
EQ_EIGHT_FUNCTION(eq_eight_signed_mve, EQ_EIGHT_WHOLE, EQ_EIGHT_SIGNED)
EQ_EIGHT_FUNCTION(eq_eight_channels_rectified_mve, EQ_EIGHT_WHOLE, EQ_EIGHT_CHANNELS_RECTIFIED)
EQ_EIGHT_FUNCTION(eq_eight_channels_signed_mve, EQ_EIGHT_WHOLE, EQ_EIGHT_CHANNELS_SIGNED)
EQ_EIGHT_FUNCTION(eq_eight_rest_rectified_mve, EQ_EIGHT_REST, EQ_EIGHT_RECTIFIED)
EQ_EIGHT_FUNCTION(eq_eight_rest_signed_mve, EQ_EIGHT_REST, EQ_EIGHT_SIGNED)
EQ_EIGHT_FUNCTION(eq_eight_rest_channels_rectified_mve, EQ_EIGHT_REST, EQ_EIGHT_CHANNELS_RECTIFIED)
EQ_EIGHT_FUNCTION(eq_eight_rest_channels_signed_mve, EQ_EIGHT_REST, EQ_EIGHT_CHANNELS_SIGNED)
/* clang-format on */

/* The form of the pass that a layer takes; constants choose it. */
EQ_KERNEL void eq_eight_run_mve(const eq_fully_connected_mve_params *p, const eq_eight_mve *eight)
{
    const int rest = p->input_c % 16 != 0;
    if (p->per_channel && p->scale.rectified) {
        if (rest) {
            eq_eight_rest_channels_rectified_mve(eight);
        } else {
            eq_eight_channels_rectified_mve(eight);
        }
    } else if (p->per_channel) {
        if (rest) {
            eq_eight_rest_channels_signed_mve(eight);
        } else {
            eq_eight_channels_signed_mve(eight);
        }
    } else if (p->scale.rectified) {
        if (rest) {
            eq_eight_rest_rectified_mve(eight);
        } else {
            eq_eight_rectified_mve(eight);
        }
    } else if (rest) {
        eq_eight_rest_signed_mve(eight);
    } else {
        eq_eight_signed_mve(eight);
    }
}

/* The outputs that are made by groups of eight; the last group may be only partly wanted. Returns
 * where the weights end. */
EQ_KERNEL const int8_t *eq_eights_mve(const eq_fully_connected_mve_params *p, const int8_t *input,
                                      const int8_t *weights, int8_t *output)
{
    const int32_t rest = p->input_c % 16;
    const int32_t steps = p->input_c / 16;
    const int32_t over = steps % EQ_EIGHT_UNROLL;
    const int32_t group_bytes = 128 * ((p->input_c + 15) / 16) + 32 + 64 * p->per_channel;
    const int32_t whole = p->eights / 8;
    eq_eight_mve eight = {
        .weights = weights,
        .input_end = input + 16 * steps,
        .output = output,
        .input = input,
        .skip = (steps == 0 || over != 0 ? EQ_EIGHT_UNROLL - over : 0) * EQ_EIGHT_STEP_BYTES,
        .multiplier = p->multiplier,
        .shift = p->shift,
        .output_offset = p->scale.output_offset,
        .weights_end = weights + whole * group_bytes,
        .rest = rest,
    };
    if (whole != 0) {
        eq_eight_run_mve(p, &eight);
    }
    if (p->eights % 8 != 0) {
        int8_t last[8];
        eight.weights = eight.weights_end;
        eight.weights_end += group_bytes;
        eight.output = last;
        eq_eight_run_mve(p, &eight);
        memcpy(output + 8 * whole, last, (size_t)(p->eights % 8));
    }
    return eight.weights_end;
}

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

/* Up to four outputs. Their weights are, in words, bias, and with per_channel multiplier and
 * negative right shift; then for every sixteen inputs sixteen weights of each output. Returns where
 * the weights end. */
EQ_KERNEL const int8_t *eq_four_outputs_mve(const eq_fully_connected_mve_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            int8_t *output, int32_t outputs)
{
    const int32_t steps = p->input_c / 16;
    const int32_t whole = 16 * steps;
    const int32_t *head = (const int32_t *)(const void *)weights;
    const int32x4_t bias = vldrwq_s32(head);
    int32x4_t multiplier, shift;
    if (p->per_channel) {
        multiplier = vldrwq_s32(head + 4);
        shift = vldrwq_s32(head + 8);
    } else {
        multiplier = vdupq_n_s32(p->multiplier);
        shift = vdupq_n_s32(p->shift);
    }
    int32_t acc[4] = {0, 0, 0, 0};
    weights = eq_row_mve(input, weights + (p->per_channel ? 48 : 16), steps, acc);
    if (whole != p->input_c) {
        const int8x16_t x = vldrbq_z_s8(input + whole, vctp8q((uint32_t)(p->input_c - whole)));
        acc[0] = vmladavaq_s8(acc[0], x, vldrbq_s8(weights));
        acc[1] = vmladavaq_s8(acc[1], x, vldrbq_s8(weights + 16));
        acc[2] = vmladavaq_s8(acc[2], x, vldrbq_s8(weights + 32));
        acc[3] = vmladavaq_s8(acc[3], x, vldrbq_s8(weights + 48));
        weights += 64;
    }
    const int32x4_t sums = vaddq_s32(eq_lanes_mve(acc[0], acc[1], acc[2], acc[3]), bias);
    const int32x4_t y = eq_requantize_mve(&p->scale, sums, multiplier, shift);
    if (p->output_c % 4 == 0) {
        vstrbq_s32(output, y);
    } else {
        vstrbq_p_s32(output, y, vctp32q((uint32_t)outputs));
    }
    return weights;
}

/* `weights` holds groups of eight outputs, then of four; what is missing in a group and in a vector
 * of weights is filled up with zeros. */
EQ_KERNEL void eq_fully_connected_mve_s8(const eq_fully_connected_mve_params *p,
                                         const int8_t *input, const int8_t *weights, int8_t *output)
{
    for (int32_t b = 0; b < p->batches; b++) {
        const int8_t *w = weights;
        if (p->eights != 0) {
            w = eq_eights_mve(p, input, w, output);
        }
        for (int32_t oc = p->eights; oc < p->output_c; oc += 4) {
            w = eq_four_outputs_mve(p, input, w, output + oc, p->output_c - oc);
        }
        eq_clamp_mve(&p->scale, output, p->output_c);
        input += p->input_c;
        output += p->output_c;
    }
}

#endif
