/* CONV_2D, int16 activations (NHWC), int8 weights, with MVE.
 *
 * As eq_conv_2d_mve.h: columns of four pixels, two channels at a time. VMLADAVA.S16 adds eight
 * products to 32-bit sums, which the host proves to be enough for this layer's weights; the
 * reference has 64. One high multiplication by a multiplier that holds the shift gives the output.
 */
#ifndef EQ_CONV_2D_S16_MVE_H
#define EQ_CONV_2D_S16_MVE_H

#include "eq_base.h"
#include "eq_conv_2d_mve.h"

typedef struct {
    eq_conv_2d_mve_params bytes; /* a value is two channels of one byte */
    int32_t activation_min, activation_max;
} eq_conv_2d_s16_mve_params;

/* Eight values of the dot product, in as many bytes of code as a step of eq_matmul_mve.h. */
/* clang-format off */
#define EQ_TILE_S16_STEP(mac) \
    "vldrb.s16 q0, [r7], #8\n\t" \
    "vldrh.u16 q2, [r1], #16\n\t" \
    "vldrb.s16 q1, [r7], #8\n\t" \
    mac " r0, q0, q2\n\t" \
    "vldrh.u16 q3, [r3], #16\n\t" \
    mac " r8, q1, q2\n\t" \
    "vldrh.u16 q2, [r5], #16\n\t" \
    mac " r2, q0, q3\n\t" \
    mac " r10, q1, q3\n\t" \
    "vldrh.u16 q3, [r9], #16\n\t" \
    mac " r4, q0, q2\n\t" \
    mac " r12, q1, q2\n\t" \
    mac " r6, q0, q3\n\t" \
    mac " lr, q1, q3\n\t"

/* All pairs of channels from weights to weights_end: eight weights of a, eight of b, for each step;
 * then as words the biases and half the multipliers of a and of b. output_offset holds both limits
 * of the outputs. On the stack as in eq_matmul_mve.h; q4: where outputs go, q5 and q6: the limits,
 * q7: what q4 advances by. */
static EQ_NAKED void eq_tile_s16_mve(const eq_tile_mve *tile __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4-r11, lr}\n\t"
        "vpush {d8-d15}\n\t"
        "ldrd r9, r11, [r0, #32]\n\t"
        "vldrw.u32 q4, [r0, #40]\n\t"
        "vdup.16 q5, r11\n\t"
        "lsr r11, r11, #16\n\t"
        "vdup.16 q6, r11\n\t"
        "ldmia r0, {r1-r8}\n\t"
        "mov r0, #2\n\t"
        "vdup.16 q7, r0\n\t"
        "adr r0, 2f\n\t"
        "add r6, r0\n\t"
        "orr r6, #1\n\t"
        "push {r1-r8}\n\t"
        "mov r7, r9\n\t"
        "1:\n\t"
        "ldm.w sp, {r1, r3, r5, r9, r11}\n\t"
        EQ_TILE_S16_STEP("vmladav.s16")
        "ldr.w pc, [sp, #20]\n\t"
        ".p2align 2\n\t"
        "2:\n\t"
        ".rept 8\n\t"
        EQ_TILE_S16_STEP("vmladava.s16")
        ".endr\n\t"
        "cmp r1, r11\n\t"
        "bne 2b\n\t"
        "vmov q0[2], q0[0], r0, r4\n\t"
        "vmov q0[3], q0[1], r2, r6\n\t"
        "vmov q1[2], q1[0], r8, r12\n\t"
        "vmov q1[3], q1[1], r10, lr\n\t"
        "ldmia r7!, {r0, r2, r4, r6}\n\t"
        "vadd.i32 q0, q0, r0\n\t"
        "vadd.i32 q1, q1, r2\n\t"
        "vqrdmulh.s32 q0, q0, r4\n\t"
        "vqrdmulh.s32 q1, q1, r6\n\t"
        "ldrd r0, r2, [sp, #24]\n\t"
        "vqmovnb.s32 q0, q0\n\t"
        "vqmovnt.s32 q0, q1\n\t"
        "vmax.s16 q0, q0, q5\n\t"
        "vmin.s16 q0, q0, q6\n\t"
        "vstrh.16 q0, [r0, q4, uxtw #1]\n\t"
        "vadd.i16 q4, q4, q7\n\t"
        "cmp r7, r2\n\t"
        "bne 1b\n\t"
        "add sp, #32\n\t"
        "vpop {d8-d15}\n\t"
        "pop {r4-r11, pc}");
}
/* clang-format on */

/* All outputs of a tile; an odd number of channels has the last but one again in its last pair. */
EQ_KERNEL void eq_tile_run_s16_mve(eq_tile_mve *tile, int32_t steps, const int8_t *weights,
                                   int16_t *output, int32_t channels)
{
    const int32_t pair_bytes = 16 * steps + 16;
    const int32_t pairs = channels / 2;
    for (int32_t part = pairs == 0 ? 1 : 0; part <= channels % 2; part++) {
        tile->weights = weights + part * pairs * pair_bytes;
        tile->weights_end = weights + (pairs + part) * pair_bytes;
        tile->output = (int8_t *)(output + part * eq_max(channels - 2, 0));
        eq_tile_s16_mve(tile);
    }
}

/* `scratch` holds the columns: 64 * steps bytes. */
EQ_KERNEL void eq_conv_2d_mve_s16(const eq_conv_2d_s16_mve_params *params, const int16_t *input,
                                  const int8_t *weights, int16_t *output, void *scratch)
{
    const eq_conv_2d_mve_params *p = &params->bytes;
    const int8_t *image = (const int8_t *)input;
    const uint32_t limits =
        (uint32_t)params->activation_max << 16 | (uint16_t)params->activation_min;
    for (int32_t b = 0; b < p->batches; b++) {
        int32_t left = p->output_h * p->output_w;
        int32_t pixels = 0;
        int8_t *column = scratch;
        eq_tile_mve tile;
        eq_tile_start_mve(&p->scale, p->steps, p->output_c, scratch, &tile);
        tile.output_offset = (int32_t)limits;
        for (int32_t oy = 0; oy < p->output_h; oy++) {
            for (int32_t ox = 0; ox < p->output_w; ox++) {
                const int32_t y = oy * p->stride_h - p->pad_top;
                const int32_t x = ox * p->stride_w - p->pad_left;
                eq_conv_2d_column_at_mve(p, image, y, x, column);
                column += 16 * p->steps;
                left--;
                pixels++;
                if (pixels == EQ_TILE_PIXELS || left == 0) {
                    eq_tile_fill_mve(p->steps, pixels, scratch, &tile);
                    eq_tile_run_s16_mve(&tile, p->steps, weights, output, p->output_c);
                    output += pixels * p->output_c;
                    pixels = 0;
                    column = scratch;
                }
            }
        }
        image += p->input_h * p->input_w * p->input_c;
    }
}

#endif
