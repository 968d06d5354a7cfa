#include "eq_ops.h"

#include <string.h>

#include "eq_port.h"

uint8_t eq_ops_on;

static struct {
    uint32_t first;
    uint32_t running; /* the op that began last */
    uint32_t start;
    uint32_t cycles[EQ_OPS_WINDOW];
} ops;

void eq_ops_watch(uint32_t first)
{
    memset(&ops, 0, sizeof ops);
    ops.first = first;
    ops.running = UINT32_MAX; /* none: the first mark ends nothing */
    eq_ops_on = 1;
}

void eq_ops_stop(void)
{
    eq_ops_on = 0;
}

void eq_ops_mark(uint32_t index)
{
    const uint32_t now = eq_port_cycles();
    const uint32_t offset = ops.running - ops.first;
    if (ops.running != UINT32_MAX && offset < (uint32_t)EQ_OPS_WINDOW) {
        ops.cycles[offset] += now - ops.start;
    }
    ops.running = index;
    ops.start = eq_port_cycles(); /* read again: what is done here belongs to no op */
}

uint32_t eq_ops_cycles(uint32_t offset)
{
    return ops.cycles[offset];
}
