/* Cycles of each op. The generated code calls EQ_OP() before every op and once after the last. */
#ifndef EQ_OPS_H
#define EQ_OPS_H

#include <stdint.h>

enum { EQ_OPS_WINDOW = 16 }; /* ops that are timed at once: what the table takes is RAM */

/* Not 0 while ops are timed; else a hook costs a load and a branch. */
extern uint8_t eq_ops_on;

#define EQ_OP(index)                                                                               \
    if (eq_ops_on != 0U) {                                                                         \
        eq_ops_mark(index);                                                                        \
    }

/* From now on times the ops from `first` on, EQ_OPS_WINDOW of them. */
void eq_ops_watch(uint32_t first);

/* No op is timed any more. */
void eq_ops_stop(void);

/* The op before `index` has ended, and op `index` begins. */
void eq_ops_mark(uint32_t index);

/* Cycles of op number `offset` of the window since eq_ops_watch(), summed over its calls. */
uint32_t eq_ops_cycles(uint32_t offset);

#endif
