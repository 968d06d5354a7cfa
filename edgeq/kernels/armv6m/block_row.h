/* The inner product of blocks of weights on Armv6-M; the same in plain C: eq_block_row.h of
 * kernels/rv32. */
#ifndef EQ_BLOCK_ROW_H
#define EQ_BLOCK_ROW_H

#include "eq_base.h"
#include "eq_core.h"

/* r0 weights, r1 input; r4 to r7 the sums, r8 that of the inputs. */
#define EQ_BLOCK_STEP(tap, a, b, c, d)                                                             \
    "ldrb r2, [r1, #" #tap "]\n\t"                                                                 \
    "sxtb r2, r2\n\t"                                                                              \
    "add r8, r2\n\t" EQ_ROW_OUTPUT("r4", a) EQ_ROW_OUTPUT("r5", b) EQ_ROW_OUTPUT("r6", c)          \
        EQ_ROW_OUTPUT("r7", d)

/* sums[i] = the sum over all inputs of weight i * input; what is stored is weight + 128, and 128
 * times the inputs is taken away here. Each block is four inputs by four weights; `blocks` says
 * how many are left out before it. */
static EQ_NAKED void eq_block_row(const int8_t *weights __attribute__((unused)),
                                  const int8_t *input __attribute__((unused)),
                                  const uint8_t *blocks __attribute__((unused)),
                                  const int8_t *weights_end __attribute__((unused)),
                                  int32_t *sums __attribute__((unused)))
{
    __asm__ volatile(".syntax unified\n\t"
                     "push {r4-r7, lr}\n\t"
                     "mov r4, r8\n\t"
                     "push {r4}\n\t"
                     "mov r12, r2\n\t"
                     "mov lr, r3\n\t"
                     "movs r4, #0\n\t"
                     "movs r5, #0\n\t"
                     "movs r6, #0\n\t"
                     "movs r7, #0\n\t"
                     "mov r8, r4\n\t"
                     "1:\n\t"
                     "mov r2, r12\n\t"
                     "ldrb r3, [r2]\n\t"
                     "adds r2, #1\n\t"
                     "mov r12, r2\n\t"
                     "lsls r3, r3, #2\n\t"
                     "adds r1, r1, r3\n\t" EQ_BLOCK_STEP(0, 0, 1, 2, 3) EQ_BLOCK_STEP(1, 4, 5, 6, 7)
                         EQ_BLOCK_STEP(2, 8, 9, 10, 11)
                             EQ_BLOCK_STEP(3, 12, 13, 14, 15) "adds r0, #16\n\t"
                                                              "adds r1, #4\n\t"
                                                              "cmp r0, lr\n\t"
                                                              "bne 1b\n\t"
                                                              "mov r2, r8\n\t"
                                                              "lsls r2, r2, #7\n\t"
                                                              "subs r4, r4, r2\n\t"
                                                              "subs r5, r5, r2\n\t"
                                                              "subs r6, r6, r2\n\t"
                                                              "subs r7, r7, r2\n\t"
                                                              "ldr r3, [sp, #24]\n\t"
                                                              "stmia r3!, {r4-r7}\n\t"
                                                              "pop {r4}\n\t"
                                                              "mov r8, r4\n\t"
                                                              "pop {r4-r7, pc}");
}

#endif
