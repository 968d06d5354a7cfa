/* The inner product of CONV_2D with MVE: four pixels by two output channels at a time.
 *
 * VMLADAVA.S8 adds sixteen products to a general-purpose register of even number. There are eight
 * of those, so four pixels and two channels make one tile: 14 instructions do 128
 * multiply-accumulates, and no vector is loaded without a use in the next instruction but one. As
 * that takes all registers, which no compiler can be asked to leave free, the pass over all
 * channels is a function in assembly.
 *
 * The zero point of the input is folded into the bias, so inputs are multiplied as they are.
 */
#ifndef EQ_MATMUL_MVE_H
#define EQ_MATMUL_MVE_H

#include "eq_base.h"
#include "eq_matmul_passes_mve.h"
#include "eq_requantize_mve.h"
#include "eq_tile_mve.h"

#define EQ_TILE_UNROLL 8
#define EQ_TILE_STEP_BYTES 56 /* of code */

/* Which pass: over columns of any length, of up to eight steps, or over a window of 3x3. */
enum { EQ_PASS_ANY, EQ_PASS_SHORT, EQ_PASS_WINDOW };

/* Sixteen values of the dot product. `mac` multiplies, with or without adding to what is there. */
/* clang-format off */
#define EQ_TILE_STEP(mac) \
    "vldrb.u8 q0, [r9], #16\n\t" \
    "vldrb.u8 q2, [r1], #16\n\t" \
    "vldrb.u8 q1, [r9], #16\n\t" \
    mac " r0, q0, q2\n\t" \
    "vldrb.u8 q3, [r3], #16\n\t" \
    mac " r8, q1, q2\n\t" \
    "vldrb.u8 q2, [r5], #16\n\t" \
    mac " r2, q0, q3\n\t" \
    mac " r10, q1, q3\n\t" \
    "vldrb.u8 q3, [r7], #16\n\t" \
    mac " r4, q0, q2\n\t" \
    mac " r12, q1, q2\n\t" \
    mac " r6, q0, q3\n\t" \
    mac " lr, q1, q3\n\t"

/* Negative values one less, see eq_ties_away_mve. */
#define EQ_TILE_SIGNED \
    "vshr.s32 q2, q0, #31\n\t" \
    "vshr.s32 q3, q1, #31\n\t" \
    "vadd.i32 q0, q0, q2\n\t" \
    "vadd.i32 q1, q1, q3\n\t"
#define EQ_TILE_RECTIFIED

/* On the stack: pixels 0 4 8 12, first_end 16, where to enter the loop 20, output 24,
 * weights_end 28. q4: where outputs go; q5: the output's zero point; q6: what q4 advances by; q7 what
 * `added` takes for the sums of each pixel, found by `start`. */
#define EQ_TILE(sign) EQ_TILE_OF("8", "", "", sign)
#define EQ_TILE_OF(unroll, start, added, sign) \
    __asm__ volatile( \
        "push {r4-r11, lr}\n\t" \
        "vpush {d8-d15}\n\t" \
        "ldrd r9, r11, [r0, #32]\n\t" \
        "vldrw.u32 q4, [r0, #40]\n\t" \
        start \
        "vdup.16 q5, r11\n\t" \
        "ldmia r0, {r1-r8}\n\t" \
        "mov r0, #2\n\t" \
        "vdup.16 q6, r0\n\t" \
        "adr r0, 2f\n\t" \
        "add r6, r0\n\t" \
        "orr r6, #1\n\t" \
        "push {r1-r8}\n\t" \
        "1:\n\t" \
        "ldm.w sp, {r1, r3, r5, r7, r11}\n\t" \
        EQ_TILE_STEP("vmladav.s8") \
        "ldr.w pc, [sp, #20]\n\t" \
        ".p2align 2\n\t" \
        "2:\n\t" \
        ".rept " unroll "\n\t" \
        EQ_TILE_STEP("vmladava.s8") \
        ".endr\n\t" \
        "cmp r1, r11\n\t" \
        "bne 2b\n\t" \
        "vmov q0[2], q0[0], r0, r4\n\t" \
        "vmov q0[3], q0[1], r2, r6\n\t" \
        "vmov q1[2], q1[0], r8, r12\n\t" \
        "vmov q1[3], q1[1], r10, lr\n\t" \
        "ldmia r9!, {r0, r2, r4, r6, r8, r10}\n\t" \
        "vadd.i32 q0, q0, r0\n\t" \
        "vadd.i32 q1, q1, r2\n\t" \
        added \
        "vqrdmulh.s32 q0, q0, r4\n\t" \
        "vqrdmulh.s32 q1, q1, r6\n\t" \
        sign \
        "vrshl.s32 q0, r8\n\t" \
        "vrshl.s32 q1, r10\n\t" \
        "ldrd r0, r2, [sp, #24]\n\t" \
        "vqmovnb.s32 q0, q0\n\t" \
        "vqmovnt.s32 q0, q1\n\t" \
        "vqadd.s16 q0, q0, q5\n\t" \
        "vqmovnb.s16 q0, q0\n\t" \
        "vstrb.16 q0, [r0, q4]\n\t" \
        "vadd.i16 q4, q4, q6\n\t" \
        "cmp r9, r2\n\t" \
        "bne 1b\n\t" \
        "add sp, #32\n\t" \
        "vpop {d8-d15}\n\t" \
        "pop {r4-r11, pc}")
/* clang-format on */

/* All pairs of channels from weights to weights_end, for outputs that are clamped at the zero
 * point. A pair's weights: sixteen of a, sixteen of b, for each step; then as words bias,
 * multiplier and negative right shift, each of a and of b. */
static EQ_NAKED void eq_tile_rectified_mve(const eq_tile_mve *tile __attribute__((unused)))
{
    EQ_TILE(EQ_TILE_RECTIFIED);
}

/* The same for outputs of either sign. */
static EQ_NAKED void eq_tile_signed_mve(const eq_tile_mve *tile __attribute__((unused)))
{
    EQ_TILE(EQ_TILE_SIGNED);
}

/* Copies any number of bytes, none too many. */
EQ_KERNEL void eq_copy_mve(const int8_t *from, int8_t *to, int32_t bytes)
{
    __asm__ volatile("wlstp.8 lr, %2, 2f\n"
                     "1:\n\t"
                     "vldrb.u8 q0, [%0], #16\n\t"
                     "vstrb.u8 q0, [%1], #16\n\t"
                     "letp lr, 1b\n"
                     "2:"
                     : "+r"(from), "+r"(to)
                     : "r"(bytes)
                     : "lr", "q0", "memory");
}

/* Where the outputs of a tile's pixels go. */
EQ_KERNEL void eq_tile_places_mve(int32_t channels, eq_tile_mve *tile)
{
    for (int32_t i = 0; i < EQ_TILE_PIXELS; i++) {
        tile->at[2 * i] = (uint16_t)(i * channels);
        tile->at[2 * i + 1] = (uint16_t)(i * channels + (channels == 1 ? 0 : 1));
    }
}

/* Bytes to jump over for so many steps, of which the first stands before the loop. */
EQ_KERNEL int32_t eq_tile_skip_mve(int32_t steps, int32_t unroll)
{
    const int32_t rest = (steps - 1) % unroll;
    return (steps == 1 || rest != 0 ? unroll - rest : 0) * EQ_TILE_STEP_BYTES;
}

/* What stays the same for all tiles of a layer whose inputs stand in columns, one after another. */
EQ_KERNEL void eq_tile_start_mve(const eq_scale_mve *scale, int32_t steps, int32_t channels,
                                 const int8_t *columns, eq_tile_mve *tile)
{
    tile->first_end = columns + 16 * steps;
    tile->skip = eq_tile_skip_mve(steps, EQ_TILE_UNROLL);
    tile->output_offset = scale->output_offset;
    for (int32_t i = 0; i < EQ_TILE_PIXELS; i++) {
        tile->pixels[i] = columns + i * 16 * steps;
    }
    eq_tile_places_mve(channels, tile);
}

/* A tile of less than four pixels, the last: what is missing does the last one's work again. */
EQ_KERNEL void eq_tile_fill_mve(int32_t steps, int32_t pixels, int8_t *columns, eq_tile_mve *tile)
{
    for (int32_t i = pixels; i < EQ_TILE_PIXELS; i++) {
        eq_copy_mve(columns + (pixels - 1) * 16 * steps, columns + i * 16 * steps, 16 * steps);
        tile->at[2 * i] = tile->at[2 * pixels - 2];
        tile->at[2 * i + 1] = tile->at[2 * pixels - 1];
    }
}

/* One pass. */
EQ_KERNEL void eq_tile_pass_mve(const eq_tile_mve *tile, int pass, int32_t steps, int rectified)
{
    if (pass == EQ_PASS_SHORT) {
        eq_short_pass_mve(tile, steps, rectified);
    } else if (pass == EQ_PASS_WINDOW) {
        if (rectified) {
            eq_window_rectified_mve(tile);
        } else {
            eq_window_signed_mve(tile);
        }
    } else if (rectified) {
        eq_tile_rectified_mve(tile);
    } else {
        eq_tile_signed_mve(tile);
    }
}

/* All `channels` outputs of a tile. An odd number of channels has the last but one again in its
 * last pair. */
EQ_KERNEL void eq_tile_run_mve(const eq_scale_mve *scale, eq_tile_mve *tile, int pass,
                               int32_t steps, const int8_t *weights, int8_t *output,
                               int32_t channels, int32_t pixels)
{
    const int32_t pair_bytes = 32 * steps + 24;
    const int32_t pairs = channels / 2;
    for (int32_t part = pairs == 0 ? 1 : 0; part <= channels % 2; part++) {
        tile->weights = weights + part * pairs * pair_bytes;
        tile->weights_end = weights + (pairs + part) * pair_bytes;
        tile->output = output + part * eq_max(channels - 2, 0);
        eq_tile_pass_mve(tile, pass, steps, scale->rectified);
    }
    eq_clamp_mve(scale, output, pixels * channels);
}

#endif
