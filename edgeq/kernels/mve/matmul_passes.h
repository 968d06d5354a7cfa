/* The passes of eq_matmul_mve.h for particular layers, in assembly like the general one.
 *
 * Columns of up to eight steps have a function for each number of steps: all addresses are those of
 * the first column and a constant, nothing is looped over but pairs of channels, and three vectors
 * of inputs stay in registers for all of them.
 *
 * In a window of 3x3 with stride 1 four neighbouring pixels share most of their inputs: six columns
 * of the image are loaded for each row of the filter instead of twelve.
 */
#ifndef EQ_MATMUL_PASSES_MVE_H
#define EQ_MATMUL_PASSES_MVE_H

#include "eq_base.h"
#include "eq_tile_mve.h"

/* clang-format off */
#define EQ_LINE(text) text "\n\t"
/* Input `s` of the column of pixel `p` into a register. */
#define EQ_SHORT_LOAD(q, steps, p, s) \
    EQ_LINE("vldrw.u32 " q ", [r1, #16 * (" #steps " * " #p " + " #s ")]")
#define EQ_PASS_WEIGHTS(q) EQ_LINE("vldrb.u8 " q ", [r9], #16")

/* A step of which pixel 0's inputs are in a register, both pixels 0's and 1's, or none. */
#define EQ_SHORT_STEP(mac, held, steps, s) \
    EQ_PASS_WEIGHTS("q0") \
    EQ_SHORT_LOAD("q2", steps, 1, s) \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE(mac " r0, q0, " held) \
    EQ_SHORT_LOAD("q3", steps, 2, s) \
    EQ_LINE(mac " r8, q1, " held) \
    EQ_LINE(mac " r2, q0, q2") \
    EQ_LINE(mac " r10, q1, q2") \
    EQ_SHORT_LOAD("q2", steps, 3, s) \
    EQ_LINE(mac " r4, q0, q3") \
    EQ_LINE(mac " r12, q1, q3") \
    EQ_LINE(mac " r6, q0, q2") \
    EQ_LINE(mac " lr, q1, q2")
#define EQ_SHORT_TWO_HELD(mac, held0, held1, steps, s) \
    EQ_PASS_WEIGHTS("q0") \
    EQ_SHORT_LOAD("q3", steps, 2, s) \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE(mac " r0, q0, " held0) \
    EQ_SHORT_LOAD("q2", steps, 3, s) \
    EQ_LINE(mac " r8, q1, " held0) \
    EQ_LINE(mac " r2, q0, " held1) \
    EQ_LINE(mac " r10, q1, " held1) \
    EQ_LINE(mac " r4, q0, q3") \
    EQ_LINE(mac " r12, q1, q3") \
    EQ_LINE(mac " r6, q0, q2") \
    EQ_LINE(mac " lr, q1, q2")
#define EQ_SHORT_LOADED(steps, s) \
    EQ_PASS_WEIGHTS("q0") \
    EQ_SHORT_LOAD("q3", steps, 0, s) \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE("vmladava.s8 r0, q0, q3") \
    EQ_SHORT_LOAD("q2", steps, 1, s) \
    EQ_LINE("vmladava.s8 r8, q1, q3") \
    EQ_SHORT_LOAD("q3", steps, 2, s) \
    EQ_LINE("vmladava.s8 r2, q0, q2") \
    EQ_LINE("vmladava.s8 r10, q1, q2") \
    EQ_SHORT_LOAD("q2", steps, 3, s) \
    EQ_LINE("vmladava.s8 r4, q0, q3") \
    EQ_LINE("vmladava.s8 r12, q1, q3") \
    EQ_LINE("vmladava.s8 r6, q0, q2") \
    EQ_LINE("vmladava.s8 lr, q1, q2")

/* What stays in registers, and the steps, by their number. */
#define EQ_HELD_1 \
    EQ_SHORT_LOAD("q5", 1, 0, 0) \
    EQ_SHORT_LOAD("q6", 1, 1, 0) \
    EQ_SHORT_LOAD("q7", 1, 2, 0) \
    EQ_SHORT_LOAD("q3", 1, 3, 0)
#define EQ_STEPS_1 \
    EQ_PASS_WEIGHTS("q0") \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE("vmladav.s8 r0, q0, q5") \
    EQ_LINE("vmladav.s8 r2, q0, q6") \
    EQ_LINE("vmladav.s8 r4, q0, q7") \
    EQ_LINE("vmladav.s8 r6, q0, q3") \
    EQ_LINE("vmladav.s8 r8, q1, q5") \
    EQ_LINE("vmladav.s8 r10, q1, q6") \
    EQ_LINE("vmladav.s8 r12, q1, q7") \
    EQ_LINE("vmladav.s8 lr, q1, q3")
#define EQ_HELD_2 \
    EQ_SHORT_LOAD("q5", 2, 0, 0) \
    EQ_SHORT_LOAD("q6", 2, 0, 1) \
    EQ_SHORT_LOAD("q7", 2, 1, 0)
#define EQ_STEPS_2 \
    EQ_SHORT_TWO_HELD("vmladav.s8", "q5", "q7", 2, 0) \
    EQ_SHORT_STEP("vmladava.s8", "q6", 2, 1)
#define EQ_HELD(steps) \
    EQ_SHORT_LOAD("q5", steps, 0, 0) \
    EQ_SHORT_LOAD("q6", steps, 0, 1) \
    EQ_SHORT_LOAD("q7", steps, 0, 2)
#define EQ_STEPS_3(steps) \
    EQ_SHORT_STEP("vmladav.s8", "q5", steps, 0) \
    EQ_SHORT_STEP("vmladava.s8", "q6", steps, 1) \
    EQ_SHORT_STEP("vmladava.s8", "q7", steps, 2)
#define EQ_STEPS_4(steps) EQ_SHORT_LOADED(steps, 3)
#define EQ_STEPS_5(steps) EQ_STEPS_4(steps) EQ_SHORT_LOADED(steps, 4)
#define EQ_STEPS_6(steps) EQ_STEPS_5(steps) EQ_SHORT_LOADED(steps, 5)
#define EQ_STEPS_7(steps) EQ_STEPS_6(steps) EQ_SHORT_LOADED(steps, 6)
#define EQ_STEPS_8(steps) EQ_STEPS_7(steps) EQ_SHORT_LOADED(steps, 7)

/* The high multiplications of q0 and q1 into q2 and q0. With outputs of either sign negative values
 * are one less (see eq_ties_away_mve): VQRDMLAH adds the product to the sign of the sum, which is
 * its own or, where it rounds to zero, takes one that the shift rounds away. */
#define EQ_PASS_RECTIFIED \
    EQ_LINE("vqrdmulh.s32 q2, q0, r4") \
    EQ_LINE("vqrdmulh.s32 q0, q1, r6")
#define EQ_PASS_SIGNED \
    EQ_LINE("vshr.s32 q2, q0, #31") \
    EQ_LINE("vqrdmlah.s32 q2, q0, r4") \
    EQ_LINE("vshr.s32 q0, q1, #31") \
    EQ_LINE("vqrdmlah.s32 q0, q1, r6")

/* r7: output; r9: the pair's words; `zero` the output's zero point, q4 where outputs go. */
#define EQ_PASS_END(multiply, zero) \
    EQ_LINE("vmov q0[2], q0[0], r0, r4") \
    EQ_LINE("vmov q0[3], q0[1], r2, r6") \
    EQ_LINE("vmov q1[2], q1[0], r8, r12") \
    EQ_LINE("vmov q1[3], q1[1], r10, lr") \
    EQ_LINE("ldmia r9!, {r0, r2, r4, r6, r8, r10}") \
    EQ_LINE("vadd.i32 q0, q0, r0") \
    EQ_LINE("vadd.i32 q1, q1, r2") \
    multiply \
    EQ_LINE("vrshl.s32 q2, r8") \
    EQ_LINE("vrshl.s32 q0, r10") \
    EQ_LINE("vqmovnb.s32 q2, q2") \
    EQ_LINE("vqmovnt.s32 q2, q0") \
    EQ_LINE("vqadd.s16 q2, q2, " zero) \
    EQ_LINE("vqmovnb.s16 q2, q2") \
    EQ_LINE("vstrb.16 q2, [r7, q4]") \
    EQ_LINE("add r7, #2") \
    EQ_LINE("cmp r9, r11") \
    EQ_LINE("bne 1b") \
    EQ_LINE("vpop {d8-d15}") \
    EQ_LINE("pop {r4-r11, pc}")
#define EQ_PASS_START \
    EQ_LINE("push {r4-r11, lr}") \
    EQ_LINE("vpush {d8-d15}") \
    EQ_LINE("ldrd r7, r11, [r0, #24]") \
    EQ_LINE("vldrw.u32 q4, [r0, #40]")

/* r1: the first column; r5: the output's zero point. In several parts, as strings have limits. */
#define EQ_SHORT_PASS(held, steps, more, multiply) \
    __asm__ volatile( \
        EQ_PASS_START \
        EQ_LINE("ldrd r9, r5, [r0, #32]") \
        EQ_LINE("ldr r1, [r0]") \
        held \
        EQ_LINE("1:") \
        steps); \
    __asm__ volatile(more); \
    __asm__ volatile(EQ_PASS_END(multiply, "r5"))

/* A row of the filter: the four pixels' columns are in q2, q3, q5 and q6, then the first two make
 * room for the fifth and the sixth. */
#define EQ_WINDOW_FIRST(mac) \
    EQ_PASS_WEIGHTS("q0") \
    EQ_LINE("vldrb.u8 q2, [r1], #16") \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE(mac " r0, q0, q2") \
    EQ_LINE("vldrb.u8 q3, [r1], #16") \
    EQ_LINE(mac " r8, q1, q2") \
    EQ_LINE("vldrb.u8 q5, [r1], #16") \
    EQ_LINE(mac " r2, q0, q3") \
    EQ_LINE(mac " r10, q1, q3") \
    EQ_LINE("vldrb.u8 q6, [r1], #16") \
    EQ_LINE(mac " r4, q0, q5") \
    EQ_LINE(mac " r12, q1, q5") \
    EQ_LINE(mac " r6, q0, q6") \
    EQ_LINE(mac " lr, q1, q6")
#define EQ_WINDOW_NEXT(a, b, c, fresh) \
    EQ_PASS_WEIGHTS("q0") \
    EQ_LINE("vldrb.u8 " fresh ", [r1], #16") \
    EQ_LINE("vmladava.s8 r0, q0, " a) \
    EQ_PASS_WEIGHTS("q1") \
    EQ_LINE("vmladava.s8 r2, q0, " b) \
    EQ_LINE("vmladava.s8 r4, q0, " c) \
    EQ_LINE("vmladava.s8 r6, q0, " fresh) \
    EQ_LINE("vmladava.s8 r8, q1, " a) \
    EQ_LINE("vmladava.s8 r10, q1, " b) \
    EQ_LINE("vmladava.s8 r12, q1, " c) \
    EQ_LINE("vmladava.s8 lr, q1, " fresh)
#define EQ_WINDOW_OTHERS \
    EQ_WINDOW_NEXT("q3", "q5", "q6", "q2") \
    EQ_WINDOW_NEXT("q5", "q6", "q2", "q3")

/* r3: the window; r5: its end; q7: the output's zero point. */
#define EQ_WINDOW_PASS(multiply) \
    __asm__ volatile( \
        EQ_PASS_START \
        EQ_LINE("ldrd r9, r1, [r0, #32]") \
        EQ_LINE("vdup.16 q7, r1") \
        EQ_LINE("ldrd r3, r5, [r0]") \
        EQ_LINE("1:") \
        EQ_LINE("mov r1, r3") \
        EQ_WINDOW_FIRST("vmladav.s8") \
        EQ_LINE("b 3f") \
        EQ_LINE("2:") \
        EQ_WINDOW_FIRST("vmladava.s8") \
        EQ_LINE("3:") \
        EQ_WINDOW_OTHERS); \
    __asm__ volatile( \
        EQ_WINDOW_FIRST("vmladava.s8") \
        EQ_WINDOW_OTHERS \
        EQ_WINDOW_FIRST("vmladava.s8") \
        EQ_WINDOW_OTHERS \
        EQ_LINE("cmp r1, r5") \
        EQ_LINE("bne 2b")); \
    __asm__ volatile(EQ_PASS_END(multiply, "q7"))

/* For outputs that are clamped at the zero point, and for those of either sign. */
#define EQ_SHORT_FUNCTIONS(number, held, steps, more) \
    static EQ_NAKED void eq_short_##number##_rectified_mve(EQ_TILE_ARGUMENT) \
    { \
        EQ_SHORT_PASS(held, steps, more, EQ_PASS_RECTIFIED); \
    } \
    static EQ_NAKED void eq_short_##number##_signed_mve(EQ_TILE_ARGUMENT) \
    { \
        EQ_SHORT_PASS(held, steps, more, EQ_PASS_SIGNED); \
    }
#define EQ_TILE_ARGUMENT const eq_tile_mve *tile __attribute__((unused))

EQ_SHORT_FUNCTIONS(1, EQ_HELD_1, EQ_STEPS_1, "")
EQ_SHORT_FUNCTIONS(2, EQ_HELD_2, EQ_STEPS_2, "")
EQ_SHORT_FUNCTIONS(3, EQ_HELD(3), EQ_STEPS_3(3), "")
EQ_SHORT_FUNCTIONS(4, EQ_HELD(4), EQ_STEPS_3(4), EQ_STEPS_4(4))
EQ_SHORT_FUNCTIONS(5, EQ_HELD(5), EQ_STEPS_3(5), EQ_STEPS_5(5))
EQ_SHORT_FUNCTIONS(6, EQ_HELD(6), EQ_STEPS_3(6), EQ_STEPS_6(6))
EQ_SHORT_FUNCTIONS(7, EQ_HELD(7), EQ_STEPS_3(7), EQ_STEPS_7(7))
EQ_SHORT_FUNCTIONS(8, EQ_HELD(8), EQ_STEPS_3(8), EQ_STEPS_8(8))

static EQ_NAKED void eq_window_rectified_mve(EQ_TILE_ARGUMENT)
{
    EQ_WINDOW_PASS(EQ_PASS_RECTIFIED);
}

static EQ_NAKED void eq_window_signed_mve(EQ_TILE_ARGUMENT)
{
    EQ_WINDOW_PASS(EQ_PASS_SIGNED);
}
/* clang-format on */

#define EQ_SHORT_CASE(number)                                                                      \
    case number:                                                                                   \
        if (rectified) {                                                                           \
            eq_short_##number##_rectified_mve(tile);                                               \
        } else {                                                                                   \
            eq_short_##number##_signed_mve(tile);                                                  \
        }                                                                                          \
        break;

/* The pass over short columns of so many steps. */
EQ_KERNEL void eq_short_pass_mve(const eq_tile_mve *tile, int32_t steps, int rectified)
{
    switch (steps) {
        EQ_SHORT_CASE(1)
        EQ_SHORT_CASE(2)
        EQ_SHORT_CASE(3)
        EQ_SHORT_CASE(4)
        EQ_SHORT_CASE(5)
        EQ_SHORT_CASE(6)
        EQ_SHORT_CASE(7)
        EQ_SHORT_CASE(8)
    default:
        break;
    }
}

#endif
