/* Forced in front of generated code: reports the start of op number `i` and the whole arena. */
#ifndef EQ_TRACE_H
#define EQ_TRACE_H

void eq_trace_op(int op, const void *arena);
#ifndef EQ_OP /* eq_mark.h may have come first */
#define EQ_OP(i) eq_trace_op((i), model_arena);
#endif

#endif
