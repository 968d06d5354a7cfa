/* Products of one float32 vector with groups of eight rows, for Arm cores with an FPU. */
#ifndef EQ_ROWS_F32_FPU_H
#define EQ_ROWS_F32_FPU_H

#include "eq_float.h"
#include "eq_multiply_fpu.h"

#define EQ_ROWS_FPU 8 /* at a time */
#define EQ_ROWS_UNROLL_FPU 4
#define EQ_ROWS_STEP_BYTES_FPU (8 + 2 * EQ_MACS_BYTES_FPU)

/* One value by eight rows. */
#define EQ_ROWS_STEP_FPU                                                                           \
    "vldmia r1!, {s8}\n\t"                                                                         \
    "vldmia r0!, {s16-s23}\n\t" /* */                                                              \
        EQ_MACS_FPU("s0", "s1", "s2", "s3", "s16", "s17", "s18", "s19", "s8", "s8", "s8", "s8")    \
            EQ_MACS_FPU("s4", "s5", "s6", "s7", "s20", "s21", "s22", "s23", "s8", "s8", "s8",      \
                        "s8")

/* The sums of every group from `sums` to `sums_end`; returns what follows the weights of the last.
 * A group is eight weights for each value, then eight biases. On the stack, behind what is pushed:
 * sums, sums_end. */
static EQ_NAKED const float *eq_rows_f32_fpu(const float *weights __attribute__((unused)),
                                             const float *vector __attribute__((unused)),
                                             const float *vector_end __attribute__((unused)),
                                             int32_t skip __attribute__((unused)),
                                             float *sums __attribute__((unused)),
                                             float *sums_end __attribute__((unused)))
{
    __asm__ volatile(
        "push {r4-r9, lr}\n\t"
        "vpush {s16-s31}\n\t"
        "ldrd r4, r5, [sp, #92]\n\t"
        "adr r6, 2f\n\t"
        "add r6, r3\n\t"
        "orr r6, #1\n\t"
        "mov r3, r1\n\t"
        "mov r7, #0\n\t"
        "1:\n\t" EQ_ZEROS_FPU("d0", "d1", "d2", "d3",
                              "r7") "mov r1, r3\n\t"
                                    "bx r6\n\t"
                                    ".p2align 2\n\t"
                                    "2:\n\t"
                                    ".rept 4\n\t" EQ_ROWS_STEP_FPU ".endr\n\t"
                                    "cmp r1, r2\n\t"
                                    "bne 2b\n\t"
                                    "vldmia r0!, {s16-s23}\n\t" EQ_BIASES_FPU(
                                        "s0", "s1", "s2", "s3", "s16", "s17", "s18", "s19")
                                        EQ_BIASES_FPU("s4", "s5", "s6", "s7", "s20", "s21", "s22",
                                                      "s23") "vstmia r4!, {s0-s7}\n\t"
                                                             "cmp r4, r5\n\t"
                                                             "bne 1b\n\t"
                                                             "vpop {s16-s31}\n\t"
                                                             "pop {r4-r9, pc}");
}

/* The sums of `count` rows, filled up to whole groups. */
EQ_KERNEL const float *eq_row_sums_fpu(const float *weights, const float *vector, int32_t values,
                                       float *sums, int32_t count)
{
    const int32_t skip = (EQ_ROWS_UNROLL_FPU - values % EQ_ROWS_UNROLL_FPU) % EQ_ROWS_UNROLL_FPU *
                         EQ_ROWS_STEP_BYTES_FPU;
    const int32_t whole = (count + EQ_ROWS_FPU - 1) / EQ_ROWS_FPU * EQ_ROWS_FPU;
    return eq_rows_f32_fpu(weights, vector, vector + values, skip, sums, sums + whole);
}

#endif
