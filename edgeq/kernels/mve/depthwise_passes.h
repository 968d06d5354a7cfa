/* The inner loops of depthwise layers with MVE, in assembly: all channels of a block, eight outputs
 * at a time.
 *
 * The values of a block stand in scratch so that a word holds four neighbours of one channel, and
 * gathering four such words gives sixteen values (see eq_depthwise_conv_2d_3x3_mve.h and
 * eq_depthwise_conv_1d_mve.h). Each is multiplied by the filter in up to four places. The outputs
 * of a channel are made by turns of eight; the last turn begins `back` earlier where they are no
 * multiple, and makes some of the turn before again.
 */
#ifndef EQ_DEPTHWISE_PASSES_MVE_H
#define EQ_DEPTHWISE_PASSES_MVE_H

#include "eq_base.h"

/* What a pass works on. The assembly reads it by position. */
typedef struct {
    const int8_t *column; /* of the first channel, in scratch */
    int8_t *output;
    const int8_t *record; /* of the first channel: bias, multiplier and negative right shift */
    const int8_t *taps;   /* of the first channel, where they do not follow the words */
    int32_t turns;        /* but the last */
    uint32_t stored;      /* predicate of the last turn's outputs, of 1-D layers */
    const int8_t *record_end;
    int32_t shift; /* of the filter for the second line, in bits; of 1-D layers the taps */
    int32_t back_columns, back_outputs; /* bytes that the last turn begins earlier */
    int32_t next_column, next_output;   /* bytes back from a channel's last turn to the next one */
    int32_t output_offset;
    int32_t output_step; /* bytes from turn to turn */
    uint16_t at[8];      /* where a turn's outputs go */
} eq_depthwise_pass_mve;

/* clang-format off */
#define EQ_ASM(text) text "\n\t"

/* On the stack, from the caller's structure: turns 0, stored 4, record_end 8, shift 12, back 16 and
 * 20, next 24 and 28, at 32. r1: column, r3: output, r11: record, r12: taps, r8: output_offset,
 * r10: output_step; q2: at; q3: distances of four columns. */
#define EQ_DEPTHWISE_START \
    EQ_ASM("push {r4-r11, lr}") \
    EQ_ASM("vpush {d8-d15}") \
    EQ_ASM("vldrw.u32 q0, [r0, #16]") \
    EQ_ASM("vldrw.u32 q1, [r0, #32]") \
    EQ_ASM("ldrd r8, r10, [r0, #48]") \
    EQ_ASM("vldrw.u32 q2, [r0, #56]") \
    EQ_ASM("ldrd r11, r12, [r0, #8]") \
    EQ_ASM("ldrd r1, r3, [r0]") \
    EQ_ASM("sub sp, #48") \
    EQ_ASM("vstrw.32 q2, [sp, #32]") \
    EQ_ASM("vstrw.32 q0, [sp]") \
    EQ_ASM("vstrw.32 q1, [sp, #16]") \
    EQ_ASM("movs r0, #0") \
    EQ_ASM("vidup.u32 q3, r0, #1") \
    EQ_ASM("vshl.i32 q3, q3, #6")
#define EQ_DEPTHWISE_END \
    EQ_ASM("ldrd r0, r2, [sp, #24]") \
    EQ_ASM("sub r1, r0") \
    EQ_ASM("ldr r4, [sp, #8]") \
    EQ_ASM("sub r3, r2") \
    EQ_ASM("cmp r11, r4") \
    EQ_ASM("bne 1b") \
    EQ_ASM("add sp, #48") \
    EQ_ASM("vpop {d8-d15}") \
    EQ_ASM("pop {r4-r11, pc}")
/* Between the turns and the last one. */
#define EQ_DEPTHWISE_BACK \
    EQ_ASM("ldrd r0, r2, [sp, #16]") \
    EQ_ASM("sub r1, r0") \
    EQ_ASM("sub r3, r2")

/* Four products with one vector of values, which is at r1. */
#define EQ_DEPTHWISE_FOUR(q, distance) \
    EQ_ASM("vldrw.u32 " q ", [r1, q3]") \
    EQ_ASM("add r1, #" distance) \
    EQ_ASM("vmladav.s8 r0, " q ", q4") \
    EQ_ASM("vmladav.s8 r2, " q ", q5") \
    EQ_ASM("vmladav.s8 r4, " q ", q6") \
    EQ_ASM("vmladav.s8 r6, " q ", q7")
/* Two products with each of two vectors, two columns apart. */
#define EQ_DEPTHWISE_TWICE_TWO(q) \
    EQ_ASM("vldrw.u32 " q ", [r1, q3]") \
    EQ_ASM("add r1, #128") \
    EQ_ASM("vmladav.s8 r0, " q ", q4") \
    EQ_ASM("vmladav.s8 r2, " q ", q5") \
    EQ_ASM("vldrw.u32 " q ", [r1, q3]") \
    EQ_ASM("add r1, #128") \
    EQ_ASM("vmladav.s8 r4, " q ", q4") \
    EQ_ASM("vmladav.s8 r6, " q ", q5")
#define EQ_DEPTHWISE_LANES(q) \
    EQ_ASM("vmov " q "[2], " q "[0], r0, r4") \
    EQ_ASM("vmov " q "[3], " q "[1], r2, r6")

/* Eight sums become outputs, which are stored. With outputs of either sign as in
 * eq_matmul_passes_mve.h; q2 then is needed and loaded again. */
#define EQ_DEPTHWISE_RECTIFIED(store) \
    EQ_ASM("vqrdmulh.s32 q0, q0, r7") \
    EQ_ASM("vqrdmulh.s32 q1, q1, r7") \
    EQ_ASM("vrshl.s32 q0, r9") \
    EQ_ASM("vrshl.s32 q1, r9") \
    EQ_ASM("vqmovnb.s32 q0, q0") \
    EQ_ASM("vqmovnt.s32 q0, q1") \
    EQ_ASM("vqadd.s16 q0, q0, r8") \
    EQ_ASM("vqmovnb.s16 q0, q0") \
    EQ_ASM(store " q0, [r3, q2]")
#define EQ_DEPTHWISE_SIGNED(store) \
    EQ_ASM("vshr.s32 q2, q0, #31") \
    EQ_ASM("vqrdmlah.s32 q2, q0, r7") \
    EQ_ASM("vshr.s32 q0, q1, #31") \
    EQ_ASM("vqrdmlah.s32 q0, q1, r7") \
    EQ_ASM("vrshl.s32 q2, r9") \
    EQ_ASM("vrshl.s32 q0, r9") \
    EQ_ASM("vqmovnb.s32 q1, q2") \
    EQ_ASM("vqmovnt.s32 q1, q0") \
    EQ_ASM("vldrw.u32 q2, [sp, #32]") \
    EQ_ASM("vqadd.s16 q1, q1, r8") \
    EQ_ASM("vqmovnb.s16 q1, q1") \
    EQ_ASM(store " q1, [r3, q2]")
/* A turn: eight outputs out of two groups of four sums. */
#define EQ_DEPTHWISE_TURN(first, second, scale, store) \
    first \
    EQ_DEPTHWISE_LANES("q0") \
    second \
    EQ_DEPTHWISE_LANES("q1") \
    EQ_ASM("vadd.i32 q0, q0, r5") \
    EQ_ASM("vadd.i32 q1, q1, r5") \
    scale(store) \
    EQ_ASM("add r3, r10")
#define EQ_DEPTHWISE_ALL "vstrb.16"
#define EQ_DEPTHWISE_SOME "vpst\n\tvstrbt.16"

/* Filters of 3x3 over patches of 4x4: the twelve taps behind the words are the patch's first three
 * columns; one column on, the window of the next output. */
#define EQ_DEPTHWISE_PATCH(lower, first, second, scale) \
    __asm__ volatile( \
        EQ_DEPTHWISE_START \
        EQ_ASM("movw r0, #0x0fff") \
        EQ_ASM("vmsr p0, r0") \
        EQ_ASM("1:") \
        EQ_ASM("ldmia.w sp, {r0, r2, r4, r6}") \
        EQ_ASM("ldmia r11!, {r5, r7, r9}") \
        EQ_ASM("vpst") \
        EQ_ASM("vldrwt.u32 q4, [r11], #12") \
        EQ_ASM("movs r4, #0") \
        EQ_ASM("vmov q5, q4") \
        EQ_ASM("vshlc q5, r4, #32") \
        lower \
        EQ_ASM("wls lr, r0, 3f") \
        EQ_ASM("2:") \
        EQ_DEPTHWISE_TURN(first, second, scale, EQ_DEPTHWISE_ALL) \
        EQ_ASM("le lr, 2b") \
        EQ_ASM("3:") \
        EQ_DEPTHWISE_BACK); \
    __asm__ volatile( \
        EQ_DEPTHWISE_TURN(first, second, scale, EQ_DEPTHWISE_ALL) \
        EQ_DEPTHWISE_END)
/* The filter one line lower: for outputs of the second line, or in place where there is none. */
#define EQ_DEPTHWISE_LOWER \
    EQ_ASM("vmov q6, q4") \
    EQ_ASM("vmov q7, q5") \
    EQ_ASM("vshl.u32 q6, r6") \
    EQ_ASM("vshl.u32 q7, r6")
#define EQ_DEPTHWISE_PAIR(scale) \
    EQ_DEPTHWISE_PATCH(EQ_DEPTHWISE_LOWER, EQ_DEPTHWISE_FOUR("q0", "128"), \
                       EQ_DEPTHWISE_FOUR("q1", "128"), scale)
#define EQ_DEPTHWISE_SINGLE(scale) \
    EQ_DEPTHWISE_PATCH("", EQ_DEPTHWISE_TWICE_TWO("q0"), EQ_DEPTHWISE_TWICE_TWO("q1"), scale)

/* Filters over a line: the filter in four places. */
#define EQ_DEPTHWISE_LINE(scale) \
    __asm__ volatile( \
        EQ_DEPTHWISE_START \
        EQ_ASM("1:") \
        EQ_ASM("ldmia.w sp, {r0, r2, r4, r6}") \
        EQ_ASM("ldmia r11!, {r5, r7, r9}") \
        EQ_ASM("vctp.8 r6") \
        EQ_ASM("vpst") \
        EQ_ASM("vldrbt.u8 q4, [r12]") \
        EQ_ASM("add r12, r6") \
        EQ_ASM("movs r4, #0") \
        EQ_ASM("vmov q5, q4") \
        EQ_ASM("vshlc q5, r4, #8") \
        EQ_ASM("vmov q6, q5") \
        EQ_ASM("vshlc q6, r4, #8") \
        EQ_ASM("vmov q7, q6") \
        EQ_ASM("vshlc q7, r4, #8") \
        EQ_ASM("vmsr p0, r2") \
        EQ_ASM("wls lr, r0, 3f") \
        EQ_ASM("2:") \
        EQ_DEPTHWISE_TURN(EQ_DEPTHWISE_FOUR("q0", "64"), EQ_DEPTHWISE_FOUR("q1", "64"), scale, \
                          EQ_DEPTHWISE_ALL) \
        EQ_ASM("le lr, 2b") \
        EQ_ASM("3:") \
        EQ_DEPTHWISE_BACK); \
    __asm__ volatile( \
        EQ_DEPTHWISE_TURN(EQ_DEPTHWISE_FOUR("q0", "64"), EQ_DEPTHWISE_FOUR("q1", "64"), scale, \
                          EQ_DEPTHWISE_SOME) \
        EQ_DEPTHWISE_END)

#define EQ_DEPTHWISE_FUNCTION(name, pass, scale) \
    static EQ_NAKED void name(const eq_depthwise_pass_mve *pass_of __attribute__((unused))) \
    { \
        pass(scale); \
    }
/* Two lines of an image, one line, and 1-D layers; for outputs that are clamped at the zero point,
 * and for those of either sign. */
EQ_DEPTHWISE_FUNCTION(eq_patch_pair_rectified_mve, EQ_DEPTHWISE_PAIR, EQ_DEPTHWISE_RECTIFIED)
EQ_DEPTHWISE_FUNCTION(eq_patch_pair_signed_mve, EQ_DEPTHWISE_PAIR, EQ_DEPTHWISE_SIGNED)
EQ_DEPTHWISE_FUNCTION(eq_patch_single_rectified_mve, EQ_DEPTHWISE_SINGLE, EQ_DEPTHWISE_RECTIFIED)
EQ_DEPTHWISE_FUNCTION(eq_patch_single_signed_mve, EQ_DEPTHWISE_SINGLE, EQ_DEPTHWISE_SIGNED)
EQ_DEPTHWISE_FUNCTION(eq_line_pass_rectified_mve, EQ_DEPTHWISE_LINE, EQ_DEPTHWISE_RECTIFIED)
EQ_DEPTHWISE_FUNCTION(eq_line_pass_signed_mve, EQ_DEPTHWISE_LINE, EQ_DEPTHWISE_SIGNED)
/* clang-format on */

#endif
