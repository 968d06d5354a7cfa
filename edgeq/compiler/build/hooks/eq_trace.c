/* Hands every report of eq_trace.h to whoever has set eq_on_op. */
#include "eq_trace.h"

#include <stddef.h>

typedef void (*eq_on_op_function)(int op, const void *arena);
extern eq_on_op_function eq_on_op;
eq_on_op_function eq_on_op = NULL;

void eq_trace_op(int op, const void *arena)
{
    if (eq_on_op != NULL) {
        eq_on_op(op, arena);
    }
}
